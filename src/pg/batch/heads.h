/* SPDX-License-Identifier: PostgreSQL */
/* The heads of channels: the newest offset that each has in the log. Only the sequencer gives
 * offsets, so what it gave it need not ask for again. What a transaction changed here holds when it
 * is committed; if it is not, or if somebody else may have given offsets, all are forgotten. */
#ifndef HERALD_PG_HEADS_H
#define HERALD_PG_HEADS_H

#include "base/hash.h"
#include "base/str.h"

#include <uthash.h>

struct head {
    UT_hash_handle hh;
    uint64_t offset;
    bool is_known; /* false: `offset` is not read yet */
    size_t len;
    char name[];
};

struct heads { /* zero-initialised: empty */
    struct head *by_name;
};

struct head *heads_at(struct heads *heads, struct str name); /* made if it is not there */
struct str head_name(const struct head *head);
/* Forgets all if there are many: memory is bounded between batches, not in one. */
void heads_bound(struct heads *heads);
void heads_clear(struct heads *heads);

#endif
