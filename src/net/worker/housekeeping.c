/* SPDX-License-Identifier: PostgreSQL */
/* What a worker does by the clock: time limits and pings once a second (or oftener, if a limit is
 * shorter than that), the closing of all sessions spread over a time, and its own end.
 *
 * Identities expire by the wall clock, since that is what their claims are about.
 *
 * A walk over all sockets costs a cache line or two each; a timer per socket would cost more memory
 * and more work, since nearly all of them are moved before they fire. */
#include "net/worker/housekeeping.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/close_code.h"
#include "net/http/addresses.h"
#include "net/http/head_reader.h"
#include "net/http/refusals.h"
#include "net/listen/listener.h"
#include "net/session/limits.h"
#include "net/session/session.h"
#include "net/socket/socket.h"
#include "net/tls.h"
#include "net/worker/worker.h"

enum {
    SWEEP_MS = 1000,
    SWEEPS_PER_LIMIT = 4, /* so a short limit is kept to a quarter */
    SPREAD_STEP_MS = 20,
    STOP_GRACE_MS = 4500, /* for the last closing handshakes; net.h promises five seconds */
};

/* ---- the sweep ---- */

/* False: it is to be ended. */
static bool check(struct socket *socket, uint64_t now_ms)
{
    if (socket->state == SOCKET_SESSION) {
        return session_check_silence(socket, now_ms);
    }
    if (now_ms < socket->at_ms) {
        return true;
    }
    /* Who had begun to ask gets an answer. */
    return socket->state == SOCKET_HEAD && head_reader_time_out(socket);
}

struct queues { /* what is unsent */
    uint64_t bytes, most;
};

static void look_at_queues(struct socket *socket, struct queues *queues, uint64_t now_ms)
{
    const struct worker *worker = socket->worker;
    uint64_t bytes = session_unsent_bytes(socket);
    queues->bytes += bytes;
    if (socket->state == SOCKET_SESSION) {
        unsigned limit = limits_of_unsent(&worker->settings->options, &socket->budget,
                                          worker->outqueue_bytes, bytes, now_ms);
        if (limit != LIMITS_NONE) {
            session_close_slow(socket, limit);
        }
    }
    queues->most = bytes > queues->most ? bytes : queues->most;
}

static void on_sweep(void *arg)
{
    struct worker *worker = arg;
    uint64_t now_ms = clock_ms();
    int64_t now_s = clock_wall_s();
    bool has_expired = worker->next_expiry_s != 0 && worker->next_expiry_s <= now_s;
    if (has_expired) {
        worker->next_expiry_s = 0; /* the walk finds the next one */
    }
    listener_sweep(worker->listener, now_ms);
    listener_sweep(worker->tls_listener, now_ms);
    if (worker->tls) {
        tls_rotate(worker->tls, now_ms);
    }
    struct queues queues = {0};
    worker->outqueue_bytes = limits_outqueue(&worker->settings->options);
    addresses_sweep(worker->shared->addresses, now_ms);
    addresses_sweep(worker->shared->proxies, now_ms);
    addresses_sweep(worker->shared->askers, now_ms);
    refusals_sweep(worker->shared->refusals, now_ms);
    for (struct socket *socket = worker->sockets, *next; socket; socket = next) {
        next = socket->next;
        look_at_queues(socket, &queues, now_ms);
        if (has_expired) {
            session_check_expiry(socket, now_s);
        }
        if (!check(socket, now_ms)) {
            log_debug("a connection of worker %u is cut: silent for too long", worker->index);
            socket_end(socket);
        }
    }
    metrics_set(worker->counts, METRIC_OUTQUEUE_BYTES, queues.bytes);
    metrics_set(worker->counts, METRIC_OUTQUEUE_MAX, queues.most);
}

/* By the shortest of the limits that it looks after. */
static void start_sweeps(struct worker *worker)
{
    const struct net_options *options = &worker->settings->options;
    uint64_t period = SWEEP_MS;
    if (options->ping_interval_ms / SWEEPS_PER_LIMIT < period) {
        period = options->ping_interval_ms / SWEEPS_PER_LIMIT;
    }
    if (options->handshake_timeout_ms / SWEEPS_PER_LIMIT < period) {
        period = options->handshake_timeout_ms / SWEEPS_PER_LIMIT;
    }
    period = period > 0 ? period : 1;
    loop_timer_start(worker->sweep_timer, period, period);
}

void housekeeping_start(struct worker *worker)
{
    worker->sweep_timer = loop_timer_new(worker->loop, on_sweep, worker);
    start_sweeps(worker);
}

void housekeeping_take_settings(struct worker *worker, struct net_settings *settings)
{
    net_settings_unref(worker->settings);
    worker->settings = net_settings_ref(settings);
    start_sweeps(worker);
}

void housekeeping_free(struct worker *worker)
{
    loop_timer_free(worker->sweep_timer);
    loop_timer_free(worker->closing.timer);
    loop_timer_free(worker->stop_timer);
    worker->sweep_timer = worker->closing.timer = worker->stop_timer = NULL;
}

/* ---- closing all ---- */

static void close_some(struct worker *worker)
{
    struct closing *closing = &worker->closing;
    uint64_t elapsed = clock_ms() - closing->started_ms;
    uint32_t until = worker->slots.n;
    if (elapsed < closing->spread_ms) {
        until = (uint32_t)(until * elapsed / closing->spread_ms);
    }
    for (; closing->next_slot < until; closing->next_slot++) {
        struct socket *socket = worker->slots.list[closing->next_slot].socket;
        if (socket) {
            session_close(socket, closing->code, closing->reason);
        }
    }
    if (elapsed >= closing->spread_ms) {
        loop_timer_free(closing->timer);
        closing->timer = NULL;
    }
}

static void on_closing_step(void *arg)
{
    close_some(arg);
}

/* A second call while one is under way takes its place, from the first slot on. */
void housekeeping_close_all(struct worker *worker, uint16_t code, const char *reason,
                            uint32_t spread_ms)
{
    struct closing *closing = &worker->closing;
    closing->code = code;
    closing->reason = reason;
    closing->started_ms = clock_ms();
    closing->spread_ms = spread_ms;
    closing->next_slot = 0;
    if (!closing->timer) {
        closing->timer = loop_timer_new(worker->loop, on_closing_step, worker);
    }
    loop_timer_start(closing->timer, SPREAD_STEP_MS, SPREAD_STEP_MS);
    close_some(worker);
}

/* ---- the end ---- */

static void on_stop_limit(void *arg)
{
    struct worker *worker = arg;
    loop_stop(worker->loop);
}

void housekeeping_stop(struct worker *worker, uint32_t spread_ms)
{
    if (worker->is_stopping) {
        return;
    }
    worker->is_stopping = true;
    worker->stop_timer = loop_timer_new(worker->loop, on_stop_limit, worker);
    loop_timer_start(worker->stop_timer, (uint64_t)spread_ms + STOP_GRACE_MS, 0);
    housekeeping_close_all(worker, CLOSE_CODE_SERVICE_RESTART, "the server is stopping", spread_ms);
}

void housekeeping_end_if_done(struct worker *worker)
{
    if (worker->slots.n_used > 0) {
        return;
    }
    for (struct socket *socket = worker->sockets; socket; socket = socket->next) {
        if (socket->state == SOCKET_ANSWER) {
            return;
        }
    }
    loop_stop(worker->loop);
}
