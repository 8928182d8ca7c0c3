/* SPDX-License-Identifier: PostgreSQL */
/* A browser says which page wants to connect (RFC 6454, 7), and no page can change that; so the
 * list keeps other people's pages from using their visitors' sessions. Whoever writes a client of
 * his own can send any Origin: it is no right, and a client without one is let through.
 *
 * The address is the peer's, or what a trusted proxy says in its stead. A trusted proxy that says
 * nothing is not counted: all who come through it would share the limits of one. */
#include "net/http/admission.h"

#include <string.h>
#include <strings.h>

#include <libwebsockets.h>

#include "base/clock.h"
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

/* False: it is not to be counted. */
static bool find_client(const struct socket *socket, const struct http_head *head,
                        struct address *out)
{
    const struct net_limits *limits = &socket->worker->shared->options.limits;
    if (!address_of_peer(lws_get_socket_fd(socket->wsi), out)) {
        return false;
    }
    return !address_is_in(out, limits->proxies, limits->n_proxies) ||
           (forwarded_client(head, limits->proxies, limits->n_proxies, out) &&
            !address_is_in(out, limits->proxies, limits->n_proxies));
}

enum admission admission_enter(struct socket *socket, const struct http_head *head)
{
    struct addresses *addresses = socket->worker->shared->addresses;
    struct address client;
    if (!find_client(socket, head, &client)) {
        return ADMISSION_GRANTED;
    }
    enum admission admission = addresses_enter(addresses, &client, clock_ms());
    if (admission == ADMISSION_GRANTED) {
        socket->from = client;
        socket->has_address = true;
    }
    return admission;
}

void admission_leave(struct socket *socket)
{
    if (socket->has_address) {
        addresses_leave(socket->worker->shared->addresses, &socket->from, clock_ms());
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

bool admission_is_local(const struct socket *socket, const struct http_head *head)
{
    struct address peer;
    return address_of_peer(lws_get_socket_fd(socket->wsi), &peer) && address_is_loopback(&peer) &&
           !forwarded_is(head) && is_asked_by_own_name(head);
}
