/* SPDX-License-Identifier: PostgreSQL */
/* What a session may send, and how long it may leave what it is sent unread. */
#ifndef HERALD_NET_LIMITS_H
#define HERALD_NET_LIMITS_H

#include "base/bucket.h"
#include "core/command.h"

struct socket;
struct net_shared;
struct worker;

struct session_budget {
    struct bucket messages, joins, bytes;
    struct bucket refusals; /* who is told too often is closed */
    uint64_t soft_since_ms; /* since when its queue is over the soft limit; 0: it is not */
};

/* False: too much; the session has been told, or is closed. */
bool limits_admit(struct socket *socket, const struct command *command, size_t message_bytes);
/* After a read: the session's unfinished message now has so many bytes more, or less. */
void limits_note_partial(struct socket *socket, uint32_t before);
/* Once a second. */
void limits_sweep(struct socket *socket, uint64_t unsent_bytes, uint64_t now_ms);
unsigned limits_of_queues(const struct worker *worker); /* which limit that is: METRIC_LIMIT */
uint64_t limits_outqueue(const struct worker *worker);  /* bytes that a queue may hold now */

/* Too much is on its way between the threads: the socket is not read until that is less. */
bool limits_is_behind(const struct net_shared *shared);
void limits_pause(struct socket *socket);
void limits_free(struct worker *worker);

#endif
