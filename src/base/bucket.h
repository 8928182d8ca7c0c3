/* SPDX-License-Identifier: PostgreSQL */
/* A token bucket: so many a second on average, so many at once. Zero-initialised it is full. */
#ifndef HERALD_BASE_BUCKET_H
#define HERALD_BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket_rate {
    uint32_t n;         /* refilled in each period; 0: there is no limit */
    uint32_t period_ms; /* not 0 */
    uint32_t burst;     /* what it holds; 0 counts as 1 */
};

struct bucket {
    uint64_t used;  /* taken and not refilled yet, in units of 1 / period_ms */
    uint64_t at_ms; /* when it was so */
};

/* False: it does not hold n now, and nothing was taken. More than the burst is taken from a full
 * one, which then owes the rest. */
bool bucket_take(struct bucket *bucket, const struct bucket_rate *rate, uint32_t n,
                 uint64_t now_ms);
/* From now until it gives n, if nobody takes anything; 0: it would now. */
uint64_t bucket_wait_ms(const struct bucket *bucket, const struct bucket_rate *rate, uint32_t n,
                        uint64_t now_ms);
bool bucket_is_full(const struct bucket *bucket, const struct bucket_rate *rate, uint64_t now_ms);

#endif
