/* SPDX-License-Identifier: PostgreSQL */
/* What all connections have in common, however their bytes travel. */
#ifndef HERALD_NET_STREAM_LIFE_H
#define HERALD_NET_STREAM_LIFE_H

#include <stddef.h>
#include <stdint.h>

struct arrival;
struct socket;
struct stream;
struct worker;

/* An accepted connection becomes one of the worker's sockets. */
struct socket *life_begin(struct worker *worker, const struct stream *stream, int fd,
                          const struct arrival *arrival);
void life_read(struct socket *socket, uint8_t *data, size_t len); /* may change the data */
void life_end(struct socket *socket); /* frees the socket; the descriptor is its stream's */

#endif
