/* SPDX-License-Identifier: PostgreSQL */
/* Messages on their way to the log, oldest first. Those at the front may be in flight: part of a
 * batch whose answer is awaited. They leave only when that batch is known to be committed, so a
 * lost connection costs nothing. */
#ifndef HERALD_PG_MESSAGES_H
#define HERALD_PG_MESSAGES_H

#include "core/store_log.h"

struct ticket; /* what few messages have: who wants to know, and what it is sent once under */

struct message {
    struct event *event;
    struct session_id sender;
    struct ticket *ticket; /* owned; NULL: none */
    size_t cost;           /* bytes, about */
};

struct messages { /* zero-initialised: empty */
    struct message *items;
    size_t first, n, cap; /* items[first … first + n - 1] are there */
    size_t bytes;         /* of all that are there */
};

size_t messages_cost(const struct store_append *append); /* what it adds to `bytes` */
void messages_push(struct messages *messages,
                   const struct store_append *append); /* refs the event, copies the spans */
const struct message *messages_at(const struct messages *messages, size_t i);
/* Takes the oldest out; its reference becomes the caller's. */
struct message messages_pop(struct messages *messages);
/* Takes out the i-th. */
struct message messages_take(struct messages *messages, size_t i);
void message_release(struct message *message);

/* Of NULL all are absent. */
struct str ticket_ref(const struct ticket *ticket); /* absent: nobody wants to know */
struct str ticket_by(const struct ticket *ticket);  /* absent with the key */
struct str ticket_key(const struct ticket *ticket); /* absent: it may be sent again */
/* Of the oldest n: those whose name, key and channel an older one of them has go behind the rest, in
 * their order. Returns how many are left in front, and in *n_keyed how many of these have a key. */
size_t messages_defer_repeats(struct messages *messages, size_t n, size_t *n_keyed);

/* How many of the oldest make a batch: at most max_n, at most max_bytes, at least one if there is
 * one. */
size_t messages_fit(const struct messages *messages, size_t max_n, size_t max_bytes);
void messages_release(struct messages *messages);

#endif
