/* SPDX-License-Identifier: PostgreSQL */
/* Listening: our own sockets, because libwebsockets cannot share a port among contexts in Debian's
 * build (its ALLOW_LISTEN_SHARE does nothing there).
 *
 * Every worker has a socket of its own on the one port (SO_REUSEPORT) and the kernel spreads the
 * connections. But SO_REUSEPORT would also let a second server of the same user share the port,
 * silently taking half of the connections. So one plain socket is bound first, which fails if
 * anybody listens there; it stays bound while the others are, so that a port picked by the kernel
 * is not lost in between.
 *
 * Options of a listening socket are inherited by what it accepts, so they cost nothing per
 * connection: TCP_NODELAY because batching is ours to decide; a send buffer that holds a burst or
 * two, so that a slow reader fills his own queue and not the kernel's memory; TCP_USER_TIMEOUT so
 * that a peer that vanished while data is under way is noticed.
 *
 * When the process has run out of descriptors, accept fails but the connection stays in the
 * backlog, and the loop would report it again at once, for ever. A spare descriptor is given up for
 * a moment to take the connection and turn it away; if even that fails, listening pauses until the
 * next sweep.
 *
 * A listener may take only proxies, which begin with a header that names the client (proxied.c). */
#include "net/listen/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/http/refuse.h"
#include "net/listen/proxied.h"
#include "net/socket/socket.h"
#include "net/stream/plain.h"
#include "net/stream/secure.h"
#include "net/worker/worker.h"

enum {
    BACKLOG = 4096,                 /* the kernel caps it at net.core.somaxconn */
    ACCEPTS_PER_TURN = 64,          /* then the sockets that are there get their turn */
    TLS_ACCEPTS_PER_TURN = 16,      /* each may cost a signature: a millisecond or two */
    SEND_BUFFER_BYTES = 128 * 1024, /* the kernel doubles it */
    USER_TIMEOUT_MS = 20000,
    PACE_MS = 20,
};

union listen_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t address_len(const union listen_address *address)
{
    return address->any.sa_family == AF_INET6 ? sizeof(address->v6) : sizeof(address->v4);
}

/* "127.0.0.1:8080" or "[::1]:8080": numbers only, because a name can mean several addresses. */
static bool read_address(const char *listen, union listen_address *address)
{
    char host[INET6_ADDRSTRLEN + 1] = "";
    uint64_t port;
    const char *colon = strrchr(listen, ':');
    if (!colon || !str_to_u64(str_of(colon + 1), &port) || port > UINT16_MAX) {
        return false;
    }
    struct str text = {listen, (size_t)(colon - listen)};
    bool is_v6 = text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']';
    if (is_v6) {
        text = (struct str){text.ptr + 1, text.len - 2};
    }
    if (text.len >= sizeof(host)) {
        return false;
    }
    memcpy(host, text.ptr, text.len);
    *address = (union listen_address){0};
    address->any.sa_family = is_v6 ? AF_INET6 : AF_INET;
    *(is_v6 ? &address->v6.sin6_port : &address->v4.sin_port) = htons((uint16_t)port);
    void *to = is_v6 ? (void *)&address->v6.sin6_addr : (void *)&address->v4.sin_addr;
    return inet_pton(address->any.sa_family, host, to) == 1;
}

static enum status failed(const char *listen, bool is_tls, struct err *err)
{
    switch (errno) {
    case EADDRINUSE:
        return err_set(err, EXIT_CODE_PORT,
                       "cannot listen on %s: the port is in use by another program; stop that "
                       "one, or choose another with %s",
                       listen, is_tls ? "--tls-listen" : "--listen");
    case EACCES:
        return err_set(err, EXIT_CODE_CONFIG,
                       "cannot listen on %s: ports below 1024 need the right to bind them "
                       "(CAP_NET_BIND_SERVICE)",
                       listen);
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return err_set(err, EXIT_CODE_CONFIG,
                       "cannot listen on %s: this machine does not have that address", listen);
    default:
        return err_set(err, EXIT_CODE_FAILED, "cannot listen on %s: %s", listen, strerror(errno));
    }
}

/* SO_REUSEADDR only lets us bind although connections of an earlier run are in TIME_WAIT: with a
 * listening socket on the port, Linux refuses all the same. */
static int open_bound(const union listen_address *address, bool is_shared)
{
    static const int yes = 1, send_buffer = SEND_BUFFER_BYTES, timeout = USER_TIMEOUT_MS;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    bool is_good = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0;
    if (is_shared) {
        is_good = is_good && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)) == 0 &&
                  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer)) == 0 &&
                  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes)) == 0 &&
                  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout)) == 0;
    }
    if (!is_good || bind(fd, &address->any, address_len(address)) != 0 ||
        (is_shared && listen(fd, BACKLOG) != 0)) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static char *url_of(const union listen_address *address, bool is_tls)
{
    char host[INET6_ADDRSTRLEN];
    bool is_v6 = address->any.sa_family == AF_INET6;
    const void *from =
        is_v6 ? (const void *)&address->v6.sin6_addr : (const void *)&address->v4.sin_addr;
    inet_ntop(address->any.sa_family, from, host, sizeof(host));
    unsigned port = ntohs(is_v6 ? address->v6.sin6_port : address->v4.sin_port);
    return mem_printf(is_v6 ? "http%s://[%s]:%u" : "http%s://%s:%u", is_tls ? "s" : "", host, port);
}

enum status listener_bind(const char *listen, bool is_tls, uint32_t n, int *fds, char **url,
                          struct err *err)
{
    union listen_address address;
    if (!read_address(listen, &address)) {
        return err_set(err, EXIT_CODE_CONFIG,
                       "cannot listen on \"%s\": give a numeric address and a port, such as "
                       "127.0.0.1:8080 or [::1]:8080",
                       listen);
    }
    int probe = open_bound(&address, false);
    if (probe < 0) {
        return failed(listen, is_tls, err);
    }
    socklen_t len = address_len(&address);
    getsockname(probe, &address.any, &len); /* the port, if it was 0 */
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < n && status == STATUS_OK; i++) {
        fds[i] = open_bound(&address, true);
        status = fds[i] >= 0 ? STATUS_OK : failed(listen, is_tls, err);
    }
    close(probe);
    if (status == STATUS_OK) {
        *url = url_of(&address, is_tls);
    }
    return status;
}

/* ---- accepting ---- */

struct listener {
    struct worker *worker;
    bool is_tls;
    int fd;
    int spare_fd;
    struct loop_poll *poll;
    bool is_paused;
    struct bucket accepts;
    struct loop_timer *pace_timer; /* while more than it may has come; NULL: was never needed */
    struct proxied *proxied;       /* NULL: the PROXY protocol is not spoken */
    bool is_warned;                /* since the last sweep: one line a second is enough */
};

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* The answer goes out unread: a client that has sent its request already may see a reset instead of
 * the answer. That is the price of spending nothing on it. With TLS there is no answer: it would
 * take a handshake. */
static void listener_refuse(const struct listener *listener, int fd)
{
    if (!listener->is_tls) {
        ssize_t ignored =
            send(fd, refuse_unread, strlen(refuse_unread), MSG_NOSIGNAL | MSG_DONTWAIT);
        (void)ignored;
    }
    shutdown(fd, SHUT_WR);
    close(fd);
}

static void adopt(void *arg, int fd, const struct arrival *arrival)
{
    const struct listener *listener = arg;
    if (listener->is_tls) {
        secure_adopt(listener->worker, fd, arrival);
    } else {
        plain_adopt(listener->worker, fd, arrival);
    }
}

static void listener_take(struct listener *listener, int fd, const struct address *peer)
{
    const struct worker *worker = listener->worker;
    struct net_shared *shared = worker->shared;
    metrics_count(worker->counts, METRIC_ACCEPTS);
    /* A descriptor past its tables (somebody has raised the limit meanwhile) would make
     * libwebsockets 4.1.6 write outside of them when it gives up on it. */
    if ((listener->is_tls && fd >= shared->max_fds) ||
        atomic_load(&shared->n_sockets) >= worker->settings->max_sockets) {
        refuse_note_unread(worker, peer, METRIC_REFUSAL_SOCKETS, NULL);
        listener_refuse(listener, fd);
    } else if (listener->proxied) {
        proxied_add(listener->proxied, fd, peer);
    } else {
        adopt(listener, fd, &(struct arrival){.peer = *peer});
    }
}

static void warn(struct listener *listener, const char *why)
{
    if (!listener->is_warned) {
        log_warn("cannot accept connections for now: %s", why);
    }
    listener->is_warned = true;
}

static void pause_listening(struct listener *listener)
{
    listener->is_paused = true;
    loop_poll_set(listener->poll, false, false);
}

static bool is_empty(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

/* Out of descriptors, which accept says even if nobody waits. Turns one connection away. False:
 * there is none, or it could not be taken either. */
static bool shed(struct listener *listener)
{
    int fd = -1;
    errno = EMFILE;
    if (listener->spare_fd >= 0) {
        close(listener->spare_fd);
        fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    }
    int error = errno;
    metrics_count(listener->worker->counts,
                  METRIC_ACCEPT_FAILURES + METRIC_ACCEPT_FAILURE_DESCRIPTORS);
    if (fd >= 0) {
        warn(listener, "too many open files; raise the limit (ulimit -n)");
        listener_refuse(listener, fd);
    } else if (!is_empty(error)) {
        warn(listener, strerror(error));
        pause_listening(listener);
    }
    listener->spare_fd = open_spare();
    return fd >= 0;
}

static void on_pace(void *arg)
{
    struct listener *listener = arg;
    if (!listener->is_paused) {
        loop_poll_set(listener->poll, true, false);
    }
}

/* In a storm the kernel's backlog waits, and the sessions get their turn. */
static bool may_accept(struct listener *listener)
{
    struct worker *worker = listener->worker;
    const struct bucket_rate *rate = &worker->settings->options.limits.accepts;
    if (bucket_take(&listener->accepts, rate, 1, clock_ms())) {
        return true;
    }
    metrics_count(worker->counts, METRIC_LIMITS + METRIC_LIMIT_ACCEPT_RATE);
    if (!listener->pace_timer) {
        listener->pace_timer = loop_timer_new(worker->loop, on_pace, listener);
    }
    loop_poll_set(listener->poll, false, false);
    loop_timer_start(listener->pace_timer, PACE_MS, 0);
    return false;
}

/* -1: errno says why. */
static int accept_one(const struct listener *listener, struct address *peer)
{
    union listen_address from;
    socklen_t len = sizeof(from);
    int fd = accept4(listener->fd, &from.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        address_of_socket(&from.any, peer);
    }
    return fd;
}

static void on_readable(void *arg, bool is_readable, bool is_writable)
{
    (void)is_readable;
    (void)is_writable;
    struct listener *listener = arg;
    int most = listener->is_tls ? TLS_ACCEPTS_PER_TURN : ACCEPTS_PER_TURN;
    for (int i = 0; i < most; i++) {
        if (!may_accept(listener)) {
            return;
        }
        struct address peer;
        int fd = accept_one(listener, &peer);
        if (fd >= 0) {
            listener_take(listener, fd, &peer);
        } else if (is_empty(errno)) {
            return;
        } else if (errno == EMFILE || errno == ENFILE) {
            if (!shed(listener)) {
                return;
            }
        } else if (errno == ENOBUFS || errno == ENOMEM) {
            metrics_count(listener->worker->counts,
                          METRIC_ACCEPT_FAILURES + METRIC_ACCEPT_FAILURE_OTHER);
            warn(listener, strerror(errno));
            pause_listening(listener);
            return;
        }
        /* Anything else is the failure of that one connection. */
    }
}

struct listener *listener_new(struct worker *worker, int fd, bool is_tls)
{
    struct listener *listener = mem_zalloc(sizeof(*listener));
    listener->worker = worker;
    listener->is_tls = is_tls;
    listener->fd = fd;
    listener->spare_fd = open_spare();
    const struct net_options *options = &worker->settings->options;
    if (is_tls ? options->tls_proxy_protocol : options->proxy_protocol) {
        listener->proxied = proxied_new(worker, adopt, listener);
    }
    listener->poll = loop_poll_new(worker->loop, fd, on_readable, listener);
    return listener;
}

void listener_start(struct listener *listener)
{
    if (listener) {
        loop_poll_set(listener->poll, true, false);
    }
}

void listener_sweep(struct listener *listener, uint64_t now_ms)
{
    if (!listener) {
        return;
    }
    if (listener->proxied) {
        proxied_sweep(listener->proxied, now_ms);
    }
    listener->is_warned = false;
    if (listener->spare_fd < 0) {
        listener->spare_fd = open_spare();
    }
    if (listener->is_paused) {
        listener->is_paused = false;
        loop_poll_set(listener->poll, true, false);
    }
}

void listener_free(struct listener *listener)
{
    if (!listener) {
        return;
    }
    proxied_free(listener->proxied);
    loop_timer_free(listener->pace_timer);
    loop_poll_free(listener->poll);
    close(listener->fd);
    if (listener->spare_fd >= 0) {
        close(listener->spare_fd);
    }
    free(listener);
}
