/* SPDX-License-Identifier: PostgreSQL */
/* The network side: N worker threads, each with its own libwebsockets context and SO_REUSEPORT
 * listening socket on one port. Implements the transport seam; commands of sessions leave through
 * `submit`. */
#ifndef HERALD_NET_NET_H
#define HERALD_NET_NET_H

#include "base/err.h"
#include "core/transport.h"
#include "net/http/proxies.h"
#include "net/options.h"

struct net;

enum status net_new(const struct net_options *options, struct net **out,
                    struct err *err) MUST_CHECK; /* binds */
/* The hub has taken n commands of so many bytes from its mailbox: they no longer count as waiting.
 * Thread of the hub. */
void net_note_taken(struct net *net, size_t n, size_t bytes);
/* More waits between hub and workers than transit_bytes allow: as the workers stop reading then, so
 * should others who bring something. Any thread. */
bool net_is_behind(const struct net *net);
void net_start(struct net *net); /* starts the threads: from here clients are answered */
struct transport net_transport(struct net *net); /* for the hub's thread */
const char *net_url(const struct net *net);      /* "http://HOST:PORT" with the port really bound */
const char *net_tls_url(const struct net *net);  /* "https://HOST:PORT"; NULL: no TLS */
/* As proxy_finds_write. Thread of the hub. */
void net_write_proxy(const struct net *net, enum proxy_fault fault, uint64_t now_ms,
                     struct buf *out);
/* Reads certificate and key again, for connections from now on; open ones stay. On failure the old
 * ones stay in use. Thread of the hub. */
enum status net_reload_tls(struct net *net, struct err *err) MUST_CHECK;
/* Other options, for what is done from now on: those that say what is limited, who may connect, how long
 * something may take, and the names of files. The others must be as net_new had them. Sessions stay.
 * A failure changes nothing. Thread of the hub. */
enum status net_set_options(struct net *net, const struct net_options *options,
                            struct err *err) MUST_CHECK;
/* No new connections (HTTP 503), existing sessions are closed with 1012 spread over drain_ms;
 * returns when all threads have ended, at the latest 5 s after that. The thread that owns the hub
 * may be the caller. */
void net_stop(struct net *net, uint32_t drain_ms);
void net_free(struct net *net);

#endif
