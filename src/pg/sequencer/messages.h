/* SPDX-License-Identifier: PostgreSQL */
/* Messages on their way to the log, oldest first. Those at the front may be in flight: part of a
 * batch whose answer is awaited. They leave only when that batch is known to be committed, so a
 * lost connection costs nothing. */
#ifndef HERALD_PG_MESSAGES_H
#define HERALD_PG_MESSAGES_H

#include "core/event.h"
#include "core/session_id.h"

struct message {
    struct event *event;
    struct session_id sender;
};

struct messages { /* zero-initialised: empty */
    struct message *items;
    size_t first, n, cap; /* items[first … first + n - 1] are there */
    size_t bytes;         /* of all that are there */
};

size_t messages_cost(const struct event *event); /* what it adds to `bytes` */
void messages_push(struct messages *messages, struct event *event,
                   struct session_id sender); /* refs the event */
const struct message *messages_at(const struct messages *messages, size_t i);
/* Takes the oldest out; its reference becomes the caller's. */
struct message messages_pop(struct messages *messages);
/* How many of the oldest make a batch: at most max_n, at most max_bytes, at least one if there is
 * one. */
size_t messages_fit(const struct messages *messages, size_t max_n, size_t max_bytes);
void messages_release(struct messages *messages);

#endif
