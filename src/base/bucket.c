/* SPDX-License-Identifier: PostgreSQL */
/* It keeps what was used and not what is left, so a bucket of zeros is a full one and needs no set
 * up. Whole numbers throughout: with n refilled per period, n units are refilled per millisecond
 * when one token is period_ms units, and no rate loses to rounding. */
#include "base/bucket.h"

static uint64_t used_now(const struct bucket *bucket, const struct bucket_rate *rate,
                         uint64_t now_ms)
{
    uint64_t elapsed = now_ms > bucket->at_ms ? now_ms - bucket->at_ms : 0;
    /* So long that the product might overflow is long enough for any bucket. */
    if (elapsed > UINT32_MAX || elapsed * rate->n >= bucket->used) {
        return 0;
    }
    return bucket->used - elapsed * rate->n;
}

bool bucket_take(struct bucket *bucket, const struct bucket_rate *rate, uint32_t n, uint64_t now_ms)
{
    if (rate->n == 0) {
        return true;
    }
    uint64_t used = used_now(bucket, rate, now_ms);
    uint64_t wanted = (uint64_t)n * rate->period_ms;
    uint64_t room = (uint64_t)rate->burst * rate->period_ms;
    if (used > 0 && used + wanted > room) {
        return false;
    }
    bucket->used = used + wanted;
    bucket->at_ms = now_ms;
    return true;
}

uint64_t bucket_wait_ms(const struct bucket *bucket, const struct bucket_rate *rate, uint32_t n,
                        uint64_t now_ms)
{
    if (rate->n == 0) {
        return 0;
    }
    uint64_t used = used_now(bucket, rate, now_ms);
    uint64_t wanted = (uint64_t)n * rate->period_ms;
    uint64_t room = (uint64_t)rate->burst * rate->period_ms;
    uint64_t most = wanted < room ? room - wanted : 0; /* that may be used then */
    return used > most ? (used - most + rate->n - 1) / rate->n : 0;
}

bool bucket_is_full(const struct bucket *bucket, const struct bucket_rate *rate, uint64_t now_ms)
{
    return rate->n == 0 || used_now(bucket, rate, now_ms) == 0;
}
