/* SPDX-License-Identifier: PostgreSQL */
/* What speaks for a proxy: a header that only proxies write; or a Host that its client cannot have
 * taken from us, as it has another port than ours and is not of this machine. Somebody stands in
 * between then who has passed it on.
 *
 * Anybody may write such headers: of who is no trusted proxy they count from networks that are private,
 * or when the limits of that address have met somebody.
 *
 * The last one is kept, and forgotten as soon as the same proxy names a client. */
#include "net/http/proxies.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

enum { FORGET_MS = 3600 * 1000 };

/* ---- signs ---- */

/* The one that is asked for, if it is there: many proxies write several. */
static enum forwarded_header header_in(const struct http_head *head, enum forwarded_header asked)
{
    if (asked != FORWARDED_NONE && http_head_field(head, forwarded_name(asked)).ptr) {
        return asked;
    }
    for (unsigned i = 0; i < FORWARDED_NONE; i++) {
        if (http_head_field(head, forwarded_name(i)).ptr) {
            return i;
        }
    }
    return FORWARDED_NONE;
}

/* Of "[::1]:80" the name is [::1]. No port: the one of its scheme, which is not known here. */
static struct str split_port(struct str host, uint64_t *port)
{
    const char *colon = host.len > 0 ? memrchr(host.ptr, ':', host.len) : NULL;
    size_t len = colon ? (size_t)(colon - host.ptr) : host.len;
    bool has_port = colon && !memchr(colon, ']', host.len - len) &&
                    str_to_u64((struct str){colon + 1, host.len - len - 1}, port);
    if (!has_port) {
        *port = 0;
    }
    return has_port ? (struct str){host.ptr, len} : host;
}

static bool is_of_this_machine(struct str name)
{
    static const char localhost[] = "localhost";
    size_t n = sizeof(localhost) - 1;
    struct address address;
    if (address_parse(name, &address)) {
        return address_is_loopback(&address);
    }
    return name.len >= n && strncasecmp(name.ptr + name.len - n, localhost, n) == 0 &&
           (name.len == n || name.ptr[name.len - n - 1] == '.');
}

static bool has_foreign_host(const struct proxy_look *look)
{
    uint64_t port;
    const struct http_head *head = look->head;
    struct str host = head->authority.ptr ? head->authority : http_head_field(head, "host");
    struct str name = split_port(host, &port);
    bool is_ours = look->port == 0 || port == look->port ||
                   (port == 0 && (look->port == 80 || look->port == 443));
    return host.len > 0 && !is_ours && !is_of_this_machine(name);
}

/* 10/8, 172.16/12, 192.168/16, 169.254/16, 100.64/10 (RFC 6598), fc00::/7, fe80::/10, and loopback. */
static bool is_private(const struct address *address)
{
#define V4 [10] = 0xff, [11] = 0xff
    static const struct address_range ranges[] = {
        {{{V4, [12] = 10}}, 104},
        {{{V4, [12] = 172, [13] = 16}}, 108},
        {{{V4, [12] = 192, [13] = 168}}, 112},
        {{{V4, [12] = 169, [13] = 254}}, 112},
        {{{V4, [12] = 100, [13] = 64}}, 106},
        {{{[0] = 0xfc}}, 7},
        {{{[0] = 0xfe, [1] = 0x80}}, 10},
    };
#undef V4
    return address_is_loopback(address) ||
           address_is_in(address, ranges, sizeof(ranges) / sizeof(ranges[0]));
}

/* ---- verdict ---- */

static enum proxy_verdict judge_stranger(const struct proxy_look *look)
{
    bool is_suspect = !look->is_proxied && look->limits->proxy_header != FORWARDED_NONE &&
                      header_in(look->head, look->limits->proxy_header) != FORWARDED_NONE &&
                      (look->was_refused || is_private(look->peer));
    return is_suspect ? PROXY_VERDICT_UNTRUSTED : PROXY_VERDICT_NOTHING;
}

/* Which names nobody. */
static enum proxy_verdict judge_silent(const struct proxy_look *look, bool is_named_alone)
{
    enum forwarded_header asked = look->limits->proxy_header;
    bool is_silent;
    if (look->is_proxied) {
        is_silent = true;
    } else if (asked == FORWARDED_NONE || http_head_field(look->head, forwarded_name(asked)).ptr) {
        is_silent = false; /* as it is wished; or the client is a proxy's own machine */
    } else {
        is_silent = is_named_alone || header_in(look->head, asked) != FORWARDED_NONE ||
                    has_foreign_host(look);
    }
    return is_silent ? PROXY_VERDICT_SILENT : PROXY_VERDICT_NOTHING;
}

enum proxy_verdict proxies_judge(const struct proxy_look *look)
{
    const struct net_limits *limits = look->limits;
    const struct address_range *range =
        address_range_of(look->peer, limits->proxies, limits->n_proxies);
    if (look->is_named) {
        return PROXY_VERDICT_NOTHING; /* the peer is the client */
    }
    if (!range) {
        return judge_stranger(look);
    }
    bool is_named_alone = range->bits == 128 && !address_is_loopback(look->peer);
    return look->has_client ? PROXY_VERDICT_NAMES : judge_silent(look, is_named_alone);
}

/* ---- finds ---- */

struct find {
    uint64_t at_ms; /* 0: none */
    struct address peer;
    enum forwarded_header asked, sent; /* sent NONE: none was */
    bool is_proxied;
};

struct proxy_finds {
    pthread_mutex_t mutex;
    atomic_bool has_any; /* so that who has nothing to do takes no lock */
    struct find list[PROXY_FAULT_N];
};

struct proxy_finds *proxy_finds_new(void)
{
    struct proxy_finds *finds = mem_zalloc(sizeof(*finds));
    pthread_mutex_init(&finds->mutex, NULL);
    return finds;
}

void proxy_finds_free(struct proxy_finds *finds)
{
    if (finds) {
        pthread_mutex_destroy(&finds->mutex);
        free(finds);
    }
}

static void forget(struct proxy_finds *finds, const struct address *peer)
{
    struct find *find = &finds->list[PROXY_FAULT_SILENT];
    pthread_mutex_lock(&finds->mutex);
    if (memcmp(&find->peer, peer, sizeof(*peer)) == 0) {
        find->at_ms = 0;
    }
    pthread_mutex_unlock(&finds->mutex);
}

void proxy_finds_note(struct proxy_finds *finds, const struct proxy_look *look, uint64_t now_ms)
{
    enum proxy_verdict verdict = proxies_judge(look);
    if (verdict == PROXY_VERDICT_SILENT || verdict == PROXY_VERDICT_UNTRUSTED) {
        pthread_mutex_lock(&finds->mutex);
        finds->list[verdict] = (struct find){
            .at_ms = now_ms,
            .peer = *look->peer,
            .asked = look->limits->proxy_header,
            .sent = header_in(look->head, look->limits->proxy_header),
            .is_proxied = look->is_proxied,
        };
        pthread_mutex_unlock(&finds->mutex);
        atomic_store(&finds->has_any, true);
    } else if (verdict == PROXY_VERDICT_NAMES && atomic_load(&finds->has_any)) {
        forget(finds, look->peer);
    }
}

void proxy_finds_write(struct proxy_finds *finds, enum proxy_fault fault, uint64_t now_ms,
                       struct buf *out)
{
    char text[ADDRESS_TEXT_SIZE];
    if (!atomic_load(&finds->has_any)) {
        return;
    }
    pthread_mutex_lock(&finds->mutex);
    struct find find = finds->list[fault];
    pthread_mutex_unlock(&finds->mutex);
    if (find.at_ms == 0 || now_ms - find.at_ms >= FORGET_MS) {
        return;
    }
    address_write(&find.peer, text);
    buf_printf(out, "{\"address\":\"%s\",\"asked\":\"%s\"", text,
               find.is_proxied ? "PROXY protocol" : forwarded_name(find.asked));
    if (find.sent != FORWARDED_NONE && !find.is_proxied) {
        buf_printf(out, ",\"sent\":\"%s\"", forwarded_name(find.sent));
    }
    buf_char(out, '}');
}
