/* SPDX-License-Identifier: PostgreSQL */
/* What is asked of the store, and replays of what a session has missed.
 *
 * However many sessions come back at once, only a few reads are under way. The rest wait here, and
 * a read whose turn has come first looks again whether it is still needed: the answer to the first
 * of a crowd often has told what the others want to know. Joins and histories have a queue, what
 * resumes has another: a plain join does not stand behind a thousand replays, nor they behind a
 * thousand joins. In its queue a replay stands anew for each page, so all advance alike.
 *
 * A replay goes page by page, from memory where the rows are there, else read. After each page it
 * waits until its session's socket has taken most of it: a session that reads slowly waits for
 * itself, and what a replay holds in memory is one page, not all that was missed. Live frames stay
 * held at the worker meanwhile; who is so slow that they pass the limit of its out-queue is closed
 * by the worker, comes back, and resumes from where it got. So does one whose replay cannot go on,
 * because the store fails or has trimmed what comes next: to be told of a gap it has to ask anew.
 *
 * And frames of replays are counted: a crowd that finds all in memory must not fill a turn with
 * millions of orders for the workers. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/close_code.h"
#include "core/hub/internal.h"

enum {
    MAX_AGE_MS = 30000, /* so long a read may wait if the store fails */
    MAX_FRAMES = 20000, /* of replays in a turn, about */
};

struct replay {
    struct channel *channel;
    uint32_t n_epoch;
    uint64_t at;    /* sent up to here */
    uint64_t until; /* and from here on the worker has it */
    bool has_waited;
};

/* ---- a read's turn ---- */

static void unpin(struct hub *hub, struct channel *channel)
{
    channel->n_pins--;
    channel_drop_if_unused(&hub->channels, channel);
}

static enum read_queue queue_of(const struct read *read)
{
    return read->kind == STORE_READ_SINCE ? READ_QUEUE_REPLAYS : READ_QUEUE_JOINS;
}

static void push(struct reads *reads, struct read *read)
{
    enum read_queue which = queue_of(read);
    read->next = NULL;
    *(reads->queues[which].first ? reads->queues[which].end : &reads->queues[which].first) = read;
    reads->queues[which].end = &read->next;
    reads->n_queued++;
}

static struct read *pop(struct reads *reads, enum read_queue which)
{
    struct read *read = reads->queues[which].first;
    reads->queues[which].first = read->next;
    reads->n_queued--;
    return read;
}

/* Its wait for this read is over, unless a replay has come of it: that one ends the wait itself. */
static void finish(struct hub *hub, struct session *session, struct read *read)
{
    bool is_waiting = session && !read->is_page && session->wait == SESSION_WAIT_READ;
    unpin(hub, read->channel);
    free(read);
    if (is_waiting) {
        session_end_wait(&hub->sessions, session);
    }
}

static void on_answer(void *arg, const struct store_answer *found);

static void ask_store(struct hub *hub, struct session *session, struct read *read)
{
    const struct hub_options *options = &hub->options;
    bool is_last = read->kind == STORE_READ_LAST;
    struct store_query query = {
        .kind = read->kind,
        .channel = channel_name(read->channel),
        .limit = is_last ? read->limit : options->page_rows,
        .since_epoch = str_of(hub->epoch),
        .since_offset = read->since,
        .viewer = session->identity,
        .max_bytes = is_last ? HUB_HISTORY_BYTES : options->page_bytes,
        .max_missed = read->is_page ? UINT32_MAX : options->resume_max_rows,
    };
    hub->reads.queues[queue_of(read)].n_under_way++;
    hub->store->read(hub->store->ctx, &query, on_answer, read);
}

static bool try_step(struct hub *hub, struct session *session);

static void take_turn(struct hub *hub, struct read *read)
{
    struct session *session = session_table_find(&hub->sessions, read->session);
    if (!session || session->is_closing) {
        finish(hub, session, read);
    } else if (read->is_page ? try_step(hub, session)
                             : hub_answer_from_memory(hub, session, read)) {
        finish(hub, session, read);
    } else {
        ask_store(hub, session, read);
    }
}

static bool ask_first(struct hub *hub, enum read_queue which)
{
    struct reads *reads = &hub->reads;
    if (!reads->queues[which].first || reads->queues[which].n_under_way >= hub->options.max_reads) {
        return false;
    }
    take_turn(hub, pop(reads, which));
    return true;
}

static void ask_next(struct hub *hub)
{
    while (ask_first(hub, READ_QUEUE_JOINS) || ask_first(hub, READ_QUEUE_REPLAYS)) {
    }
}

void hub_ask(struct hub *hub, struct session *session, struct read what)
{
    struct read *read = mem_alloc(sizeof(*read));
    *read = what;
    read->hub = hub;
    read->session = session->id;
    read->n_epoch = hub->n_epoch;
    read->queued_ms = hub->now_ms;
    if (!read->is_page && hub_answer_from_memory(hub, session, read)) {
        free(read);
        return;
    }
    read->channel->n_pins++;
    if (!read->is_page) {
        session->wait = SESSION_WAIT_READ;
    }
    push(&hub->reads, read);
    ask_next(hub);
}

/* ---- answers ---- */

static void take_page(struct hub *hub, struct session *session, const struct store_answer *found);

static void take(struct hub *hub, struct session *session, const struct read *read,
                 const struct store_answer *found)
{
    struct store_answer answer = *found;
    /* An answer of another epoch than ours was read across a restore or failover: its offsets mean
     * nothing here, and the sessions are being closed. */
    answer.is_failed = answer.is_failed || read->n_epoch != hub->n_epoch || !hub->epoch ||
                       !str_equals(answer.epoch, str_of(hub->epoch));
    if (!answer.is_failed && answer.n_events > 0 &&
        answer.events[answer.n_events - 1]->f.offset == answer.head) {
        recent_adopt(&hub->recent, answer.events, answer.n_events, read->channel->fanned);
    }
    if (read->is_page) {
        take_page(hub, session, &answer);
    } else {
        hub_take_answer(hub, session, read, &answer);
    }
}

/* A store that fails will hardly answer those who have waited for their turn as long. */
static void fail_old(struct hub *hub)
{
    static const struct store_answer failed = {.is_failed = true};
    struct reads *reads = &hub->reads;
    for (int which = 0; which < READ_QUEUE_COUNT; which++) {
        while (reads->queues[which].first &&
               hub->now_ms - reads->queues[which].first->queued_ms >= MAX_AGE_MS) {
            struct read *read = pop(reads, (enum read_queue)which);
            struct session *session = session_table_find(&hub->sessions, read->session);
            if (session && !session->is_closing) {
                take(hub, session, read, &failed);
            }
            finish(hub, session, read);
        }
    }
}

static void on_answer(void *arg, const struct store_answer *found)
{
    struct read *read = arg;
    struct hub *hub = read->hub;
    struct session *session = session_table_find(&hub->sessions, read->session);
    hub->reads.queues[queue_of(read)].n_under_way--;
    if (session && !session->is_closing) {
        take(hub, session, read, found);
    }
    finish(hub, session, read);
    if (found->is_failed) {
        fail_old(hub);
    }
    ask_next(hub);
}

void hub_release_reads(struct hub *hub)
{
    for (int which = 0; which < READ_QUEUE_COUNT; which++) {
        while (hub->reads.queues[which].first) {
            free(pop(&hub->reads, (enum read_queue)which));
        }
    }
    free(hub->paused.ids);
}

/* ---- replays ---- */

void hub_end_replay(struct hub *hub, struct session *session)
{
    struct replay *replay = session->replay;
    session->replay = NULL;
    if (replay) {
        unpin(hub, replay->channel);
        free(replay);
    }
}

static void end(struct hub *hub, struct session *session)
{
    hub_end_replay(hub, session);
    if (session->wait == SESSION_WAIT_REPLAY) {
        session_end_wait(&hub->sessions, session);
    }
}

static void give_up(struct hub *hub, struct session *session)
{
    hub_close(hub, session, CLOSE_CODE_TRY_AGAIN, "what was missed could not be read to its end");
    end(hub, session);
}

static void begin_wait(struct session *session)
{
    session->wait = SESSION_WAIT_REPLAY;
    session->replay->has_waited = true;
}

static void pause(struct hub *hub, struct session *session)
{
    session_list_add(&hub->paused, session->id);
    begin_wait(session);
}

/* After a page, which may have been the last one. */
static void after_page(struct hub *hub, struct session *session)
{
    struct replay *replay = session->replay;
    if (replay->at < replay->until) {
        begin_wait(session);
        hub->transport->await_drain(hub->transport->ctx, session->id);
        return;
    }
    if (replay->has_waited) {
        /* The news of presence that came while it was held were not for it. */
        hub_send_presence(hub, session, replay->channel);
    }
    hub_release(hub, session, replay->channel, replay->until);
    end(hub, session);
}

static void note_replayed(struct hub *hub)
{
    hub->n_replayed++;
    hub_count(hub, METRIC_REPLAYED);
}

/* False: the rows are not in memory. */
static bool send_recent(struct hub *hub, struct session *session)
{
    struct replay *replay = session->replay;
    const struct recent_run *run = recent_find(&hub->recent, channel_name(replay->channel));
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
            struct frame *frame = recent_replay(&hub->recent, rows[i], hub->protocol);
            hub->transport->send(hub->transport->ctx, session->id, frame);
            bytes += frame->len;
            note_replayed(hub);
        }
    }
    return true;
}

/* False: the next page must be read. */
static bool try_step(struct hub *hub, struct session *session)
{
    const struct replay *replay = session->replay;
    if (!session_in(session, replay->channel)) {
        end(hub, session); /* removed meanwhile */
    } else if (replay->n_epoch != hub->n_epoch) {
        give_up(hub, session);
    } else if (hub->n_replayed >= MAX_FRAMES) {
        pause(hub, session);
    } else if (send_recent(hub, session)) {
        after_page(hub, session);
    } else {
        return false;
    }
    return true;
}

static void step(struct hub *hub, struct session *session)
{
    if (!try_step(hub, session)) {
        begin_wait(session);
        hub_ask(hub, session,
                (struct read){.channel = session->replay->channel,
                              .type = COMMAND_JOIN,
                              .kind = STORE_READ_SINCE,
                              .is_page = true,
                              .since = session->replay->at});
    }
}

static void send_page(struct hub *hub, struct session *session, const struct store_answer *page)
{
    struct replay *replay = session->replay;
    for (size_t i = 0; i < page->n_events && page->events[i]->f.offset <= replay->until; i++) {
        hub_answer(hub, session, hub->protocol->event(page->events[i], true));
        note_replayed(hub);
    }
    replay->at = page->read_to;
    after_page(hub, session);
}

static void take_page(struct hub *hub, struct session *session, const struct store_answer *found)
{
    if (!session_in(session, session->replay->channel)) {
        end(hub, session);
    } else if (found->is_failed || found->is_gap || found->read_to <= session->replay->at) {
        give_up(hub, session);
    } else {
        send_page(hub, session, found);
    }
}

void hub_replay(struct hub *hub, struct session *session, struct channel *channel, uint64_t since,
                uint64_t until, const struct store_answer *page)
{
    struct replay *replay = mem_alloc(sizeof(*replay));
    *replay =
        (struct replay){.channel = channel, .n_epoch = hub->n_epoch, .at = since, .until = until};
    assert(!session->replay);
    session->replay = replay;
    channel->n_pins++;
    if (since >= until) {
        after_page(hub, session);
    } else if (page) {
        send_page(hub, session, page);
    } else {
        step(hub, session);
    }
}

void hub_replay_drained(struct hub *hub, struct session *session)
{
    if (session->replay && !session->is_closing) {
        step(hub, session);
    }
}

void hub_replay_paused(struct hub *hub)
{
    struct session_list paused = hub->paused;
    hub->paused = (struct session_list){0};
    for (size_t i = 0; i < paused.n; i++) {
        struct session *session = session_table_find(&hub->sessions, paused.ids[i]);
        if (session) {
            hub_replay_drained(hub, session);
        }
    }
    free(paused.ids);
}
