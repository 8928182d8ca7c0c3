/* SPDX-License-Identifier: PostgreSQL */
/* The rows that there are: reads of herald.read_snapshot(), in a pool of their own, so that a large
 * table makes neither batches nor other reads wait. */
#ifndef HERALD_PG_POOL_SNAPSHOTS_H
#define HERALD_PG_POOL_SNAPSHOTS_H

#include "core/metrics.h"
#include "core/store_snapshot.h"
#include "loop/loop.h"

struct pg_snapshots;
struct pool;
struct shapes; /* shapes.h */

struct pg_snapshots_options {
    const char *url; /* copied */
    uint32_t query_timeout_ms;
    struct metrics_block *counts; /* NULL: nothing is counted */
    struct shapes *shapes;        /* outlives this */
    void (*on_stale)(void *arg);  /* a table was altered, and its watch has not followed */
    void *arg;
};

struct pg_snapshots *pg_snapshots_new(struct loop *loop,
                                      const struct pg_snapshots_options *options);
void pg_snapshots_free(struct pg_snapshots *snapshots);               /* NULL is fine */
struct pool *pg_snapshots_pool(const struct pg_snapshots *snapshots); /* to start, pause and stop */
/* For reads from now on. */
void pg_snapshots_set_timeout(struct pg_snapshots *snapshots, uint32_t query_timeout_ms);
struct store_snapshots pg_snapshots_seam(struct pg_snapshots *snapshots);

#endif
