/* SPDX-License-Identifier: PostgreSQL */
/* The housekeeping of outbox, log and trigger functions, and the alarm about an outbox that grows.
 * Runs on a connection that somebody else keeps; while that is away nothing is done, and nothing is
 * lost by it. */
#ifndef HERALD_PG_MAINTENANCE_H
#define HERALD_PG_MAINTENANCE_H

#include "core/metrics.h"
#include "pg/backlog.h"
#include "pg/house/tally.h"

struct maintenance;

struct maintenance *maintenance_new(struct loop *loop, struct connection *connection,
                                    struct metrics_block *counts);
/* What the database warns of is logged, and told when it changes. Before the start. */
void maintenance_on_warnings(struct maintenance *maintenance,
                             void (*fn)(void *arg, const char *lines), void *arg);
void maintenance_set_retention(struct maintenance *maintenance,
                               uint32_t hours); /* 0: for ever, as long as it is not called */
void maintenance_start(
    struct maintenance *maintenance); /* the connection is open: looks at once, then by timers */
void maintenance_stop(struct maintenance *maintenance);
void maintenance_note_batch(
    struct maintenance *maintenance); /* outbox rows were sequenced: there is something to sweep */
/* NULL: not so much waits, or for so long, that one would ask. Borrowed until the next turn. */
const struct backlog *maintenance_backlog(const struct maintenance *maintenance);
/* It is counted, and perhaps its table was altered. */
void maintenance_note_blemish(struct maintenance *maintenance, const struct blemish *blemish);
void maintenance_note_stale(struct maintenance *maintenance); /* some table was altered */
void maintenance_free(
    struct maintenance *maintenance); /* the connection must be stopped. NULL is fine */

#endif
