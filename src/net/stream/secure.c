/* SPDX-License-Identifier: PostgreSQL */
/* A connection with TLS: libwebsockets does the handshake, reads and writes, and keeps what the
 * kernel did not take.
 *
 * It runs on our libuv loop as a foreign one: left to itself it would make the loop, take over
 * signals, and never return. A connection is its own from adoption on, the descriptor too, and ends
 * in RAW_CLOSE: because a callback returns -1 or, outside of callbacks, by secure_end. */
#include "net/stream/secure.h"

#include <assert.h>

#include <libwebsockets.h>

#include "base/log.h"
#include "net/socket/output.h"
#include "net/socket/socket.h"
#include "net/stream/life.h"
#include "net/tls.h"
#include "net/worker/worker.h"

enum {
    /* Its own limit for TLS handshakes, which it keeps in a sorted list that gets slow
     * (forget_timeout takes them out): only to be longer than ours. */
    MORE_TIMEOUT_S = 60,
};

#define PROTOCOL_NAME "pgherald"

/* A TLS record must fit whole: what is left of one would lie in OpenSSL, where no poll sees it. */
static_assert(WORKER_INPUT_BYTES == TLS_RECORD_BYTES, "one read takes one record");

/* libwebsockets sets a time limit when a TLS handshake begins and a second one when it is done; the
 * sweep keeps ours for both. */
static void forget_timeout(struct lws *wsi)
{
    lws_set_timeout(wsi, NO_PENDING_TIMEOUT, 0);
}

/* ---- a connection ---- */

static enum stream_state secure_write(struct socket *socket, uint8_t *data, size_t len,
                                      size_t *taken)
{
    if (lws_write(socket->wsi, data, len, LWS_WRITE_RAW) < 0) {
        return STREAM_STATE_BROKEN;
    }
    *taken = len;
    return lws_partial_buffered(socket->wsi) ? STREAM_STATE_FULL : STREAM_STATE_OPEN;
}

/* While it holds a rest it waits by itself for the kernel to take more, and it neither reads nor
 * lets us write; but it would still poll for input, in vain and with all of a core. */
static void secure_want(struct socket *socket, bool is_reading, bool is_writing)
{
    lws_rx_flow_control(socket->wsi, is_reading);
    if (is_writing && !lws_partial_buffered(socket->wsi)) {
        lws_callback_on_writable(socket->wsi);
    }
}

static void secure_end(struct socket *socket)
{
    /* The reason is only a label; "sync" closes inside the call. */
    lws_set_timeout(socket->wsi, PENDING_TIMEOUT_USER_REASON_BASE, LWS_TO_KILL_SYNC);
}

static struct worker *worker_of(struct lws *wsi)
{
    return lws_context_user(lws_get_context(wsi));
}

static void begin(struct lws *wsi)
{
    static const struct stream secure = {secure_write, secure_want, secure_end};
    struct worker *worker = worker_of(wsi);
    struct socket *socket = life_begin(worker, &secure, lws_get_socket_fd(wsi), worker->arrival);
    socket->wsi = wsi;
    socket->is_tls = true;
    lws_set_opaque_user_data(wsi, socket);
    forget_timeout(wsi);
}

static void on_input(struct socket *socket, uint8_t *data, size_t len)
{
    if (!socket->has_spoken) {
        forget_timeout(socket->wsi);
    }
    life_read(socket, data, len);
}

static int on_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                       size_t len)
{
    struct socket *socket = lws_get_opaque_user_data(wsi);
    switch ((int)reason) { /* a hundred reasons exist; the rest concerns other roles */
    case LWS_CALLBACK_RAW_ADOPT:
        begin(wsi);
        return 0;
    case LWS_CALLBACK_RAW_RX:
        on_input(socket, in, len);
        return 0;
    case LWS_CALLBACK_RAW_WRITEABLE:
        return output_on_writable(socket) ? 0 : -1;
    case LWS_CALLBACK_RAW_CLOSE:
        if (socket) { /* NULL: it failed before RAW_ADOPT */
            lws_set_opaque_user_data(wsi, NULL);
            life_end(socket);
        }
        return 0;
    case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS: /* no socket yet; user: SSL_CTX */
        return tls_set_up(worker_of(wsi)->tls, user) ? 0 : -1;
    default:
        return 0;
    }
}

void secure_adopt(struct worker *worker, int fd, const struct arrival *arrival)
{
    const lws_adopt_desc_t adopted = {
        .vh = worker->vhost,
        .type = LWS_ADOPT_SOCKET | LWS_ADOPT_ALLOW_SSL, /* no HTTP flag: the raw-skt role */
        .fd = {.sockfd = fd},
        .vh_prot_name = PROTOCOL_NAME,
    };
    worker->arrival = arrival; /* RAW_ADOPT comes inside of this */
    if (!lws_adopt_descriptor_vhost_via_info(&adopted)) {
        log_debug("a connection could not be taken");
    }
    worker->arrival = NULL;
}

/* ---- the context ---- */

/* libwebsockets asks for a policy of pings and timeouts, kept in a sorted list that gets slow with
 * thousands of connections: all zero is none, and worker/housekeeping.c does it. */
static const lws_retry_bo_t no_policy;

/* The virtual host comes without certificate: libwebsockets asks for further settings of its
 * SSL_CTX, and that is where tls.c takes over. */
enum status secure_start(struct worker *worker, struct err *err)
{
    static const struct lws_protocols protocols[] = {
        {.name = PROTOCOL_NAME, .callback = on_callback, .tx_packet_size = WORKER_BURST_BYTES},
        {.name = NULL},
    };
    void *loops[] = {loop_native(worker->loop)};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = protocols,
        .gid = -1,
        .uid = -1,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
        .user = worker,
        .foreign_loops = loops,
        .pt_serv_buf_size = WORKER_INPUT_BYTES + LWS_PRE, /* it leaves so much of it out */
        .retry_and_idle_policy = &no_policy,
        .timeout_secs = worker->settings->options.handshake_timeout_ms / 1000 + MORE_TIMEOUT_S,
        .provided_client_ssl_ctx = tls_outgoing(worker->tls),
        .vhost_name = "tls",
        .alpn = "http/1.1",
    };
    worker->lws = lws_create_context(&info);
    if (!worker->lws) {
        return err_set(err, EXIT_CODE_FAILED,
                       "libwebsockets cannot run on libuv: is the package "
                       "libwebsockets-evlib-uv installed?");
    }
    info.options |= LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX;
    worker->vhost = lws_create_vhost(worker->lws, &info);
    return worker->vhost ? STATUS_OK
                         : err_set(err, EXIT_CODE_FAILED, "libwebsockets cannot do TLS");
}

void secure_stop(struct worker *worker)
{
    if (worker->lws) {
        lws_context_destroy(worker->lws);
    }
}
