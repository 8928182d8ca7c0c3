/* SPDX-License-Identifier: PostgreSQL */
/* Latencies, counted in buckets that are about 1.6 % wide: any quantile of millions of values from
 * 30 KB, at the cost of an increment. */
#ifndef HERALD_BENCH_HISTOGRAM_H
#define HERALD_BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 64 * 59 };

struct histogram { /* zero-initialise it */
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t n;
    uint64_t max;
};

void histogram_add(struct histogram *histogram, uint64_t value);
/* The value that this share (0 … 1) of all values does not exceed; 0 without values. */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

#endif
