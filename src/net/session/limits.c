/* SPDX-License-Identifier: PostgreSQL */
/* Limits of what sessions may make the server do, and of what they may make it keep. They are
 * judged here and enforced where the session is: what judges knows no socket.
 *
 * A session that sends too much is told so for each frame, and closed when it does not listen: a
 * client that obeys gets through, one that floods costs a look at a bucket until then.
 *
 * Memory has four places to pile up between a client and the other clients, and each has a bound
 * that does not depend on how many sessions there are:
 *
 *   messages that are not whole yet     partial-bytes: each worker has its share
 *   the hub's mailbox and the workers'  transit-bytes: above, the workers stop reading
 *   what the hub holds back             held-bytes, append-max-bytes, the calls' own limits
 *   frames that are not sent yet        outqueue-total-bytes: above, slow readers go at once
 */
#include "net/session/limits.h"

#include "core/frame.h"

enum {
    SHORT_BYTES = 65536
}; /* what a queue may hold while frames take too much: a write's worth */

/* A message a second may be refused for ever, and so many at once. */
static const struct bucket_rate refusal_rate = {.n = 1, .period_ms = 1000, .burst = 20};

unsigned limits_of_message(const struct net_limits *limits, struct session_budget *budget,
                           const struct command *command, size_t message_bytes, uint64_t now_ms)
{
    /* What costs the database a query, or a signature's check here. */
    bool is_dear = command->type == COMMAND_JOIN || command->type == COMMAND_HISTORY ||
                   command->type == COMMAND_TOKEN;
    if (!bucket_take(&budget->messages, &limits->messages, 1, now_ms)) {
        return METRIC_LIMIT_SESSION_MESSAGES;
    }
    if (!bucket_take(&budget->bytes, &limits->bytes, (uint32_t)message_bytes, now_ms)) {
        return METRIC_LIMIT_SESSION_BYTES;
    }
    if (is_dear && !bucket_take(&budget->joins, &limits->joins, 1, now_ms)) {
        return METRIC_LIMIT_SESSION_JOINS;
    }
    return LIMITS_NONE;
}

uint32_t limits_wait_ms(const struct net_limits *limits, const struct session_budget *budget,
                        unsigned limit, size_t message_bytes, uint64_t now_ms)
{
    uint64_t wait_ms = 0;
    if (limit == METRIC_LIMIT_SESSION_MESSAGES) {
        wait_ms = bucket_wait_ms(&budget->messages, &limits->messages, 1, now_ms);
    } else if (limit == METRIC_LIMIT_SESSION_BYTES) {
        wait_ms = bucket_wait_ms(&budget->bytes, &limits->bytes, (uint32_t)message_bytes, now_ms);
    } else if (limit == METRIC_LIMIT_SESSION_JOINS) {
        wait_ms = bucket_wait_ms(&budget->joins, &limits->joins, 1, now_ms);
    }
    return wait_ms < UINT32_MAX ? (uint32_t)wait_ms : UINT32_MAX;
}

bool limits_forgive(struct session_budget *budget, uint64_t now_ms)
{
    return bucket_take(&budget->refusals, &refusal_rate, 1, now_ms);
}

uint64_t limits_outqueue(const struct net_options *options)
{
    bool is_short = options->limits.outqueue_total_bytes > 0 &&
                    frame_bytes_alive() > options->limits.outqueue_total_bytes;
    return is_short && options->outqueue_bytes > SHORT_BYTES ? SHORT_BYTES
                                                             : options->outqueue_bytes;
}

unsigned limits_of_queues(const struct net_options *options, uint64_t outqueue_bytes)
{
    bool is_short = outqueue_bytes < options->outqueue_bytes;
    return is_short ? METRIC_LIMIT_OUTQUEUE_TOTAL : METRIC_LIMIT_OUTQUEUE;
}

unsigned limits_of_unsent(const struct net_options *options, struct session_budget *budget,
                          uint64_t outqueue_bytes, uint64_t unsent_bytes, uint64_t now_ms)
{
    const struct net_limits *limits = &options->limits;
    if (limits_of_queues(options, outqueue_bytes) == METRIC_LIMIT_OUTQUEUE_TOTAL &&
        unsent_bytes > SHORT_BYTES) {
        return METRIC_LIMIT_OUTQUEUE_TOTAL;
    }
    if (limits->outqueue_soft_bytes == 0 || unsent_bytes <= limits->outqueue_soft_bytes) {
        budget->soft_since_ms = 0;
    } else if (budget->soft_since_ms == 0) {
        budget->soft_since_ms = now_ms;
    } else if (now_ms - budget->soft_since_ms >= limits->outqueue_soft_ms) {
        return METRIC_LIMIT_OUTQUEUE_SOFT;
    }
    return LIMITS_NONE;
}
