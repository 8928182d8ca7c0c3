/* SPDX-License-Identifier: PostgreSQL */
/* A replay goes page by page, from memory where the rows are there, else read. After each page it
 * waits until its session's socket has taken most of it: a session that reads slowly waits for
 * itself, and what a replay holds in memory is one page, not all that was missed. Live frames stay
 * held at the worker meanwhile; who is so slow that they pass the limit of its out-queue is closed
 * by the worker, comes back, and resumes from where it got. So does one whose replay cannot go on,
 * because the store fails or has trimmed what comes next: to be told of a gap it has to ask anew.
 *
 * And frames of replays are counted: a crowd that finds all in memory must not fill a turn with
 * millions of orders for the workers. */
#include "core/hub/resume/replay.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/close_code.h"
#include "core/hub/ground/say.h"
#include "core/hub/presence/presence.h"
#include "core/hub/resume/reads.h"
#include "core/hub/resume/recent.h"

enum { MAX_FRAMES = 20000 }; /* in a turn, about */

struct replay {
    struct channel *channel;
    uint32_t n_epoch;
    uint64_t at;    /* sent up to here */
    uint64_t until; /* and from here on the worker has it */
    bool has_waited;
};

void resume_live(struct hub *hub, const struct session *session, const struct channel *channel,
                 uint64_t skip_to)
{
    struct subscription *in = session_in(session, channel);
    in->offset = skip_to;
    in->is_held = false;
    hub->transport->resume_live(hub->transport->ctx, session->id, channel->roster->number, skip_to,
                                in->wants_presence);
}

void replay_end(struct hub *hub, struct session *session)
{
    struct replay *replay = session->replay;
    session->replay = NULL;
    if (replay) {
        channel_unpin(&hub->channels, replay->channel);
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
    if (replay->has_waited) {
        /* The news of presence that came while it was held were not for it. */
        presence_send(hub, session, replay->channel);
    }
    resume_live(hub, session, replay->channel, replay->until);
    replay_finish(hub, session);
}

static void replay_note(struct hub *hub)
{
    hub->n_replayed++;
    say_count(hub, METRIC_REPLAYED);
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
    for (size_t i = 0; i < n && replay->at < replay->until && i < hub->options.page_rows &&
                       bytes < hub->options.page_bytes;
         i++) {
        replay->at++;
        if (audience_admits(&rows[i]->event->f.audience, session->identity)) {
            struct frame *frame = recent_replay(hub->recent, rows[i], hub->protocol);
            hub->transport->send(hub->transport->ctx, session->id, frame);
            bytes += frame->len;
            replay_note(hub);
        }
    }
    return true;
}

/* False: the next page must be read. */
static bool replay_try(struct hub *hub, struct session *session, const struct read *unused)
{
    const struct replay *replay = session->replay;
    (void)unused;
    if (!session_in(session, replay->channel)) {
        replay_finish(hub, session); /* removed meanwhile */
    } else if (replay->n_epoch != hub->n_epoch) {
        replay_give_up(hub, session);
    } else if (hub->n_replayed >= MAX_FRAMES) {
        replay_pause(hub, session);
    } else if (replay_send_recent(hub, session)) {
        replay_after_page(hub, session);
    } else {
        return false;
    }
    return true;
}

static void replay_send_page(struct hub *hub, struct session *session,
                             const struct store_answer *page)
{
    struct replay *replay = session->replay;
    for (size_t i = 0; i < page->n_events && replay->at < replay->until; i++) {
        const struct event_fields *event = &page->events[i]->f;
        replay->at = event->offset;
        if (audience_admits(&event->audience, session->identity)) {
            say_frame(hub, session, hub->protocol->event(event, true));
            replay_note(hub);
        }
    }
    replay_after_page(hub, session);
}

static void replay_take(struct hub *hub, struct session *session, const struct read *read,
                        const struct store_answer *found)
{
    const struct replay *replay = session->replay;
    (void)read;
    if (!session_in(session, replay->channel)) {
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
        .kind = STORE_READ_SINCE,
        .limit = hub->options.page_rows,
        .max_bytes = hub->options.page_bytes,
        .max_missed = UINT32_MAX, /* how much it missed was judged when it came back */
        .since = session->replay->at,
    };
    replay_wait(session);
    reads_ask(hub, session, read);
}

void replay_begin(struct hub *hub, struct session *session, struct channel *channel, uint64_t since,
                  uint64_t until, const struct store_answer *page)
{
    struct replay *replay = mem_alloc(sizeof(*replay));
    *replay =
        (struct replay){.channel = channel, .n_epoch = hub->n_epoch, .at = since, .until = until};
    assert(!session->replay);
    session->replay = replay;
    channel_pin(channel);
    if (since >= until) {
        replay_after_page(hub, session);
    } else if (page) {
        replay_send_page(hub, session, page);
    } else {
        replay_step(hub, session);
    }
}

void replay_drained(struct hub *hub, struct session *session)
{
    if (session->replay && !session->is_closing) {
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
