/* SPDX-License-Identifier: PostgreSQL */
/* The connections of a listener that takes only proxies (the PROXY protocol), from accept until
 * their header is read. On the worker's thread. */
#ifndef HERALD_NET_LISTEN_PROXIED_H
#define HERALD_NET_LISTEN_PROXIED_H

#include <stdbool.h>
#include <stdint.h>

struct address;
struct arrival;
struct proxied;
struct worker;

/* Called with the connection when its header is read: the next byte is the client's. Takes the
 * fd. */
typedef void proxied_fn(void *arg, int fd, const struct arrival *arrival);

struct proxied *proxied_new(struct worker *worker, proxied_fn *on_arrival, void *arg);
/* Takes a connection, or closes it: its peer must be one of the trusted proxies. */
void proxied_add(struct proxied *proxied, int fd, const struct address *peer);
void proxied_sweep(struct proxied *proxied, uint64_t now_ms); /* closes what is too slow */
void proxied_free(struct proxied *proxied);                   /* closes all; NULL is fine */

#endif
