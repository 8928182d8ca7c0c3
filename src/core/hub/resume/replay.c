/* SPDX-License-Identifier: PostgreSQL */
/* A replay goes page by page, from memory where the rows are there, else read. After each page it
 * waits until its session's socket has taken most of it: a session that reads slowly waits for
 * itself, and what a replay holds in memory is one page, not all that was missed. Live frames stay
 * held at the worker meanwhile; who is so slow that they pass the limit of its out-queue is closed
 * by the worker, comes back, and resumes from where it got. So does one whose replay cannot go on,
 * because the store fails or has trimmed what comes next: to be told of a gap it has to ask anew.
 *
 * A page with rows that the database has to judge waits for that first.
 *
 * And frames of replays are counted: a crowd that finds all in memory must not fill a turn with
 * millions of orders for the workers. */
#include "core/hub/resume/replay.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/close_code.h"
#include "core/hub/ground/say.h"
#include "core/hub/live/gap.h"
#include "core/hub/live/hearing.h"
#include "core/hub/live/place.h"
#include "core/hub/live/tell.h"
#include "core/hub/live/version.h"
#include "core/hub/presence/presence.h"
#include "core/hub/resume/reads.h"
#include "core/hub/resume/recent.h"

enum { MAX_FRAMES = 20000 }; /* in a turn, about */

struct replay {
    struct channel *channel;
    struct view *view;
    uint32_t n_epoch;
    uint64_t at;    /* sent up to here */
    uint64_t until; /* and from here on the worker has it */
    bool has_waited;
    struct replay_rule rule; /* all zero: none */
    /* A page that the database is asked about. */
    struct hearing *hearing; /* NULL: none */
    struct event **page;
    size_t n_page;
    uint32_t n_regrouped; /* the channel's when it was asked */
    struct asker asker;
};

void resume_live(struct hub *hub, struct session *session, struct channel *channel,
                 struct view *view, uint64_t skip_to)
{
    struct subscription *in = session_in_view(session, channel, view);
    if (place_settle(hub, session, in) && channel->fanned > skip_to) {
        replay_begin(hub, session, channel, view, skip_to, channel->fanned, NULL);
        return;
    }
    in->offset = skip_to;
    in->is_held = false;
    hub->transport->resume_live(hub->transport->ctx, session->id, in->group->roster->number,
                                skip_to, in->wish);
    version_check(hub, session, in);
}

static void replay_drop_page(struct replay *replay)
{
    hearing_free(replay->hearing);
    replay->hearing = NULL;
    for (size_t i = 0; i < replay->n_page; i++) {
        event_unref(replay->page[i]);
    }
    free(replay->page);
    replay->page = NULL;
    replay->n_page = 0;
}

void replay_end(struct hub *hub, struct session *session)
{
    struct replay *replay = session->replay;
    session->replay = NULL;
    if (replay) {
        replay_drop_page(replay);
        channel_unpin_view(replay->channel, replay->view);
        channel_unpin(&hub->channels, replay->channel);
        if (replay->rule.release) {
            replay->rule.release(replay->rule.arg);
        }
        free(replay);
    }
}

static void replay_finish(struct hub *hub, struct session *session)
{
    replay_end(hub, session);
    if (session->wait == SESSION_WAIT_REPLAY) {
        session_end_wait(&hub->sessions, session);
    }
}

static void replay_give_up(struct hub *hub, struct session *session)
{
    say_close(hub, session, CLOSE_CODE_TRY_AGAIN, "what was missed could not be read to its end");
    replay_finish(hub, session);
}

static void replay_wait(struct session *session)
{
    session->wait = SESSION_WAIT_REPLAY;
    session->replay->has_waited = true;
}

static void replay_pause(struct hub *hub, struct session *session)
{
    session_list_add(&hub->paused, session->id);
    replay_wait(session);
}

/* After a page, which may have been the last one. */
static void replay_after_page(struct hub *hub, struct session *session)
{
    struct replay *replay = session->replay;
    if (replay->at < replay->until) {
        replay_wait(session);
        hub->transport->await_drain(hub->transport->ctx, session->id);
        return;
    }
    struct replay done = *replay;
    if (done.has_waited && !done.view) {
        /* The news of presence that came while it was held were not for it. */
        presence_send(hub, session, done.channel);
    }
    if (done.rule.finish) {
        done.rule.finish(hub, session, done.rule.arg, done.until);
    }
    channel_pin(done.channel);
    channel_pin_view(done.view);
    replay_finish(hub, session);
    resume_live(hub, session, done.channel, done.view, done.until);
    channel_unpin_view(done.channel, done.view);
    channel_unpin(&hub->channels, done.channel);
}

static void replay_note(struct hub *hub)
{
    hub->n_replayed++;
    say_count(hub, METRIC_REPLAYED);
}

/* As the session is told it, if it is. Returns the frame's bytes. */
static size_t replay_send_event(struct hub *hub, const struct session *session,
                                const struct event_fields *event)
{
    const struct replay *replay = session->replay;
    struct protocol_event told;
    struct frame *frame = NULL;
    if (replay->rule.passes && !replay->rule.passes(replay->rule.arg, event)) {
        return 0;
    }
    switch (tell_past(hub, session, replay->channel, replay->view, event, &told)) {
    case TELL_NOTHING:
        return 0;
    case TELL_GAP:
        say_count(hub, METRIC_GAPS);
        frame = gap_frame(hub, replay->channel, replay->view, event->offset);
        break;
    case TELL_EVENT:
        frame = hub->protocol->event(&told, view_name(replay->view), true);
        replay_note(hub);
        break;
    }
    size_t bytes = frame->len;
    say_frame(hub, session, frame);
    return bytes;
}

/* What all are told in the same words they share. */
static size_t replay_send_row(struct hub *hub, const struct session *session,
                              struct recent_row *row)
{
    const struct replay *replay = session->replay;
    const struct event_fields *event = &row->event->f;
    if (!replay->view && tell_is_public(hub, replay->channel, event)) {
        struct frame *frame = recent_replay(hub->recent, row, hub->protocol);
        hub->transport->send(hub->transport->ctx, session->id, frame);
        replay_note(hub);
        return frame->len;
    }
    return replay_send_event(hub, session, event);
}

/* ---- pages that the database has to judge first ---- */

static void replay_step(struct hub *hub, struct session *session);

static void replay_send_judged(struct hub *hub, struct session *session, struct hearing *hearing)
{
    struct replay *replay = session->replay;
    tell_by(hub, hearing);
    for (size_t i = 0; i < replay->n_page; i++) {
        replay->at = replay->page[i]->f.offset;
        replay_send_event(hub, session, &replay->page[i]->f);
    }
    tell_by(hub, NULL);
}

/* Who was grouped anew meanwhile asks again. */
static void on_heard(void *arg, struct hearing *hearing)
{
    const struct asker *asker = arg;
    struct hub *hub = asker->hub;
    struct session *session = session_table_find(&hub->sessions, asker->session);
    struct replay *replay = session->replay;
    if (session->is_closing || !session_in_view(session, replay->channel, replay->view)) {
        replay_finish(hub, session);
    } else if (replay->n_epoch != hub->n_epoch) {
        replay_give_up(hub, session);
    } else if (replay->n_regrouped != replay->channel->n_regrouped) {
        replay_drop_page(replay);
        replay_step(hub, session);
    } else {
        replay_send_judged(hub, session, hearing);
        replay_drop_page(replay);
        replay_after_page(hub, session);
    }
}

/* True: it waits. */
static bool replay_hears(struct hub *hub, struct session *session, struct event *const *page,
                         size_t n)
{
    struct replay *replay = session->replay;
    struct hearing *hearing = tell_hearing(hub, replay->channel, session, replay->view, page, n);
    if (!hearing) {
        return false;
    }
    replay->hearing = hearing;
    replay->n_page = n;
    replay->page = mem_array(NULL, n, sizeof(struct event *));
    for (size_t i = 0; i < n; i++) {
        replay->page[i] = event_ref(page[i]);
    }
    replay->n_regrouped = replay->channel->n_regrouped;
    replay->asker = (struct asker){hub, session->id};
    replay_wait(session);
    hearing_begin(hearing, STORE_JUDGE_PAST, on_heard, &replay->asker);
    return true;
}

static bool replay_hears_recent(struct hub *hub, struct session *session,
                                struct recent_row *const *rows, size_t n)
{
    struct event **page = mem_array(NULL, n + 1, sizeof(struct event *));
    bool is_asked = false;
    for (size_t i = 0; i < n; i++) {
        page[i] = rows[i]->event;
        is_asked = is_asked || tell_is_asked(hub, &page[i]->f);
    }
    bool hears = is_asked && replay_hears(hub, session, page, n);
    free(page);
    return hears;
}

/* ---- from memory and from reads ---- */

/* How many of the rows are a page. */
static size_t replay_room(const struct hub *hub, const struct replay *replay,
                          struct recent_row *const *rows, size_t n)
{
    size_t i = 0, bytes = 0;
    while (i < n && replay->at + i < replay->until && i < hub->options.page_rows &&
           bytes < hub->options.page_bytes) {
        bytes += rows[i++]->event->f.payload.len;
    }
    return i;
}

/* False: the rows are not in memory. */
static bool replay_send_recent(struct hub *hub, struct session *session)
{
    struct replay *replay = session->replay;
    const struct recent_run *run = recent_find(hub->recent, channel_name(replay->channel));
    struct recent_row *const *rows;
    size_t n, bytes = 0;
    if (!run || !recent_run_after(run, replay->at, &rows, &n)) {
        return false;
    }
    if (replay_hears_recent(hub, session, rows, replay_room(hub, replay, rows, n))) {
        return true;
    }
    for (size_t i = 0; i < n && replay->at < replay->until && i < hub->options.page_rows &&
                       bytes < hub->options.page_bytes;
         i++) {
        replay->at++;
        bytes += replay_send_row(hub, session, rows[i]);
    }
    replay_after_page(hub, session);
    return true;
}

/* False: the next page must be read. */
static bool replay_try(struct hub *hub, struct session *session, const struct read *unused)
{
    const struct replay *replay = session->replay;
    (void)unused;
    if (!session_in_view(session, replay->channel, replay->view)) {
        replay_finish(hub, session); /* removed meanwhile */
    } else if (replay->n_epoch != hub->n_epoch) {
        replay_give_up(hub, session);
    } else if (hub->n_replayed >= MAX_FRAMES) {
        replay_pause(hub, session);
    } else {
        return replay_send_recent(hub, session);
    }
    return true;
}

/* How many events of what was read it has missed. */
static size_t replay_room_of(const struct replay *replay, const struct store_answer *page)
{
    size_t n = 0;
    while (n < page->n_events && page->events[n]->f.offset <= replay->until) {
        n++;
    }
    return n;
}

static void replay_send_page(struct hub *hub, struct session *session,
                             const struct store_answer *page)
{
    struct replay *replay = session->replay;
    if (replay_hears(hub, session, page->events, replay_room_of(replay, page))) {
        return;
    }
    for (size_t i = 0; i < page->n_events && replay->at < replay->until; i++) {
        replay->at = page->events[i]->f.offset;
        replay_send_event(hub, session, &page->events[i]->f);
    }
    replay_after_page(hub, session);
}

static void replay_take(struct hub *hub, struct session *session, const struct read *read,
                        const struct store_answer *found)
{
    const struct replay *replay = session->replay;
    (void)read;
    if (!session_in_view(session, replay->channel, replay->view)) {
        replay_finish(hub, session);
    } else if (found->is_failed || found->is_gap || found->n_events == 0) {
        replay_give_up(hub, session);
    } else {
        replay_send_page(hub, session, found);
    }
}

static void replay_step(struct hub *hub, struct session *session)
{
    if (replay_try(hub, session, NULL)) {
        return;
    }
    struct read *read = mem_alloc(sizeof(*read));
    *read = (struct read){
        .try = replay_try,
        .take = replay_take,
        .channel = session->replay->channel,
        .view = session->replay->view,
        .kind = STORE_READ_SINCE,
        .limit = hub->options.page_rows,
        .max_bytes = hub->options.page_bytes,
        .max_missed = UINT32_MAX, /* how much it missed was judged when it came back */
        .since = session->replay->at,
    };
    replay_wait(session);
    reads_ask(hub, session, read);
}

static void replay_start(struct hub *hub, struct session *session, const struct replay *replay,
                         const struct store_answer *page)
{
    assert(!session->replay);
    session->replay = mem_alloc(sizeof(*replay));
    *session->replay = *replay;
    session->replay->n_epoch = hub->n_epoch;
    channel_pin(replay->channel);
    channel_pin_view(replay->view);
    if (replay->at >= replay->until) {
        replay_after_page(hub, session);
    } else if (page) {
        replay_send_page(hub, session, page);
    } else {
        replay_step(hub, session);
    }
}

void replay_begin(struct hub *hub, struct session *session, struct channel *channel,
                  struct view *view, uint64_t since, uint64_t until,
                  const struct store_answer *page)
{
    struct replay replay = {.channel = channel, .view = view, .at = since, .until = until};
    replay_start(hub, session, &replay, page);
}

void replay_begin_by(struct hub *hub, struct session *session, struct channel *channel,
                     struct view *view, uint64_t since, uint64_t until,
                     const struct replay_rule *rule)
{
    struct replay replay = {
        .channel = channel, .view = view, .at = since, .until = until, .rule = *rule};
    replay_start(hub, session, &replay, NULL);
}

void replay_drained(struct hub *hub, struct session *session)
{
    if (session->replay && !session->replay->hearing && !session->is_closing) {
        replay_step(hub, session);
    }
}

void replay_resume_paused(struct hub *hub)
{
    struct session_list paused = hub->paused;
    hub->paused = (struct session_list){0};
    for (size_t i = 0; i < paused.n; i++) {
        struct session *session = session_table_find(&hub->sessions, paused.ids[i]);
        if (session) {
            replay_drained(hub, session);
        }
    }
    free(paused.ids);
}
