/* SPDX-License-Identifier: PostgreSQL */
/* The bare limit: WebSocket clients on numbered channels, and a burst of bytes for all of a
 * channel. One thread, one epoll loop, no checks, nothing kept, nothing that a real server needs
 * and that costs. */
#ifndef HERALD_BENCH_BROADCAST_H
#define HERALD_BENCH_BROADCAST_H

#include <stddef.h>
#include <stdint.h>

struct broadcast;

struct broadcast *broadcast_new(uint16_t port); /* exits with a message if that fails */
/* One text message for all of a channel, as a frame into its burst: sent at the end of the turn. */
void broadcast_text(struct broadcast *broadcast, uint32_t channel, const void *text, size_t len);
/* Calls back when the descriptor is readable. */
void broadcast_watch(struct broadcast *broadcast, int fd, void (*on_readable)(void *arg),
                     void *arg);
void broadcast_run(struct broadcast *broadcast); /* for ever */

#endif
