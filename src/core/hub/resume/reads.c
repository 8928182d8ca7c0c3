/* SPDX-License-Identifier: PostgreSQL */
/* However many sessions come back at once, only a few reads are under way. The rest wait here, and
 * a read whose turn has come first looks again whether it is still needed: the answer to the first
 * of a crowd often has told what the others want to know. Joins and histories have a queue, what
 * resumes has another: a plain join does not stand behind a thousand replays, nor they behind a
 * thousand joins. In its queue a replay stands anew for each page, so all advance alike. */
#include "core/hub/resume/reads.h"

#include <stdlib.h>

#include "base/mem.h"
#include "core/hub/resume/recent.h"

enum { MAX_AGE_MS = 30000 }; /* so long a read may wait if the store fails */

enum read_queue { READ_QUEUE_JOINS, READ_QUEUE_REPLAYS, READ_QUEUE_COUNT };

struct reads { /* first come, first served, in each queue */
    struct {
        struct read *first, **end; /* end: valid if there is a first */
        uint32_t n_under_way;
    } queues[READ_QUEUE_COUNT];
    uint32_t n_queued;
};

struct reads *reads_new(void)
{
    return mem_zalloc(sizeof(struct reads));
}

static enum read_queue read_queue_of(const struct read *read)
{
    return read->kind == STORE_READ_SINCE ? READ_QUEUE_REPLAYS : READ_QUEUE_JOINS;
}

static void reads_push(struct reads *reads, struct read *read)
{
    enum read_queue which = read_queue_of(read);
    read->next = NULL;
    *(reads->queues[which].first ? reads->queues[which].end : &reads->queues[which].first) = read;
    reads->queues[which].end = &read->next;
    reads->n_queued++;
}

static struct read *reads_pop(struct reads *reads, enum read_queue which)
{
    struct read *read = reads->queues[which].first;
    reads->queues[which].first = read->next;
    reads->n_queued--;
    return read;
}

/* Its wait for this read is over, unless a replay has come of it: that one ends the wait itself. */
static void read_finish(struct hub *hub, struct session *session, struct read *read)
{
    channel_unpin_view(read->channel, read->view);
    channel_unpin(&hub->channels, read->channel);
    free(read);
    if (session && session->wait == SESSION_WAIT_READ) {
        session_end_wait(&hub->sessions, session);
    }
}

static void read_on_answer(void *arg, const struct store_answer *found);

static void read_ask_store(struct hub *hub, struct read *read)
{
    struct store_query query = {
        .kind = read->kind,
        .channel = channel_name(read->channel),
        .limit = read->limit,
        .since_epoch = str_of(hub->epoch),
        .since_offset = read->since,
        .max_bytes = read->max_bytes,
        .max_missed = read->max_missed,
    };
    hub->reads->queues[read_queue_of(read)].n_under_way++;
    hub->store->log.read(hub->store->log.ctx, &query, read_on_answer, read);
}

static void read_take_turn(struct hub *hub, struct read *read)
{
    struct session *session = session_table_find(&hub->sessions, read->session);
    bool is_done = !session || session->is_closing ||
                   (read->n_epoch == hub->n_epoch && read->try(hub, session, read));
    if (is_done) {
        read_finish(hub, session, read);
    } else {
        read_ask_store(hub, read);
    }
}

static bool reads_ask_first(struct hub *hub, enum read_queue which)
{
    struct reads *reads = hub->reads;
    if (!reads->queues[which].first || reads->queues[which].n_under_way >= hub->options.max_reads) {
        return false;
    }
    read_take_turn(hub, reads_pop(reads, which));
    return true;
}

static void reads_ask_next(struct hub *hub)
{
    while (reads_ask_first(hub, READ_QUEUE_JOINS) || reads_ask_first(hub, READ_QUEUE_REPLAYS)) {
    }
}

void reads_ask(struct hub *hub, struct session *session, struct read *read)
{
    read->hub = hub;
    read->session = session->id;
    read->n_epoch = hub->n_epoch;
    read->queued_ms = hub->now_ms;
    channel_pin(read->channel);
    channel_pin_view(read->view);
    reads_push(hub->reads, read);
    reads_ask_next(hub);
}

uint32_t reads_n_queued(const struct reads *reads)
{
    return reads->n_queued;
}

static void read_take(struct hub *hub, struct session *session, const struct read *read,
                      const struct store_answer *found)
{
    struct store_answer answer = *found;
    /* An answer of another epoch than ours was read across a restore or failover: its offsets mean
     * nothing here, and the sessions are being closed. */
    answer.is_failed = answer.is_failed || read->n_epoch != hub->n_epoch || !hub->epoch ||
                       !str_equals(answer.epoch, str_of(hub->epoch));
    if (!answer.is_failed && answer.n_events > 0 &&
        answer.events[answer.n_events - 1]->f.offset == answer.head) {
        recent_adopt(hub->recent, answer.events, answer.n_events, read->channel->fanned);
    }
    read->take(hub, session, read, &answer);
}

/* A store that fails will hardly answer those who have waited for their turn as long. */
static void reads_fail_old(struct hub *hub)
{
    static const struct store_answer failed = {.is_failed = true};
    struct reads *reads = hub->reads;
    for (int which = 0; which < READ_QUEUE_COUNT; which++) {
        while (reads->queues[which].first &&
               hub->now_ms - reads->queues[which].first->queued_ms >= MAX_AGE_MS) {
            struct read *read = reads_pop(reads, (enum read_queue)which);
            struct session *session = session_table_find(&hub->sessions, read->session);
            if (session && !session->is_closing) {
                read_take(hub, session, read, &failed);
            }
            read_finish(hub, session, read);
        }
    }
}

static void read_on_answer(void *arg, const struct store_answer *found)
{
    struct read *read = arg;
    struct hub *hub = read->hub;
    struct session *session = session_table_find(&hub->sessions, read->session);
    hub->reads->queues[read_queue_of(read)].n_under_way--;
    if (session && !session->is_closing) {
        read_take(hub, session, read, found);
    }
    read_finish(hub, session, read);
    if (found->is_failed) {
        reads_fail_old(hub);
    }
    reads_ask_next(hub);
}

void reads_free(struct reads *reads)
{
    for (int which = 0; which < READ_QUEUE_COUNT; which++) {
        while (reads->queues[which].first) {
            free(reads_pop(reads, (enum read_queue)which));
        }
    }
    free(reads);
}
