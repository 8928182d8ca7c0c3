/* SPDX-License-Identifier: PostgreSQL */
/* Limits of what sessions may make the server do, and of what they may make it keep.
 *
 * A session that sends too much is told so for each frame, and closed when it does not listen: a
 * client that obeys gets through, one that floods costs a look at a bucket until then.
 *
 * Memory has four places to pile up between a client and the other clients, and each has a bound
 * that does not depend on how many sessions there are:
 *
 *   messages that are not whole yet     partial-bytes: each worker has its share
 *   the hub's mailbox and the workers'  transit-bytes: above, the workers stop reading
 *   what the hub holds back             held-bytes, append-max-bytes, the calls' own limits
 *   frames that are not sent yet        outqueue-total-bytes: above, slow readers go at once
 *
 * To stop reading is done lazily: a socket that brings something while we are behind is taken out
 * of the poll after it, so each costs one read (16 KiB) more at most. A timer looks whether to go
 * on; it runs only then, and a wake-up from the hub would have to be as careful as the mailbox's.
 */
#include "net/limits.h"

#include <libwebsockets.h>

#include "base/clock.h"
#include "base/log.h"
#include "core/close_code.h"
#include "net/worker.h"

enum {
    RESUME_MS = 5,
    SHORT_BYTES = 65536, /* what a queue may hold while frames take too much: a write's worth */
};

/* A message a second may be refused for ever, and so many at once. */
static const struct bucket_rate refusal_rate = {.n = 1, .period_ms = 1000, .burst = 20};

static void count(const struct socket *socket, unsigned limit)
{
    metrics_count(socket->worker->counts, METRIC_LIMITS + limit);
}

/* ---- what it sends ---- */

static void refuse(struct socket *socket, struct str channel, unsigned limit, const char *text)
{
    const struct protocol *protocol = socket->worker->shared->options.protocol;
    count(socket, limit);
    metrics_count(socket->worker->counts, METRIC_ERRORS + METRIC_ERROR_RATE_LIMITED);
    session_send(socket, protocol->error(channel, ERROR_CODE_RATE_LIMITED, text));
    if (!bucket_take(&socket->budget.refusals, &refusal_rate, 1, socket->at_ms)) {
        session_close(socket, CLOSE_CODE_POLICY, "too many messages");
    }
}

bool limits_admit(struct socket *socket, const struct command *command, size_t message_bytes)
{
    const struct net_limits *limits = &socket->worker->shared->options.limits;
    struct session_budget *budget = &socket->budget;
    uint64_t now_ms = socket->at_ms; /* of this very read */
    bool is_read = command->type == COMMAND_JOIN || command->type == COMMAND_HISTORY;
    if (!bucket_take(&budget->messages, &limits->messages, 1, now_ms)) {
        refuse(socket, command->channel, METRIC_LIMIT_SESSION_MESSAGES, NULL);
        return false;
    }
    if (!bucket_take(&budget->bytes, &limits->bytes, (uint32_t)message_bytes, now_ms)) {
        refuse(socket, command->channel, METRIC_LIMIT_SESSION_BYTES, "Too many bytes.");
        return false;
    }
    if (is_read && !bucket_take(&budget->joins, &limits->joins, 1, now_ms)) {
        refuse(socket, command->channel, METRIC_LIMIT_SESSION_JOINS, "Too many joins.");
        return false;
    }
    return true;
}

void limits_note_partial(struct socket *socket, uint32_t before)
{
    struct worker *worker = socket->worker;
    const struct net_options *options = &worker->shared->options;
    uint32_t after = socket->decoder.cap;
    if (after == before) {
        return;
    }
    uint64_t share = options->limits.partial_bytes / options->n_workers;
    uint64_t all = worker->partial_bytes - before + after;
    if (share > 0 && after > before && all > share && socket->state == SOCKET_SESSION) {
        count(socket, METRIC_LIMIT_PARTIAL_BYTES);
        session_give_up(socket, CLOSE_CODE_TRY_AGAIN, "too many unfinished messages");
        all -= after;
    }
    worker->partial_bytes = all;
    metrics_set(worker->counts, METRIC_PARTIAL_BYTES, all);
}

/* ---- what it does not read ---- */

unsigned limits_of_queues(const struct worker *worker)
{
    bool is_short = worker->outqueue_bytes < worker->shared->options.outqueue_bytes;
    return is_short ? METRIC_LIMIT_OUTQUEUE_TOTAL : METRIC_LIMIT_OUTQUEUE;
}

uint64_t limits_outqueue(const struct worker *worker)
{
    const struct net_options *options = &worker->shared->options;
    bool is_short = options->limits.outqueue_total_bytes > 0 &&
                    frame_bytes_alive() > options->limits.outqueue_total_bytes;
    return is_short && options->outqueue_bytes > SHORT_BYTES ? SHORT_BYTES
                                                             : options->outqueue_bytes;
}

void limits_sweep(struct socket *socket, uint64_t unsent_bytes, uint64_t now_ms)
{
    const struct net_options *options = &socket->worker->shared->options;
    const struct net_limits *limits = &options->limits;
    uint64_t *since_ms = &socket->budget.soft_since_ms;
    if (socket->state != SOCKET_SESSION) {
        return;
    }
    if (limits_of_queues(socket->worker) == METRIC_LIMIT_OUTQUEUE_TOTAL &&
        unsent_bytes > SHORT_BYTES) {
        session_close_slow(socket, METRIC_LIMIT_OUTQUEUE_TOTAL);
        return;
    }
    if (limits->outqueue_soft_bytes == 0 || unsent_bytes <= limits->outqueue_soft_bytes) {
        *since_ms = 0;
        return;
    }
    if (*since_ms == 0) {
        *since_ms = now_ms;
    } else if (now_ms - *since_ms >= limits->outqueue_soft_ms) {
        session_close_slow(socket, METRIC_LIMIT_OUTQUEUE_SOFT);
    }
}

/* ---- reading ---- */

static size_t transit_bytes(const struct net_shared *shared)
{
    return atomic_load_explicit(&shared->intake_bytes, memory_order_relaxed) +
           atomic_load_explicit(&shared->orders_bytes, memory_order_relaxed);
}

bool limits_is_behind(const struct net_shared *shared)
{
    size_t most = shared->options.limits.transit_bytes;
    return most > 0 && transit_bytes(shared) > most;
}

static void on_resume(void *arg)
{
    struct worker *worker = arg;
    if (transit_bytes(worker->shared) > worker->shared->options.limits.transit_bytes / 2) {
        return;
    }
    loop_timer_stop(worker->resume_timer);
    worker->is_paused = false;
    for (struct socket *socket = worker->sockets; socket; socket = socket->next) {
        if (socket->is_paused) {
            socket->is_paused = false;
            output_set_reading(socket);
        }
    }
}

void limits_pause(struct socket *socket)
{
    struct worker *worker = socket->worker;
    socket->is_paused = true;
    output_set_reading(socket);
    if (worker->is_paused) {
        return;
    }
    worker->is_paused = true;
    metrics_count(worker->counts, METRIC_READING_PAUSES);
    metrics_count(worker->counts, METRIC_LIMITS + METRIC_LIMIT_TRANSIT_BYTES);
    if (!worker->resume_timer) {
        worker->resume_timer = loop_timer_new(worker->loop, on_resume, worker);
    }
    loop_timer_start(worker->resume_timer, RESUME_MS, RESUME_MS);
}

void limits_free(struct worker *worker)
{
    loop_timer_free(worker->resume_timer);
    worker->resume_timer = NULL;
}
