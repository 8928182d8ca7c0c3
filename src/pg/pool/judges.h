/* SPDX-License-Identifier: PostgreSQL */
/* Calls of herald.judge(), in a pool that logs in as herald_judge and calls nothing else: policies and
 * functions run there with the roles that it was granted. */
#ifndef HERALD_PG_POOL_JUDGES_H
#define HERALD_PG_POOL_JUDGES_H

#include "core/metrics.h"
#include "core/store_judges.h"
#include "loop/loop.h"

struct pg_judges;
struct pool;

struct pg_judges_options {
    const char *url;  /* copied */
    const char *user; /* logs in as this one; NULL: as the URL says; a literal */
    uint32_t timeout_ms;
    struct metrics_block *counts; /* NULL: nothing is counted */
};

struct pg_judges *pg_judges_new(struct loop *loop, const struct pg_judges_options *options);
void pg_judges_free(struct pg_judges *judges);               /* NULL is fine */
struct pool *pg_judges_pool(const struct pg_judges *judges); /* to start, pause and stop */
/* For what is asked from now on. */
void pg_judges_set_timeout(struct pg_judges *judges, uint32_t timeout_ms);
struct store_judges pg_judges_seam(struct pg_judges *judges);

#endif
