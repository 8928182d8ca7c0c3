/* SPDX-License-Identifier: PostgreSQL */
/* Connections without TLS. */
#ifndef HERALD_NET_STREAM_PLAIN_H
#define HERALD_NET_STREAM_PLAIN_H

struct arrival;
struct worker;

/* Makes an accepted connection, a non-blocking one, a socket of the worker's. Owns the descriptor. */
void plain_adopt(struct worker *worker, int fd, const struct arrival *arrival);

#endif
