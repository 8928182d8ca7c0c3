/* SPDX-License-Identifier: PostgreSQL */
/* A browser says which page wants to connect (RFC 6454, 7), and no page can change that; so the
 * list keeps other people's pages from using their visitors' sessions. Whoever writes a client of
 * his own can send any Origin: it is no right, and a client without one is let through.
 *
 * The address is the peer's, or what a trusted proxy says in its stead. A trusted proxy that says
 * nothing has limits of its own: as one address all who come through it would share those of one
 * client, and without any the whole server would be theirs. */
#include "net/http/admission.h"

#include <netinet/in.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/socket/socket.h"
#include "net/worker/worker.h"
#include "proto/forwarded.h"
#include "proto/origin.h"

bool admission_has_origin(const char *origins, const struct http_head *head)
{
    struct str origin = http_head_field(head, "origin");
    return !origins || !origin.ptr || origins_have(origins, origin);
}

/* ---- address ---- */

/* Without a header a proxy cannot be told from a program on its machine: it is said in either
 * case, once for each range. */
static void name_proxy(const struct socket *socket)
{
    const struct address *proxy = &socket->peer;
    const struct net_settings *settings = socket->worker->settings;
    const struct net_limits *limits = &settings->options.limits;
    const char *header = forwarded_name(limits->proxy_header);
    char text[ADDRESS_TEXT_SIZE];
    ptrdiff_t range = address_range_of(proxy, limits->proxies, limits->n_proxies) - limits->proxies;
    if (atomic_exchange(&settings->is_proxy_named[range], true)) {
        return;
    }
    address_write(proxy, text);
    log_write(
        address_is_loopback(proxy) ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
        "%s is one of trusted-proxies and names no client (%s%s): whoever comes "
        "through it shares its limits, proxy-sessions and proxy-handshakes. If it is a proxy, "
        "let it send that header",
        text,
        socket->is_proxied ? "PROXY protocol" : "proxy-header: ", socket->is_proxied ? "" : header);
}

bool admission_client(const struct socket *socket, const struct http_head *head,
                      struct address *client)
{
    const struct net_limits *limits = &socket->worker->settings->options.limits;
    *client = socket->peer;
    if (!address_is_in(&socket->peer, limits->proxies, limits->n_proxies)) {
        return true;
    }
    /* What a PROXY header leaves open, the headers of HTTP do not say: the proxy may well have
     * passed on what its client wrote there. */
    return (!socket->is_proxied || socket->is_named) && head &&
           forwarded_client(head, limits->proxy_header, limits->proxies, limits->n_proxies, client);
}

static struct addresses *table_of(const struct socket *socket)
{
    struct net_shared *shared = socket->worker->shared;
    return socket->is_proxy ? shared->proxies : shared->addresses;
}

static void find_client(struct socket *socket, const struct http_head *head)
{
    socket->is_proxy = !admission_client(socket, head, &socket->from);
    if (socket->is_proxy) {
        name_proxy(socket);
    }
}

enum admission admission_judge(struct socket *socket, const struct http_head *head)
{
    find_client(socket, head);
    return addresses_judge(table_of(socket), &socket->from, clock_ms());
}

bool admission_may_ask(const struct socket *socket, const struct http_head *head)
{
    struct addresses *askers = socket->worker->shared->askers;
    struct address client;
    uint64_t now_ms = clock_ms();
    (void)admission_client(socket, head, &client);
    bool may = addresses_enter(askers, &client, now_ms) == ADMISSION_GRANTED;
    if (may) {
        addresses_leave(askers, &client, now_ms);
    }
    return may;
}

static uint16_t port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {.v6 = {0}};
    socklen_t len = sizeof(address);
    if (getsockname(fd, &address.any, &len) != 0) {
        return 0;
    }
    return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port : address.v4.sin_port);
}

static void note_proxy(const struct socket *socket, const struct http_head *head, bool was_refused,
                       uint64_t now_ms)
{
    const struct net_settings *settings = socket->worker->settings;
    const struct net_limits *limits = &settings->options.limits;
    proxy_finds_note(settings->finds,
                     &(struct proxy_look){
                         .peer = &socket->peer,
                         .head = head,
                         .limits = limits,
                         .port = socket->is_proxy ? port_of(socket->fd) : 0,
                         .is_proxied = socket->is_proxied,
                         .is_named = socket->is_named,
                         .has_client = !socket->is_proxy,
                         .was_refused = was_refused,
                     },
                     now_ms);
}

enum admission admission_enter(struct socket *socket, const struct http_head *head)
{
    uint64_t now_ms = clock_ms();
    find_client(socket, head);
    enum admission admission = addresses_enter(table_of(socket), &socket->from, now_ms);
    socket->has_address = admission == ADMISSION_GRANTED;
    note_proxy(socket, head, admission != ADMISSION_GRANTED, now_ms);
    return admission;
}

void admission_leave(struct socket *socket)
{
    if (socket->has_address) {
        addresses_leave(table_of(socket), &socket->from, clock_ms());
        socket->has_address = false;
    }
}
