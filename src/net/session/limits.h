/* SPDX-License-Identifier: PostgreSQL */
/* What a session may send, and how long it may leave what it is sent unread. Judges only: what
 * follows is the session's to do. A limit is one of METRIC_LIMIT; LIMITS_NONE: none is passed. */
#ifndef HERALD_NET_SESSION_LIMITS_H
#define HERALD_NET_SESSION_LIMITS_H

#include "base/bucket.h"
#include "core/command.h"
#include "core/metrics.h"
#include "net/options.h"

#define LIMITS_NONE METRIC_N_LIMITS

struct session_budget {
    struct bucket messages, joins, bytes;
    struct bucket refusals; /* who is told too often is closed */
    uint64_t soft_since_ms; /* since when its queue is over the soft limit; 0: it is not */
};

unsigned limits_of_message(const struct net_limits *limits, struct session_budget *budget,
                           const struct command *command, size_t message_bytes, uint64_t now_ms);
/* In how many milliseconds the message that passed this limit would not have; 0: it is not known. */
uint32_t limits_wait_ms(const struct net_limits *limits, const struct session_budget *budget,
                        unsigned limit, size_t message_bytes, uint64_t now_ms);
/* False: it was refused too often. */
bool limits_forgive(struct session_budget *budget, uint64_t now_ms);
/* Bytes that a queue may hold now, and which limit that is. */
uint64_t limits_outqueue(const struct net_options *options);
unsigned limits_of_queues(const struct net_options *options, uint64_t outqueue_bytes);
/* Once a second: of a session with so much unsent. */
unsigned limits_of_unsent(const struct net_options *options, struct session_budget *budget,
                          uint64_t outqueue_bytes, uint64_t unsent_bytes, uint64_t now_ms);

#endif
