/* SPDX-License-Identifier: PostgreSQL */
/* The life of a connection.
 *
 * HTTP and WebSocket are ours. Bytes come and go by the kernel's calls (plain.c), or with TLS by
 * libwebsockets (secure.c), in its raw-skt role: its WebSocket role refuses a subprotocol of 63
 * bytes, and clients send their whole token there.
 *
 * States: HEAD → SESSION → CLOSING, or HEAD → ANSWER → LINGER. Lingering is what makes a last
 * answer arrive: closing a socket with unread input makes the kernel send a reset, which can
 * destroy what was sent just before. So our side is shut first and the client's rest is read and
 * thrown away until he is done.
 *
 * With TLS too a connection is a socket from accept on: until its handshake is done it is one that
 * says nothing.
 *
 * All end in life_end, the only place that frees. It comes when the client has ended, when nothing
 * can be written any more, or by socket_end; never while the client's bytes are worked through. */
#include "net/stream/life.h"

#include <stdlib.h>

#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http/admission.h"
#include "net/http/head_reader.h"
#include "net/session/session.h"
#include "net/socket/output.h"
#include "net/socket/socket.h"
#include "net/transit.h"
#include "net/worker/worker.h"

#define MINUS_ONE UINT64_MAX /* gauges are sums modulo 2^64 */

struct socket *life_begin(struct worker *worker, const struct stream *stream, int fd,
                          const struct arrival *arrival)
{
    struct socket *socket = mem_zalloc(sizeof(*socket));
    socket->stream = stream;
    socket->fd = fd;
    socket->worker = worker;
    DL_PREPEND(worker->sockets, socket);
    atomic_fetch_add(&worker->shared->n_sockets, 1);
    metrics_count(worker->counts, METRIC_SOCKETS);
    socket_set_state(socket, SOCKET_HEAD, worker->settings->options.handshake_timeout_ms);
    socket->peer = arrival->peer;
    if (arrival->is_proxied) {
        socket->is_proxied = true;
        socket->is_named = arrival->has_client;
        socket->at_ms = arrival->cut_ms;
    }
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

void life_end(struct socket *socket)
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

static void begin_speaking(struct socket *socket)
{
    socket->has_spoken = true;
    if (socket->is_tls) {
        metrics_count(socket->worker->counts, METRIC_TLS_HANDSHAKES);
    }
}

void life_read(struct socket *socket, uint8_t *data, size_t len)
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
