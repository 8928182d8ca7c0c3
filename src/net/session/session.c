/* SPDX-License-Identifier: PostgreSQL */
/* An open session: frames in, the closing handshake, pings, and what the hub orders.
 *
 * Whole messages are decoded here, on the worker, and leave as commands in the order they came;
 * what they do is the hub's business. What the hub sends goes into the session's queue, except
 * that a held subscription keeps live frames aside (core/transport.h says why).
 *
 * A session closes in one of three ways, always through begin_close. Ours: what is queued, then
 * the close frame, then up to five seconds for the client's. The client's: his code comes back and
 * that was it. A violation of the protocol: the close frame at the front of nothing, and then the
 * input is thrown away, because after a broken frame nobody can tell where the next one starts. A
 * session that closes is on no roster any more, so nothing is added to what it still gets.
 *
 * An identity that expires ends its session, unless it was renewed before (COMMAND_TOKEN): the token
 * is checked here, and what follows is the hub's.
 *
 * A slow reader is one whose unsent bytes would pass the limit: what waits for him is dropped and
 * he is told 1013. He never slows others, because his blocked socket is not written to and costs a
 * push per frame until then. */
#include "net/session/session.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/close_code.h"
#include "net/session/limits.h"
#include "net/session/subscribers.h"
#include "net/session/verify.h"
#include "net/socket/output.h"
#include "net/socket/socket.h"
#include "net/transit.h"
#include "net/worker/worker.h"

enum { CLOSE_WAIT_MS = 5000 };

struct held { /* what waits until resume_live on one roster */
    struct held *next;
    uint32_t roster;
    struct outqueue queue;
};

void session_open(struct socket *socket, struct command *open)
{
    socket->is_session = true;
    socket->slot = slots_take(&socket->worker->slots, socket);
    socket_set_state(socket, SOCKET_SESSION, 0);
    open->session = slots_name(&socket->worker->slots, socket->slot);
    session_identify(socket, open->identity);
    metrics_count(socket->worker->counts, METRIC_SESSIONS);
    metrics_count(socket->worker->counts, METRIC_HANDSHAKES);
    transit_submit(socket->worker, open);
}

/* ---- closing ---- */

static void drop_held(struct socket *socket, uint32_t roster)
{
    for (struct held **at = &socket->held; *at; at = &(*at)->next) {
        struct held *held = *at;
        if (held->roster == roster) {
            *at = held->next;
            outqueue_release(&held->queue);
            free(held);
            return;
        }
    }
}

void session_forget(struct socket *socket)
{
    subscribers_remove_all(&socket->worker->rosters, socket);
    while (socket->held) {
        drop_held(socket, socket->held->roster);
    }
}

/* `code` CLOSE_CODE_NONE sends a close frame without one. */
static void begin_close(struct socket *socket, uint16_t code, const char *reason,
                        enum socket_ending ending)
{
    log_debug("session %u.%u closes: %u %s", socket->worker->index, socket->slot, code, reason);
    session_forget(socket);
    metrics_count(socket->worker->counts, metrics_close(code));
    struct control *control = output_control(socket);
    control->close_len =
        (uint8_t)(code == CLOSE_CODE_NONE
                      ? rfc6455_control_frame(control->close, RFC6455_OPCODE_CLOSE, STR(""))
                      : rfc6455_close_frame(control->close, code, reason));
    socket->ending = ending;
    socket_set_state(socket, SOCKET_CLOSING, CLOSE_WAIT_MS);
    output_mark(socket);
}

void session_close(struct socket *socket, uint16_t code, const char *reason)
{
    if (socket->state == SOCKET_SESSION) {
        begin_close(socket, code, reason, SOCKET_ENDING_WAIT);
    }
}

void session_close_slow(struct socket *socket, unsigned limit)
{
    metrics_count(socket->worker->counts, METRIC_LIMITS + limit);
    outqueue_drop(&socket->out);
    begin_close(socket, CLOSE_CODE_TRY_AGAIN, "slow reader", SOCKET_ENDING_WAIT);
}

/* ---- frames in ---- */

static void on_peer_close(struct socket *socket, const struct rfc6455_item *item)
{
    if (socket->state == SOCKET_SESSION) {
        begin_close(socket, item->code, "", SOCKET_ENDING_NOW);
    } else {
        socket->ending = SOCKET_ENDING_NOW;
        output_mark(socket);
    }
}

static unsigned frame_cell(enum rfc6455_item_type type)
{
    static const unsigned kinds[] = {
        [RFC6455_ITEM_TEXT] = METRIC_FRAME_TEXT,     [RFC6455_ITEM_PING] = METRIC_FRAME_PING,
        [RFC6455_ITEM_PONG] = METRIC_FRAME_PONG,     [RFC6455_ITEM_CLOSE] = METRIC_FRAME_CLOSE,
        [RFC6455_ITEM_ERROR] = METRIC_FRAME_INVALID,
    };
    return METRIC_FRAMES_RECEIVED + kinds[type];
}

static void refuse_message(struct socket *socket, const struct command *command, unsigned limit,
                           uint32_t retry_after_ms)
{
    static const char *const texts[METRIC_N_LIMITS] = {
        [METRIC_LIMIT_SESSION_BYTES] = "Too many bytes.",
        [METRIC_LIMIT_SESSION_JOINS] = "Too many joins.",
    };
    const struct protocol *protocol = socket->worker->settings->options.protocol;
    metrics_count(socket->worker->counts, METRIC_LIMITS + limit);
    metrics_count(socket->worker->counts, METRIC_ERRORS + METRIC_ERROR_RATE_LIMITED);
    session_send(socket,
                 protocol->error(&(struct protocol_error){.channel = command->channel,
                                                          .ref = command->ref,
                                                          .code = ERROR_CODE_RATE_LIMITED,
                                                          .text = texts[limit],
                                                          .retry_after_ms = retry_after_ms}));
    if (!limits_forgive(&socket->budget, socket->at_ms)) {
        session_close(socket, CLOSE_CODE_POLICY, "too many messages");
    }
}

static void take_message(struct socket *socket, struct str text)
{
    const struct net_options *options = &socket->worker->settings->options;
    struct command *command =
        options->protocol->decode(text, slots_name(&socket->worker->slots, socket->slot));
    unsigned limit = limits_of_message(&options->limits, &socket->budget, command, text.len,
                                       socket->at_ms); /* that of this very read */
    if (limit == LIMITS_NONE) {
        if (command->type == COMMAND_TOKEN) {
            verify_token(options, command->payload, command);
        }
        transit_submit(socket->worker, command);
    } else {
        refuse_message(
            socket, command, limit,
            limits_wait_ms(&options->limits, &socket->budget, limit, text.len, socket->at_ms));
        command_free(command);
    }
}

/* What a client sent cannot be taken, and everything behind it is lost. */
static void on_broken(struct socket *socket, const struct rfc6455_item *item)
{
    char too_big[64];
    const char *reason = item->payload.ptr;
    if (item->code == CLOSE_CODE_TOO_BIG) {
        metrics_count(socket->worker->counts, METRIC_LIMITS + METRIC_LIMIT_FRAME_BYTES);
        snprintf(too_big, sizeof(too_big), "a message may have at most %u bytes",
                 socket->worker->settings->options.max_frame_bytes);
        reason = too_big;
    }
    if (socket->state == SOCKET_SESSION) {
        begin_close(socket, item->code, reason, SOCKET_ENDING_LINGER);
    } else {
        socket->ending = SOCKET_ENDING_LINGER;
        output_mark(socket);
    }
}

static void on_item(struct socket *socket, const struct rfc6455_item *item)
{
    bool is_open = socket->state == SOCKET_SESSION;
    metrics_count(socket->worker->counts, frame_cell(item->type));
    switch (item->type) {
    case RFC6455_ITEM_TEXT:
        if (is_open) {
            take_message(socket, item->payload);
        }
        break;
    case RFC6455_ITEM_PING:
        if (is_open) {
            /* The newest ping is answered for all (RFC 6455, 5.5.3): a flood of them queues
             * nothing. */
            struct control *control = output_control(socket);
            control->pong_len =
                (uint8_t)rfc6455_control_frame(control->pong, RFC6455_OPCODE_PONG, item->payload);
            output_mark(socket);
        }
        break;
    case RFC6455_ITEM_PONG:
        break;
    case RFC6455_ITEM_CLOSE:
        on_peer_close(socket, item);
        break;
    case RFC6455_ITEM_ERROR:
        on_broken(socket, item);
        break;
    }
}

/* After a read: the unfinished message has other than `before` bytes now, perhaps. */
static void note_partial(struct socket *socket, uint32_t before)
{
    struct worker *worker = socket->worker;
    const struct net_options *options = &worker->settings->options;
    uint32_t after = socket->decoder.cap;
    if (after == before) {
        return;
    }
    uint64_t share = options->limits.partial_bytes / options->n_workers;
    uint64_t all = worker->partial_bytes - before + after;
    if (share > 0 && after > before && all > share && socket->state == SOCKET_SESSION) {
        metrics_count(worker->counts, METRIC_LIMITS + METRIC_LIMIT_PARTIAL_BYTES);
        rfc6455_decoder_release(&socket->decoder);
        socket->decoder.is_over = true; /* or it would begin to fill memory again */
        begin_close(socket, CLOSE_CODE_TRY_AGAIN, "too many unfinished messages",
                    SOCKET_ENDING_LINGER);
        all -= after;
    }
    worker->partial_bytes = all;
    metrics_set(worker->counts, METRIC_PARTIAL_BYTES, all);
}

void session_read(struct socket *socket, uint8_t *data, size_t len)
{
    struct rfc6455_input input = {data, len};
    struct rfc6455_item item;
    uint32_t before = socket->decoder.cap;
    metrics_add(socket->worker->counts, METRIC_BYTES_RECEIVED, len);
    if (socket->state == SOCKET_SESSION) {
        socket->at_ms = clock_ms();
        socket->misses = 0;
    }
    while (rfc6455_decode(&socket->decoder, &input,
                          socket->worker->settings->options.max_frame_bytes, &item)) {
        on_item(socket, &item);
    }
    note_partial(socket, before);
    if (transit_is_behind(socket->worker->shared, socket->worker->settings)) {
        transit_pause(socket);
    }
}

/* ---- time: pings, expiry ---- */

bool session_check_silence(struct socket *socket, uint64_t now_ms)
{
    const struct net_options *options = &socket->worker->settings->options;
    uint64_t due_ms = socket->at_ms + (socket->misses + 1ULL) * options->ping_interval_ms;
    if (now_ms < due_ms || socket->is_paused) { /* what it says we do not hear */
        return true;
    }
    if (socket->misses > 0) {
        metrics_count(socket->worker->counts, METRIC_PINGS_MISSED);
    }
    if (socket->misses >= options->ping_misses) {
        metrics_count(socket->worker->counts, METRIC_SILENT);
        return false;
    }
    socket->misses++;
    struct control *control = output_control(socket);
    control->ping_len = (uint8_t)rfc6455_header(control->ping, RFC6455_OPCODE_PING, 0);
    output_mark(socket);
    return true;
}

/* The worker looks at identities only when its earliest one is due. */
static void note_expiry(struct worker *worker, int64_t expires_at)
{
    if (expires_at != 0 && (worker->next_expiry_s == 0 || expires_at < worker->next_expiry_s)) {
        worker->next_expiry_s = expires_at;
    }
}

void session_check_expiry(struct socket *socket, int64_t now_s)
{
    const struct identity *identity = socket->identity;
    if (socket->state != SOCKET_SESSION || !identity || identity->expires_at == 0) {
        return;
    }
    if (now_s < identity->expires_at) {
        note_expiry(socket->worker, identity->expires_at);
        return;
    }
    const struct protocol *protocol = socket->worker->settings->options.protocol;
    metrics_count(socket->worker->counts, METRIC_ERRORS + METRIC_ERROR_TOKEN_EXPIRED);
    session_send(socket,
                 protocol->error(&(struct protocol_error){.code = ERROR_CODE_TOKEN_EXPIRED}));
    session_close(socket, CLOSE_CODE_TOKEN_EXPIRED, "the token has expired");
}

/* ---- what the hub orders ---- */

uint64_t session_unsent_bytes(const struct socket *socket)
{
    uint64_t bytes = socket->out.bytes;
    for (const struct held *held = socket->held; held; held = held->next) {
        bytes += held->queue.bytes;
    }
    return bytes;
}

static bool is_over_limit(const struct socket *socket, const struct outqueue *queue,
                          const struct frame *frame)
{
    /* A lone frame is always taken: the limit is about readers, not about sizes. */
    return queue->n > 0 &&
           session_unsent_bytes(socket) + frame->len > socket->worker->outqueue_bytes;
}

static void close_slow(struct socket *socket)
{
    const struct worker *worker = socket->worker;
    session_close_slow(socket,
                       limits_of_queues(&worker->settings->options, worker->outqueue_bytes));
}

/* Of an open session. Takes the reference. */
static void session_deliver(struct socket *socket, struct frame *frame)
{
    if (is_over_limit(socket, &socket->out, frame)) {
        /* Perhaps all of it came in this very turn, and the socket would take it. */
        output_write_now(socket);
        if (is_over_limit(socket, &socket->out, frame)) {
            close_slow(socket);
            frame_unref(frame);
            return;
        }
    }
    metrics_count(socket->worker->counts, METRIC_DELIVERIES);
    output_push(socket, frame);
}

void session_send(struct socket *socket, struct frame *frame)
{
    if (socket->state == SOCKET_SESSION) {
        session_deliver(socket, frame);
    } else {
        frame_unref(frame);
    }
}

void session_attach(struct socket *socket, uint32_t roster, bool is_held)
{
    if (socket->state != SOCKET_SESSION) {
        return;
    }
    subscribers_add(&socket->worker->rosters, socket, roster, is_held);
    if (is_held) {
        struct held *held = mem_zalloc(sizeof(*held));
        held->roster = roster;
        held->next = socket->held;
        socket->held = held;
    }
}

static struct held *find_held(const struct socket *socket, uint32_t roster)
{
    struct held *held = socket->held;
    while (held && held->roster != roster) {
        held = held->next;
    }
    assert(held);
    return held;
}

/* Keeps it aside. Takes the reference. */
static void session_hold(struct socket *socket, uint32_t roster, struct frame *frame)
{
    struct held *held = find_held(socket, roster);
    if (is_over_limit(socket, &held->queue, frame)) {
        close_slow(socket);
        frame_unref(frame);
        return;
    }
    metrics_count(socket->worker->counts, METRIC_DELIVERIES);
    outqueue_push(&held->queue, frame);
}

/* It has not seen it yet, and is of its audience. */
static bool is_for(const struct subscriber *subscriber, const struct frame *frame)
{
    if (frame->offset != 0 && frame->offset <= subscriber->skip_to) {
        return false;
    }
    if (frame->audience.kind == AUDIENCE_ALL) {
        return true;
    }
    if (frame->audience.kind >= AUDIENCE_PRESENCE) {
        return subscriber->wish == (frame->audience.kind == AUDIENCE_STATES ? PRESENCE_WISH_STATES
                                                                            : PRESENCE_WISH_LIST);
    }
    return audience_admits(&frame->audience, subscriber->socket->identity);
}

void session_publish(const struct subscriber *subscriber, uint32_t roster,
                     struct frame *const *frames, uint32_t n)
{
    struct subscriber now = *subscriber; /* a slow reader leaves the list */
    for (uint32_t i = 0; i < n; i++) {
        if (now.socket->state != SOCKET_SESSION || !is_for(&now, frames[i])) {
            frame_unref(frames[i]);
        } else if (now.is_held) {
            session_hold(now.socket, roster, frames[i]);
        } else {
            session_deliver(now.socket, frames[i]);
        }
    }
}

void session_resume_live(struct socket *socket, uint32_t roster, uint64_t skip_to,
                         enum presence_wish wish)
{
    struct subscriber *subscriber = subscribers_find(&socket->worker->rosters, socket, roster);
    if (!subscriber) {
        return; /* it closes, or has left */
    }
    subscriber->wish = (uint8_t)wish;
    if (!subscriber->is_held) {
        return;
    }
    subscriber->is_held = false;
    subscriber->skip_to = skip_to;
    outqueue_move(&find_held(socket, roster)->queue, &socket->out, skip_to);
    drop_held(socket, roster);
    output_mark(socket);
}

void session_identify(struct socket *socket, struct identity *identity)
{
    struct identity *before = socket->identity;
    socket->identity = identity_ref(identity);
    identity_unref(before); /* last: it may be the same one */
    if (identity) {
        note_expiry(socket->worker, identity->expires_at);
    }
}

void session_detach(struct socket *socket, uint32_t roster)
{
    if (subscribers_remove(&socket->worker->rosters, socket, roster)) {
        drop_held(socket, roster);
    }
}
