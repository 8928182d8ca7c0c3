/* SPDX-License-Identifier: PostgreSQL */
/* Pieces that came before what is in front of them, by their first number. */
#ifndef HERALD_PG_HOLD_H
#define HERALD_PG_HOLD_H

#include "base/str.h"

enum { HOLD_MAX = 1000, HOLD_BYTES = 16 * 1024 * 1024 };

struct held {
    uint64_t first, last;
    uint64_t nth; /* as whoever added it counts */
    size_t len;
    char *body;
};

struct hold { /* zero-initialised: empty */
    struct held items[HOLD_MAX];
    size_t n, bytes;
};

/* Copies the body. False: it is full, or there is one with that first number. */
bool hold_add(struct hold *hold, uint64_t first, uint64_t last, uint64_t nth, struct str body);
const struct held *hold_first(const struct hold *hold); /* NULL: empty */
void hold_drop_first(struct hold *hold);
void hold_clear(struct hold *hold);

#endif
