/* SPDX-License-Identifier: PostgreSQL */
/* What every measured message carries: who made it, its number there, and when. Fixed width, so
 * that it is read without parsing JSON, and plain ASCII, so that it survives any server's JSON as
 * it is: '@', producer (4 hex digits), number (8), nanoseconds (16), '@'. */
#ifndef HERALD_BENCH_STAMP_H
#define HERALD_BENCH_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STAMP_LEN 30

struct stamp {
    uint32_t producer; /* below 65536 */
    uint32_t number;   /* of this producer, from 0, dense */
    uint64_t at_ns;    /* CLOCK_MONOTONIC: when it was due or sent */
};

void stamp_write(const struct stamp *stamp, char to[STAMP_LEN]);
/* The first stamp in a text. *hint is where the one before stood: in a stream of like frames it is
 * found there at once. */
bool stamp_find(const uint8_t *text, size_t len, uint32_t *hint, struct stamp *out);

/* A stream's place: what one receiver has had of one producer. */
struct sequence {
    uint32_t next;
    uint32_t missing; /* skipped so far; one that comes late takes it back */
};

struct verdict { /* of all streams; all zero is the only good one */
    uint64_t lost, duplicated, reordered;
};

void sequence_check(struct sequence *sequence, uint32_t number, struct verdict *verdict);
/* The end: this many were sent. */
void sequence_end(const struct sequence *sequence, uint32_t n_sent, struct verdict *verdict);

#endif
