/* SPDX-License-Identifier: PostgreSQL */
/* Connections with TLS, which are libwebsockets'. */
#ifndef HERALD_NET_STREAM_SECURE_H
#define HERALD_NET_STREAM_SECURE_H

#include "base/err.h"

struct arrival;
struct worker;

/* The worker's libwebsockets context, in its loop. Not thread-safe: one after the other. */
enum status secure_start(struct worker *worker, struct err *err) MUST_CHECK;
/* Twice, before and after the loop has run to its end: the second time frees the memory (that is
 * how 4.1 does it with a foreign loop). Nothing, if it was not started. */
void secure_stop(struct worker *worker);
/* Makes an accepted connection a socket of the worker's. Owns the descriptor, in any case. */
void secure_adopt(struct worker *worker, int fd, const struct arrival *arrival);

#endif
