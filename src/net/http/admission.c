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
static void name_proxy(const struct socket *socket, const struct address *proxy, size_t range)
{
    struct net_shared *shared = socket->worker->shared;
    const char *header = forwarded_name(shared->options.limits.proxy_header);
    char text[ADDRESS_TEXT_SIZE];
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

/* False: the peer is gone. */
static bool find_client(const struct socket *socket, const struct http_head *head,
                        struct address *out, bool *is_proxy)
{
    struct net_shared *shared = socket->worker->shared;
    const struct net_limits *limits = &shared->options.limits;
    if (!admission_peer(socket, out)) {
        return false;
    }
    const struct address_range *range = address_range_of(out, limits->proxies, limits->n_proxies);
    /* What a PROXY header leaves open, the headers of HTTP do not say: the proxy may well have
     * passed on what its client wrote there. */
    bool is_unnamed = socket->is_proxied && !socket->is_named;
    *is_proxy = range && (is_unnamed || !forwarded_client(head, limits->proxy_header,
                                                          limits->proxies, limits->n_proxies, out));
    if (*is_proxy) {
        name_proxy(socket, out, (size_t)(range - limits->proxies));
    }
    return true;
}

static struct addresses *table_of(const struct socket *socket)
{
    struct net_shared *shared = socket->worker->shared;
    return socket->is_proxy ? shared->proxies : shared->addresses;
}

enum admission admission_enter(struct socket *socket, const struct http_head *head)
{
    bool is_proxy = false;
    if (!find_client(socket, head, &socket->from, &is_proxy)) {
        return ADMISSION_GRANTED; /* nobody will read the answer either */
    }
    socket->is_proxy = is_proxy;
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

/* A page of a stranger whose name he makes point to 127.0.0.1 may ask through a browser on this
 * machine (DNS rebinding), but it asks by that name. */
static bool is_asked_by_own_name(const struct http_head *head)
{
    struct address ignored;
    struct str host = http_head_field(head, "host");
    if (!host.ptr) {
        return false;
    }
    const char *colon = memrchr(host.ptr, ':', host.len);
    if (colon && !memchr(colon, ']', host.len - (size_t)(colon - host.ptr))) {
        host.len = (size_t)(colon - host.ptr);
    }
    return equals(host, STR("localhost")) || address_parse(host, &ignored);
}

/* What asks with HTTP/1.0 is most likely a proxy: nginx does, and adds no header, unless told
 * otherwise. */
bool admission_is_local(const struct socket *socket, const struct http_head *head)
{
    struct address peer;
    return !socket->is_proxied && !head->is_1_0 && admission_peer(socket, &peer) &&
           address_is_loopback(&peer) && !http_head_field(head, "forwarded").ptr &&
           !http_head_field(head, "x-forwarded-for").ptr && !http_head_field(head, "via").ptr &&
           is_asked_by_own_name(head);
}
