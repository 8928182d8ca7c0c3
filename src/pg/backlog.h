/* SPDX-License-Identifier: PostgreSQL */
/* How fast a backlog in the outbox goes down, and how long it will take: what an operator wants to know
 * while the server catches up. Pure. */
#ifndef HERALD_PG_BACKLOG_H
#define HERALD_PG_BACKLOG_H

#include <stdbool.h>

#include "base/buf.h"

struct backlog { /* zeros: nothing was seen yet */
    uint64_t n_rows, at_ms;
    bool
        is_draining; /* there were more at the look before, and some are left: what follows holds */
    uint64_t rate;   /* rows a second, fewer */
    uint64_t left_s; /* at that rate */
};

void backlog_look(struct backlog *backlog, uint64_t n_rows, uint64_t now_ms); /* so many wait now */
/* Appends a sentence if it is draining; else nothing: a backlog that grows has an alarm, and one that
 * is over needs no words. */
void backlog_say(const struct backlog *backlog, struct buf *out);

#endif
