/* SPDX-License-Identifier: PostgreSQL */
/* The classic log-linear histogram: below 64 every value has its bucket; above, each power of two
 * is cut into 64 equal parts. A quantile is the upper end of its bucket, so it never flatters. */
#include "histogram.h"

static uint32_t bucket_of(uint64_t value)
{
    if (value < 64) {
        return (uint32_t)value;
    }
    uint32_t shift = 57U - (uint32_t)__builtin_clzll(value);
    return 64 * shift + (uint32_t)(value >> shift);
}

static uint64_t upper_end(uint32_t bucket)
{
    if (bucket < 128) {
        return bucket;
    }
    uint32_t shift = bucket / 64 - 1;
    return ((uint64_t)(bucket - 64 * shift + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    histogram->counts[bucket_of(value)]++;
    histogram->n++;
    if (value > histogram->max) {
        histogram->max = value;
    }
}

uint64_t histogram_quantile(const struct histogram *histogram, double share)
{
    uint64_t rank = (uint64_t)((double)histogram->n * share);
    uint64_t seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen > rank) {
            uint64_t end = upper_end(i);
            return end < histogram->max ? end : histogram->max;
        }
    }
    return histogram->max;
}
