/* SPDX-License-Identifier: PostgreSQL */
/* A browser says which page wants to connect (RFC 6454, 7), and no page can change that; so the
 * list keeps other people's pages from using their visitors' sessions. Whoever writes a client of
 * his own can send any Origin: it is no right, and a client without one is let through.
 *
 * The address is the peer's, or what a trusted proxy says in its stead. A trusted proxy that says
 * nothing has limits of its own: as one address all who come through it would share those of one
 * client, and without any the whole server would be theirs. */
#include "net/http/admission.h"

#include <string.h>
#include <strings.h>

#include <libwebsockets.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/http/addresses.h"
#include "net/worker.h"
#include "proto/forwarded.h"

/* ---- origin ---- */

static bool equals(struct str a, struct str b)
{
    return a.len == b.len && strncasecmp(a.ptr, b.ptr, a.len) == 0;
}

/* "https://example.com", or "https://" and a star for the first names of the host. */
static bool covers(struct str pattern, struct str origin)
{
    const char *star = memchr(pattern.ptr, '*', pattern.len);
    if (!star) {
        return equals(pattern, origin);
    }
    size_t head = (size_t)(star - pattern.ptr), tail = pattern.len - head - 1;
    if (origin.len <= head + tail) {
        return false;
    }
    struct str middle = {origin.ptr + head, origin.len - head - tail};
    return equals((struct str){pattern.ptr, head}, (struct str){origin.ptr, head}) &&
           equals((struct str){star + 1, tail}, (struct str){middle.ptr + middle.len, tail}) &&
           !memchr(middle.ptr, '/', middle.len) && !memchr(middle.ptr, ':', middle.len);
}

bool admission_has_origin(const char *origins, const struct http_head *head)
{
    static const char separators[] = ", \t";
    struct str origin = http_head_field(head, "origin");
    if (!origins || !origin.ptr) {
        return true;
    }
    for (const char *at = origins + strspn(origins, separators); *at;
         at += strspn(at, separators)) {
        struct str word = {at, strcspn(at, separators)};
        if (covers(word, origin)) {
            return true;
        }
        at += word.len;
    }
    return false;
}

/* ---- address ---- */

bool admission_peer(const struct socket *socket, struct address *out)
{
    if (socket->is_named) {
        *out = socket->from;
        return true;
    }
    return address_of_peer(lws_get_socket_fd(socket->wsi), out);
}

/* Without a header a proxy cannot be told from a program on its machine: it is said in either
 * case, once for each range. */
static void name_proxy(const struct socket *socket, const struct address *proxy)
{
    struct net_shared *shared = socket->worker->shared;
    const struct net_limits *limits = &shared->options.limits;
    const char *header = forwarded_name(limits->proxy_header);
    char text[ADDRESS_TEXT_SIZE];
    ptrdiff_t range = address_range_of(proxy, limits->proxies, limits->n_proxies) - limits->proxies;
    if (atomic_exchange(&shared->is_proxy_named[range], true)) {
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
                      const struct address *peer, struct address *client)
{
    const struct net_limits *limits = &socket->worker->shared->options.limits;
    *client = *peer;
    if (!address_is_in(peer, limits->proxies, limits->n_proxies)) {
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

enum admission admission_enter(struct socket *socket, const struct http_head *head)
{
    struct address peer;
    if (!admission_peer(socket, &peer)) {
        return ADMISSION_GRANTED; /* nobody will read the answer either */
    }
    socket->is_proxy = !admission_client(socket, head, &peer, &socket->from);
    if (socket->is_proxy) {
        name_proxy(socket, &peer);
    }
    enum admission admission = addresses_enter(table_of(socket), &socket->from, clock_ms());
    socket->has_address = admission == ADMISSION_GRANTED;
    return admission;
}

void admission_leave(struct socket *socket)
{
    if (socket->has_address) {
        addresses_leave(table_of(socket), &socket->from, clock_ms());
        socket->has_address = false;
    }
}
