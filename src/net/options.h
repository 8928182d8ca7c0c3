/* SPDX-License-Identifier: PostgreSQL */
/* What the network side is told when it is made. */
#ifndef HERALD_NET_OPTIONS_H
#define HERALD_NET_OPTIONS_H

#include "base/address.h"
#include "base/bucket.h"
#include "base/buf.h"
#include "core/authenticator.h"
#include "core/metrics.h"
#include "core/protocol.h"
#include "proto/forwarded.h"

struct standing;

struct net_page { /* a static answer: exact path, e.g. "/pgherald.js" */
    const char *path;
    const char *content_type;
    const char *body; /* NULL: {"canonical":"…"}, the gate's first one; or see `make` */
    size_t len;
    /* Writes the body anew for each request, JSON that nobody may keep. Any worker's thread. False:
     * the query is not what it takes (400). NULL: none. */
    bool (*make)(void *ctx, struct str query, struct buf *json);
    void *ctx;
};

struct net_limits { /* 0 and NULL: no limit; as the options of the same names say */
    const char *origins;
    const struct address_range *proxies;
    size_t n_proxies;
    struct bucket_rate messages, joins, bytes; /* per session */
    enum forwarded_header proxy_header;
    uint32_t address_sessions, proxy_sessions;
    struct bucket_rate address_handshakes, proxy_handshakes;
    struct bucket_rate accepts; /* per worker */
    uint32_t outqueue_soft_bytes, outqueue_soft_ms;
    uint32_t outqueue_total_bytes, transit_bytes, partial_bytes;
};

struct net_options {
    const char *listen;     /* ADDR:PORT, [V6]:PORT; port 0 picks one for all workers */
    const char *tls_listen; /* the same with TLS; NULL: none */
    /* That listener takes only limits.proxies, by the PROXY protocol. */
    bool proxy_protocol, tls_proxy_protocol;
    /* PEM; read by net_new and net_reload_tls. The names are copied */
    const char *tls_cert_file, *tls_key_file;
    const struct authenticator *authenticator; /* must outlive the net */
    uint32_t token_max_bytes;                  /* a longer token is refused unread */
    bool takes_token_in_query;
    bool rejects_invalid_tokens; /* HTTP 401 instead of an anonymous session */
    uint32_t n_workers;
    uint32_t max_sessions;    /* over all workers; above: HTTP 503 */
    uint32_t max_frame_bytes; /* a client's message; above: close 1009 */
    uint32_t outqueue_bytes;  /* hard limit of a session's unsent bytes; above: close 1013 */
    uint32_t handshake_timeout_ms;
    uint32_t ping_interval_ms;
    uint32_t ping_misses; /* unanswered pings before the session is dropped */
    const struct protocol *protocol;
    const struct standing *standing; /* core/nodes/standing.h; NULL: /ready says nothing of it */
    const char *node;                /* the server's name for whoever asks it; NULL: "" */
    struct metrics *metrics;         /* block 1 + i is worker i's; NULL: nothing is counted */
    const char *metrics_token_file;  /* read when given; NULL: nobody may see /metrics */
    struct net_limits limits;        /* what it points to is copied */
    const struct net_page *pages;    /* sorted by path; must outlive the net */
    size_t n_pages;
    /* Any thread; takes the command. The hub looks when it is woken, at the latest. */
    void (*submit)(void *ctx, struct command *command);
    void (*wake_hub)(void *ctx);
    void *submit_ctx;
};

#endif
