/* SPDX-License-Identifier: PostgreSQL */
/* Proxies through which all clients look like one, as their handshakes give them away: for whoever
 * looks for the reason why limits meet everybody at once. */
#ifndef HERALD_NET_HTTP_PROXIES_H
#define HERALD_NET_HTTP_PROXIES_H

#include "net/options.h"
#include "proto/http_head.h"

enum proxy_fault {
    PROXY_FAULT_SILENT,    /* one of trusted-proxies, which names no client */
    PROXY_FAULT_UNTRUSTED, /* none of them, and names one */
    PROXY_FAULT_N,
};

enum proxy_verdict {
    PROXY_VERDICT_SILENT = PROXY_FAULT_SILENT,
    PROXY_VERDICT_UNTRUSTED = PROXY_FAULT_UNTRUSTED,
    PROXY_VERDICT_NAMES, /* one of trusted-proxies, as it should be */
    PROXY_VERDICT_NOTHING,
};

struct proxy_look {
    const struct address *peer;
    const struct http_head *head;
    const struct net_limits *limits;
    uint16_t port;    /* at which it has come to us; 0: not known */
    bool is_proxied;  /* with a header of the PROXY protocol, */
    bool is_named;    /* which has named the client */
    bool has_client;  /* one of trusted-proxies has said who it is */
    bool was_refused; /* by the limits of the peer's address */
};

/* Without a header a proxy cannot be told from a program on its machine: so of an address that is not
 * named all by itself in trusted-proxies something must speak for it. */
enum proxy_verdict proxies_judge(const struct proxy_look *look);

/* What was found since the options are as they are. Any thread. */
struct proxy_finds;

struct proxy_finds *proxy_finds_new(void);
void proxy_finds_free(struct proxy_finds *finds);
void proxy_finds_note(struct proxy_finds *finds, const struct proxy_look *look, uint64_t now_ms);
/* Appends {"address", "asked": the header that is believed, "sent": another one that came} in JSON; or
 * nothing: it is not so, not any more, or has not been seen for an hour. */
void proxy_finds_write(struct proxy_finds *finds, enum proxy_fault fault, uint64_t now_ms,
                       struct buf *out);

#endif
