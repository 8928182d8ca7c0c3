/* SPDX-License-Identifier: PostgreSQL */
/* The body of what one node sends another: numbers in network order and spans with their length in
 * front, one behind the other, nothing between. It is read in the order in which it was written. */
#ifndef HERALD_CORE_NODES_PARCEL_H
#define HERALD_CORE_NODES_PARCEL_H

#include "base/buf.h"

void parcel_put_u8(struct buf *out, uint8_t number);
void parcel_put_u32(struct buf *out, uint32_t number);
void parcel_put_u64(struct buf *out, uint64_t number);
void parcel_put_str(struct buf *out, struct str text); /* absent is not empty; under 4 GiB */

/* What is read behind the end is 0 or absent, and is_bad from then on: who reads looks at it once,
 * at the end. Spans point into the parcel. */
struct parcel {
    struct str rest;
    bool is_bad;
};

struct parcel parcel_of(struct str body);
uint8_t parcel_u8(struct parcel *parcel);
uint32_t parcel_u32(struct parcel *parcel);
uint64_t parcel_u64(struct parcel *parcel);
struct str parcel_str(struct parcel *parcel);
bool parcel_is_done(const struct parcel *parcel); /* all is read, and nothing was bad */

#endif
