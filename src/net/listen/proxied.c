/* SPDX-License-Identifier: PostgreSQL */
/* A connection by the PROXY protocol is nobody's until its header is read: with TLS libwebsockets
 * would take its first bytes for a handshake. So it waits here, and none of the client's bytes may
 * be taken from the kernel: they are looked at first (MSG_PEEK), and then only the header's are
 * read. To look without reading what belongs to an unfinished header would make the poll call again
 * at once, for ever.
 *
 * The listener never guesses whether there is a header (section 2 of the specification): without
 * one a connection is closed. And who is none of the trusted proxies is closed unread, since he
 * could call himself what he likes. Both are most likely mistakes of who set the proxy up, and he
 * sees only connections that close: so the log says what to do.
 *
 * A proxy that opens a connection and closes it without a word looks whether the port is open: that
 * is how load balancers check a server if they are not told better, and no failure. */
#include "net/listen/proxied.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utlist.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http/refuse.h"
#include "net/socket/socket.h"
#include "net/worker/worker.h"
#include "proto/proxy_header.h"

struct newcomer {
    struct proxied *proxied;
    struct newcomer *next, *prev;
    struct loop_poll *poll;
    int fd;
    struct address peer; /* the proxy */
    uint64_t cut_ms;
    size_t len; /* bytes of its header that were read */
    uint8_t bytes[PROXY_HEADER_MAX];
};

struct proxied {
    struct worker *worker;
    proxied_fn *on_arrival;
    void *arg;
    struct newcomer *newcomers;
};

/* Not one of the worker's sockets yet, but a descriptor that counts as one. */
static void count(const struct worker *worker, bool is_more)
{
    if (is_more) {
        atomic_fetch_add(&worker->shared->n_sockets, 1);
    } else {
        atomic_fetch_sub(&worker->shared->n_sockets, 1);
    }
    metrics_add(worker->counts, METRIC_SOCKETS, is_more ? 1 : UINT64_MAX);
}

static void newcomer_free(struct newcomer *newcomer)
{
    DL_DELETE(newcomer->proxied->newcomers, newcomer);
    count(newcomer->proxied->worker, false);
    loop_poll_free(newcomer->poll);
    free(newcomer);
}

static void newcomer_drop(struct newcomer *newcomer, unsigned reason, const char *why)
{
    int fd = newcomer->fd;
    refuse_note_unread(newcomer->proxied->worker, &newcomer->peer, reason, why);
    newcomer_free(newcomer);
    close(fd);
}

static void newcomer_arrive(struct newcomer *newcomer, const struct proxy_header *header)
{
    struct proxied *proxied = newcomer->proxied;
    int fd = newcomer->fd;
    struct arrival arrival = {.peer = header->has_client ? header->client : newcomer->peer,
                              .is_proxied = true,
                              .has_client = header->has_client,
                              .cut_ms = newcomer->cut_ms};
    newcomer_free(newcomer);
    proxied->on_arrival(proxied->arg, fd, &arrival);
}

/* The connection has ended. */
static void newcomer_leave(struct newcomer *newcomer)
{
    int fd = newcomer->fd;
    newcomer_free(newcomer);
    close(fd);
}

static void on_readable(void *arg, bool is_readable, bool is_writable)
{
    (void)is_readable;
    (void)is_writable;
    struct newcomer *newcomer = arg;
    struct proxy_header header = {0};
    uint8_t *end = newcomer->bytes + newcomer->len;
    ssize_t got = recv(newcomer->fd, end, sizeof(newcomer->bytes) - newcomer->len, MSG_PEEK);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0 && newcomer->len == 0) {
        newcomer_leave(newcomer);
        return;
    }
    enum proxy_header_state state = PROXY_HEADER_BAD;
    if (got > 0) {
        state = proxy_header_read(newcomer->bytes, newcomer->len + (size_t)got, &header);
    }
    size_t used = state == PROXY_HEADER_COMPLETE ? header.len - newcomer->len : (size_t)got;
    if (state == PROXY_HEADER_BAD || recv(newcomer->fd, end, used, 0) != (ssize_t)used) {
        newcomer_drop(newcomer, METRIC_REFUSAL_PROXY_HEADER, NULL);
        return;
    }
    newcomer->len += used;
    if (state == PROXY_HEADER_COMPLETE) {
        newcomer_arrive(newcomer, &header);
    }
}

struct proxied *proxied_new(struct worker *worker, proxied_fn *on_arrival, void *arg)
{
    struct proxied *proxied = mem_zalloc(sizeof(*proxied));
    proxied->worker = worker;
    proxied->on_arrival = on_arrival;
    proxied->arg = arg;
    return proxied;
}

void proxied_add(struct proxied *proxied, int fd, const struct address *peer)
{
    struct worker *worker = proxied->worker;
    const struct net_options *options = &worker->settings->options;
    if (!address_is_in(peer, options->limits.proxies, options->limits.n_proxies)) {
        refuse_note_unread(worker, peer, METRIC_REFUSAL_PROXY_STRANGER, NULL);
        close(fd);
        return;
    }
    struct newcomer *newcomer = mem_zalloc(sizeof(*newcomer));
    newcomer->proxied = proxied;
    newcomer->fd = fd;
    newcomer->peer = *peer;
    newcomer->cut_ms = clock_ms() + options->handshake_timeout_ms;
    newcomer->poll = loop_poll_new(worker->loop, fd, on_readable, newcomer);
    DL_APPEND(proxied->newcomers, newcomer);
    count(worker, true);
    loop_poll_set(newcomer->poll, true, false);
}

/* All of them: who came earlier may have been given more time. */
void proxied_sweep(struct proxied *proxied, uint64_t now_ms)
{
    struct newcomer *newcomer, *next;
    DL_FOREACH_SAFE(proxied->newcomers, newcomer, next)
    {
        if (now_ms >= newcomer->cut_ms) {
            newcomer_drop(newcomer, METRIC_REFUSAL_TIMEOUT, "its PROXY header did not come");
        }
    }
}

void proxied_free(struct proxied *proxied)
{
    if (!proxied) {
        return;
    }
    while (proxied->newcomers) {
        newcomer_leave(proxied->newcomers);
    }
    free(proxied);
}
