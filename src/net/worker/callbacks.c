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
 * There are two ways to die and both end in RAW_CLOSE, which is the only place that frees: a
 * callback returns -1, or, outside of callbacks, socket_end. */
#include "net/worker/callbacks.h"

#include <stdlib.h>

#include <libwebsockets.h>
#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http/admission.h"
#include "net/http/head_reader.h"
#include "net/session/session.h"
#include "net/socket/output.h"
#include "net/socket/socket.h"
#include "net/tls.h"
#include "net/transit.h"
#include "net/worker/worker.h"

#define MINUS_ONE UINT64_MAX /* gauges are sums modulo 2^64 */

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
    DL_PREPEND(worker->sockets, socket);
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
        transit_tell(socket, COMMAND_CLOSE);
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
    DL_DELETE(worker->sockets, socket);
    head_reader_free(socket);
    rfc6455_decoder_release(&socket->decoder);
    outqueue_release(&socket->out);
    free(socket->control);
    identity_unref(socket->identity);
    free(socket);
}

/* ---- what libwebsockets calls ---- */

static void begin_speaking(struct socket *socket)
{
    forget_timeout(socket->wsi);
    socket->has_spoken = true;
    if (socket->is_tls) {
        metrics_count(socket->worker->counts, METRIC_TLS_HANDSHAKES);
    }
}

static void on_rx(struct socket *socket, uint8_t *data, size_t len)
{
    switch (socket->state) {
    case SOCKET_HEAD:
        if (!socket->has_spoken) {
            begin_speaking(socket);
        }
        head_reader_read(socket, data, len);
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

static int on_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
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

const struct lws_protocols *callbacks_protocols(void)
{
    static const struct lws_protocols protocols[] = {
        {.name = SOCKET_PROTOCOL, .callback = on_callback, .tx_packet_size = WORKER_BURST_BYTES},
        {.name = NULL},
    };
    return protocols;
}
