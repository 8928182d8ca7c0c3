/* SPDX-License-Identifier: PostgreSQL */
/* The life of a connection, and all that libwebsockets calls.
 *
 * We use its raw-skt role: it accepts, reads, keeps what the kernel did not take, and does TLS;
 * HTTP and WebSocket are ours (its own WebSocket role refuses a subprotocol of 63 bytes, and
 * clients send their whole token there).
 *
 * States: HEAD → SESSION → CLOSING, or HEAD → ANSWER → LINGER. Lingering is what makes a last
 * answer arrive: closing a socket with unread input makes the kernel send a reset, which can
 * destroy what was sent just before. So our side is shut first and the client's rest is read and
 * thrown away until he is done.
 *
 * With TLS too a connection is a socket from accept on: until its handshake is done it is one that
 * says nothing.
 *
 * A request can be dear: to unwrap a key with RSA costs milliseconds, and strangers may ask for it.
 * So a turn answers requests for so long only, and the others wait for the next one; sessions get
 * their turn in between.
 *
 * There are two ways to die and both end in RAW_CLOSE, which is the only place that frees: a
 * callback returns -1, or, outside of callbacks, socket_end. */
#include "net/socket.h"

#include <assert.h>
#include <stdlib.h>

#include <libwebsockets.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/http/admission.h"
#include "net/http/http.h"
#include "net/worker.h"

enum { ANSWERING_US = 4000 };

#define MINUS_ONE UINT64_MAX /* gauges are sums modulo 2^64 */

static void submit_close(struct socket *socket)
{
    struct command *command = mem_zalloc(sizeof(*command));
    command->type = COMMAND_CLOSE;
    command->session = session_id_of(socket);
    worker_submit(socket->worker, command);
}

/* libwebsockets sets a time limit when a TLS handshake begins and a second one when it is done; the
 * sweep keeps ours for both. */
static void forget_timeout(struct lws *wsi)
{
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
}

static struct socket *socket_new(struct worker *worker, struct lws *wsi)
{
    struct socket *socket = mem_zalloc(sizeof(*socket));
    socket->wsi = wsi;
    socket->worker = worker;
    socket->is_tls = lws_is_ssl(wsi);
    socket->next = worker->sockets;
    if (socket->next) {
        socket->next->prev = socket;
    }
    worker->sockets = socket;
    atomic_fetch_add(&worker->shared->n_sockets, 1);
    metrics_count(worker->counts, METRIC_SOCKETS);
    socket_set_state(socket, SOCKET_HEAD, worker->shared->options.handshake_timeout_ms);
    if (worker->arrival) {
        socket->is_proxied = true;
        socket->is_named = worker->arrival->has_client;
        socket->from = worker->arrival->client;
        socket->at_ms = worker->arrival->cut_ms;
    }
    forget_timeout(wsi);
    return socket;
}

static void reader_free(struct socket *socket)
{
    if (socket->reader) {
        if (socket->reader->is_waiting) {
            DL_DELETE(socket->worker->waiting, socket->reader);
        }
        buf_release(&socket->reader->bytes);
        buf_release(&socket->reader->more);
        free(socket->reader);
        socket->reader = NULL;
    }
}

static void unlink_socket(struct socket *socket)
{
    if (socket->prev) {
        socket->prev->next = socket->next;
    } else {
        socket->worker->sockets = socket->next;
    }
    if (socket->next) {
        socket->next->prev = socket->prev;
    }
}

/* It ended before its request was whole. */
static void count_lost(const struct socket *socket)
{
    struct metrics_block *counts = socket->worker->counts;
    if (socket->state != SOCKET_HEAD) {
        return;
    }
    if (socket->is_tls && !socket->has_spoken) {
        metrics_count(counts, METRIC_TLS_FAILURES);
    }
    if (clock_ms() >= socket->at_ms) {
        metrics_count(counts, METRIC_REFUSALS + METRIC_REFUSAL_TIMEOUT);
    }
}

static void socket_free(struct socket *socket)
{
    struct worker *worker = socket->worker;
    if (socket->is_session) {
        session_forget(socket);
        submit_close(socket);
        slots_give(&worker->slots, socket->slot);
        metrics_add(worker->counts, METRIC_SESSIONS, MINUS_ONE);
    } else {
        count_lost(socket);
    }
    if (socket->is_counted) {
        atomic_fetch_sub(&worker->shared->n_sessions, 1);
    }
    atomic_fetch_sub(&worker->shared->n_sockets, 1);
    metrics_add(worker->counts, METRIC_SOCKETS, MINUS_ONE);
    worker->partial_bytes -= socket->decoder.cap;
    metrics_set(worker->counts, METRIC_PARTIAL_BYTES, worker->partial_bytes);
    admission_leave(socket);
    output_unmark(socket);
    unlink_socket(socket);
    reader_free(socket);
    rfc6455_decoder_release(&socket->decoder);
    outqueue_release(&socket->out);
    free(socket->control);
    identity_unref(socket->identity);
    free(socket);
}

void socket_set_state(struct socket *socket, enum socket_state state, uint64_t cut_after_ms)
{
    socket->state = state;
    socket->at_ms = clock_ms() + cut_after_ms;
}

void socket_end(struct socket *socket)
{
    /* The reason is only a label; "sync" closes inside the call. */
    lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

/* ---- requests ---- */

/* What follows the head in the same packet belongs to the session: a client may send its first
 * frame without waiting. */
static void answer_head(struct socket *socket)
{
    struct head_reader *reader = socket->reader;
    uint64_t began_us = clock_us();
    struct command *open = http_respond(socket, &reader->head);
    if (open) {
        size_t used = reader->head.line;
        session_open(socket, open);
        session_read(socket, (uint8_t *)reader->bytes.data + used, reader->bytes.len - used);
        if (reader->more.len > 0 && socket->state != SOCKET_LINGER) {
            session_read(socket, (uint8_t *)reader->more.data, reader->more.len);
        }
    }
    reader_free(socket);
    socket->worker->answering_us += clock_us() - began_us;
}

static void wait_for_answer(struct socket *socket)
{
    socket->reader->is_waiting = true;
    DL_APPEND(socket->worker->waiting, socket->reader);
    metrics_count(socket->worker->counts, METRIC_DEFERRED);
}

static void stop_reading(struct socket *socket, bool is_stopped)
{
    if (socket->is_paused != is_stopped) {
        socket->is_paused = is_stopped;
        output_set_reading(socket);
    }
}

bool socket_answer_waiting(struct worker *worker)
{
    while (worker->waiting && worker->answering_us < ANSWERING_US) {
        struct socket *socket = worker->waiting->socket;
        stop_reading(socket, false);
        if (socket->state == SOCKET_HEAD) {
            answer_head(socket);
        } else {
            reader_free(socket); /* it waited for too long, and was told so */
        }
    }
    worker->answering_us = 0;
    return worker->waiting == NULL;
}

static void read_head(struct socket *socket, const uint8_t *data, size_t len)
{
    if (!socket->reader) {
        forget_timeout(socket->wsi);
        socket->reader = mem_zalloc(sizeof(*socket->reader));
        socket->reader->socket = socket;
        socket->has_spoken = true;
        if (socket->is_tls) {
            metrics_count(socket->worker->counts, METRIC_TLS_HANDSHAKES);
        }
    }
    struct head_reader *reader = socket->reader;
    if (reader->is_waiting) {
        buf_add(&reader->more, data, len);
        stop_reading(socket, true);
        return;
    }
    buf_add(&reader->bytes, data, len);
    if (http_head_read(&reader->head, reader->bytes.data, reader->bytes.len) ==
        HTTP_HEAD_INCOMPLETE) {
        return;
    }
    if (socket->worker->waiting || socket->worker->answering_us >= ANSWERING_US) {
        wait_for_answer(socket);
    } else {
        answer_head(socket);
    }
}

static void on_rx(struct socket *socket, uint8_t *data, size_t len)
{
    switch (socket->state) {
    case SOCKET_HEAD:
        read_head(socket, data, len);
        break;
    case SOCKET_SESSION:
    case SOCKET_CLOSING:
        session_read(socket, data, len);
        break;
    case SOCKET_ANSWER:
    case SOCKET_LINGER:
        break;
    }
}

static struct worker *worker_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct socket *socket = lws_get_opaque_user_data(wsi);
    switch ((int)reason) { /* a hundred reasons exist; the rest concerns other roles */
    case LWS_CALLBACK_RAW_ADOPT:
        socket = socket_new(worker_of(wsi), wsi);
        lws_set_opaque_user_data(wsi, socket);
        return 0;
    case LWS_CALLBACK_RAW_RX:
        on_rx(socket, in, len);
        return 0;
    case LWS_CALLBACK_RAW_WRITEABLE:
        return output_on_writable(socket) ? 0 : -1;
    case LWS_CALLBACK_RAW_CLOSE:
        if (socket) { /* NULL: it failed before RAW_ADOPT */
            lws_set_opaque_user_data(wsi, NULL);
            socket_free(socket);
        }
        return 0;
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS: /* no socket yet; user: SSL_CTX */
        return tls_set_up(worker_of(wsi)->tls, user) ? 0 : -1;
    default:
        return 0;
    }
}

const struct lws_protocols *socket_protocols(void)
{
    static const struct lws_protocols protocols[] = {
        {.name = "pgherald", .callback = on_event, .tx_packet_size = WORKER_BURST_BYTES},
        {.name = NULL},
    };
    return protocols;
}
