/* SPDX-License-Identifier: PostgreSQL */
/* What the hub ordered is carried out, at the turn's end, in slices and in runs.
 *
 * A slice ends after so many deliveries, what was queued is written, the loop goes round once
 * (sockets are read, blocked ones resumed), and the next slice follows. Without slices a burst of
 * events for large channels would fill the queue of a reader that is perfectly quick, only because
 * his socket did not get its turn. So no session can get more than a quarter of its queue in one
 * slice; and a slice has room for a good burst for each session that gets anything, in one large
 * channel as in many small ones: fan-out to 1000 with 256 under way was 0.78 of the bare loop with
 * bursts of 128 frames, 0.96 with 512, and a quarter with 16.
 *
 * A run is what follows each other for the same roster: its subscribers are walked once for all of
 * it, and the references that they get are taken at once, one addition per frame and not per
 * delivery. A run's bytes fit into one write, so that at most one write per subscriber happens
 * within it and all their writes stay the same. */
#include "net/worker/orders.h"

#include "core/site.h"
#include "net/session/limits.h"
#include "net/session/session.h"
#include "net/socket/output.h"
#include "net/tls.h"
#include "net/worker/housekeeping.h"
#include "net/worker/worker.h"

enum {
    /* A slice: at least so many deliveries, more if each session that gets any could have a burst
     * of so many frames, and never more than some tenths of a second's work. */
    SLICE_DELIVERIES = 8192,
    SLICE_FRAMES = 512,
    SLICE_MOST = 1 << 20,
    RUN_FRAMES = 256,
    RUN_BYTES = WORKER_BURST_BYTES,
};

struct run { /* frames for one roster */
    uint32_t roster;
    uint32_t n;
    size_t bytes;
    struct frame *frames[RUN_FRAMES];
};

void order_release(struct order *order)
{
    switch (order->type) {
    case ORDER_SEND:
    case ORDER_PUBLISH:
        frame_unref(order->frame);
        break;
    case ORDER_GATE:
        site_gate_unref(order->gate);
        break;
    case ORDER_IDENTIFY:
        identity_unref(order->identity);
        break;
    case ORDER_CERTIFICATE:
        tls_pair_unref(order->pair);
        break;
    case ORDER_SETTINGS:
        net_settings_unref(order->settings);
        break;
    case ORDER_ATTACH:
    case ORDER_RESUME_LIVE:
    case ORDER_DETACH:
    case ORDER_AWAIT_DRAIN:
    case ORDER_CLOSE:
    case ORDER_CLOSE_ALL:
    case ORDER_STOP:
        break;
    }
}

size_t order_bytes(const struct order *order)
{
    bool has_frame = order->type == ORDER_SEND || order->type == ORDER_PUBLISH;
    return sizeof(*order) + (has_frame ? order->frame->len : 0);
}

/* ---- one order ---- */

/* Any but PUBLISH. Takes the order. */
static void carry_out(struct worker *worker, struct order *order)
{
    struct socket *socket = slots_find(&worker->slots, order->slot, order->generation);
    if (!socket && order->generation != 0) { /* it is gone */
        order_release(order);
        return;
    }
    switch (order->type) {
    case ORDER_SEND:
        session_send(socket, order->frame);
        return;
    case ORDER_ATTACH:
        session_attach(socket, order->roster, order->is_held);
        break;
    case ORDER_RESUME_LIVE:
        session_resume_live(socket, order->roster, order->skip_to, order->wish);
        break;
    case ORDER_DETACH:
        session_detach(socket, order->roster);
        break;
    case ORDER_AWAIT_DRAIN:
        output_await_drain(socket);
        break;
    case ORDER_IDENTIFY:
        session_identify(socket, order->identity);
        break;
    case ORDER_CLOSE:
        session_close(socket, (uint16_t)order->code, order->reason);
        break;
    case ORDER_GATE:
        site_gate_unref(worker->gate);
        worker->gate = site_gate_ref(order->gate);
        break;
    case ORDER_CLOSE_ALL:
        housekeeping_close_all(worker, (uint16_t)order->code, order->reason, order->spread_ms);
        break;
    case ORDER_CERTIFICATE:
        tls_use(worker->tls, order->pair);
        break;
    case ORDER_SETTINGS:
        housekeeping_take_settings(worker, order->settings);
        break;
    case ORDER_STOP:
        housekeeping_stop(worker, order->spread_ms);
        break;
    case ORDER_PUBLISH:
        break;
    }
    order_release(order);
}

/* ---- a run ---- */

/* Takes the order into the run if it belongs there. */
static bool run_take(struct run *run, const struct order *order)
{
    if (order->type != ORDER_PUBLISH) {
        return false;
    }
    if (run->n > 0 && (run->roster != order->roster || run->n == RUN_FRAMES ||
                       run->bytes + order->frame->len > RUN_BYTES)) {
        return false;
    }
    run->roster = order->roster;
    run->bytes += order->frame->len;
    run->frames[run->n++] = order->frame;
    return true;
}

/* Each delivery takes a reference. The subscribers are walked backwards, because a slow reader
 * leaves the list on the way. Returns the deliveries. */
static size_t run_publish(struct worker *worker, const struct run *run)
{
    uint32_t n_subscribers = subscribers_of(&worker->rosters, run->roster).n;
    for (uint32_t i = 0; i < run->n; i++) {
        frame_ref_many(run->frames[i], n_subscribers);
    }
    for (uint32_t i = n_subscribers; i > 0; i--) {
        struct subscriber *list = subscribers_of(&worker->rosters, run->roster).list;
        session_publish(&list[i - 1], run->roster, run->frames, run->n);
    }
    for (uint32_t i = 0; i < run->n; i++) {
        frame_unref(run->frames[i]); /* the order's own */
    }
    return (size_t)n_subscribers * run->n;
}

/* ---- slices ---- */

/* Takes what is in the box once all that was taken before is done. */
static bool is_waiting(struct worker *worker)
{
    if (worker->next_order == worker->n_orders) {
        void *items;
        worker->n_orders = mailbox_take(worker->inbox, &items);
        worker->orders = items;
        worker->next_order = 0;
    }
    return worker->n_orders > 0;
}

static bool is_slice_full(const struct worker *worker, size_t deliveries, size_t bytes)
{
    if (bytes > worker->outqueue_bytes / 4 || deliveries >= SLICE_MOST) {
        return true;
    }
    return deliveries >= SLICE_DELIVERIES && deliveries >= worker->n_dirty * SLICE_FRAMES;
}

/* The next order, or run of them. Returns how much work it was, in deliveries. */
static size_t carry_out_next(struct worker *worker, size_t *bytes)
{
    struct run run; /* its frames stay as they are: a lone message is to be cheap */
    size_t before = worker->next_order, deliveries = 1;
    run.n = 0;
    run.bytes = 0;
    while (worker->next_order < worker->n_orders &&
           run_take(&run, &worker->orders[worker->next_order])) {
        *bytes += order_bytes(&worker->orders[worker->next_order++]);
    }
    if (run.n > 0) {
        deliveries = run_publish(worker, &run) + run.n;
    } else {
        struct order *order = &worker->orders[worker->next_order++];
        *bytes += order_bytes(order);
        carry_out(worker, order);
    }
    metrics_add(worker->counts, METRIC_ORDERS, before - worker->next_order); /* so many less */
    return deliveries;
}

bool orders_carry_out(struct worker *worker)
{
    size_t deliveries = 0, bytes = 0;
    bool is_any = true;
    worker->outqueue_bytes = limits_outqueue(&worker->settings->options);
    while (!is_slice_full(worker, deliveries, bytes) && (is_any = is_waiting(worker))) {
        deliveries += carry_out_next(worker, &bytes);
    }
    atomic_fetch_sub_explicit(&worker->shared->orders_bytes, bytes, memory_order_relaxed);
    return !is_any;
}

void orders_drop(struct worker *worker)
{
    while (is_waiting(worker)) {
        order_release(&worker->orders[worker->next_order++]);
    }
}
