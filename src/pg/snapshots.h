/* SPDX-License-Identifier: PostgreSQL */
/* The rows that there are: reads of herald.read_snapshot(), on a few connections of their own, so that
 * a large table makes neither batches nor other reads wait. Each connection has one read at a time;
 * the rest wait in line, and fail when they have waited too long. */
#ifndef HERALD_PG_SNAPSHOTS_H
#define HERALD_PG_SNAPSHOTS_H

#include "core/metrics.h"
#include "core/store_snapshot.h"
#include "loop/loop.h"

struct pg_snapshots;
struct shapes; /* shapes.h */

struct pg_snapshots_options {
    const char *url; /* copied */
    uint32_t query_timeout_ms;
    struct metrics_block *counts; /* NULL: nothing is counted */
    struct shapes *shapes;        /* outlives this */
};

struct pg_snapshots *pg_snapshots_new(struct loop *loop,
                                      const struct pg_snapshots_options *options);
void pg_snapshots_start(struct pg_snapshots *snapshots); /* connects, with the first read */
void pg_snapshots_pause(struct pg_snapshots *snapshots); /* closes; what was asked stays */
void pg_snapshots_stop(struct pg_snapshots *snapshots);  /* closes, and answers all as failed */
void pg_snapshots_free(struct pg_snapshots *snapshots);  /* NULL is fine */
struct store_snapshots pg_snapshots_seam(struct pg_snapshots *snapshots);

#endif
