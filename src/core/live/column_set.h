/* SPDX-License-Identifier: PostgreSQL */
/* Columns of a shape, by index: a set that lies on the stack. Zero-initialise it. */
#ifndef HERALD_CORE_LIVE_COLUMN_SET_H
#define HERALD_CORE_LIVE_COLUMN_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* PostgreSQL, MaxHeapAttributeNumber, up to whole words. A column beyond it can be in no set. */
#define COLUMN_SET_MAX 1600

struct column_set {
    uint64_t words[COLUMN_SET_MAX / 64];
};

static inline void column_set_add(struct column_set *set, size_t column)
{
    if (column < COLUMN_SET_MAX) {
        set->words[column / 64] |= UINT64_C(1) << column % 64;
    }
}

static inline bool column_set_has(const struct column_set *set, size_t column)
{
    return column < COLUMN_SET_MAX && (set->words[column / 64] >> column % 64 & 1) != 0;
}

#endif
