/* SPDX-License-Identifier: PostgreSQL */
/* How fast a backlog in the outbox goes down, and how long it will take: what an operator wants to know
 * while the server catches up. Pure. */
#ifndef HERALD_PG_BACKLOG_H
#define HERALD_PG_BACKLOG_H

#include "base/buf.h"

struct backlog { /* zeros: nothing was seen yet */
    uint64_t n_rows, at_ms;
};

/* So many rows wait now. Appends a sentence if there were more at the last look; else nothing: a backlog
 * that grows has an alarm, and one that is over needs no words. */
void backlog_look(struct backlog *backlog, uint64_t n_rows, uint64_t now_ms, struct buf *out);

#endif
