/* SPDX-License-Identifier: PostgreSQL */
/* The line and its lanes. What jobs ask and what answers mean is for those who use it. */
#include "pg/pool/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

enum { AGE_CHECK_MS = 500 };

struct pool_lane {
    struct pool *pool;
    struct connection *connection;
    bool is_busy;
    char *owner; /* of what the session may hold; NULL: nobody's */
};

struct pool {
    struct pool_options options;
    struct pool_lane *lanes;
    struct loop_timer *timer;
    struct pool_job *waiting, **waiting_end;
    bool is_started, is_stopped, is_ticking;
};

/* ---- who waits ---- */

static struct pool_job *pool_pop(struct pool *pool)
{
    struct pool_job *job = pool->waiting;
    pool->waiting = job->next;
    if (!pool->waiting) {
        pool->waiting_end = &pool->waiting;
    }
    return job;
}

static void pool_push(struct pool *pool, struct pool_job *job)
{
    job->next = NULL;
    *pool->waiting_end = job;
    pool->waiting_end = &job->next;
    if (!pool->is_ticking) {
        pool->is_ticking = true;
        loop_timer_start(pool->timer, pool->is_stopped ? 0 : AGE_CHECK_MS, AGE_CHECK_MS);
    }
}

static void on_timer(void *arg)
{
    struct pool *pool = arg;
    uint64_t now_ms = clock_ms();
    while (pool->waiting &&
           (pool->is_stopped || now_ms - pool->waiting->asked_ms >= pool->options.max_age_ms)) {
        pool->options.fail(pool_pop(pool));
    }
    if (!pool->waiting) {
        pool->is_ticking = false;
        loop_timer_stop(pool->timer);
    }
}

/* ---- lanes ---- */

static void pool_connect(struct pool *pool)
{
    for (size_t i = 0; i < pool->options.n_lanes && pool->is_started; i++) {
        connection_start(pool->lanes[i].connection);
    }
}

void pool_run(struct pool *pool)
{
    for (size_t i = 0; i < pool->options.n_lanes && pool->waiting; i++) {
        struct pool_lane *lane = &pool->lanes[i];
        if (!lane->is_busy && connection_is_open(lane->connection)) {
            struct pool_job *job = pool_pop(pool);
            lane->is_busy = true;
            job->lane = lane;
            pool->options.send(job);
        }
    }
}

void pool_add(struct pool *pool, struct pool_job *job)
{
    job->pool = pool;
    job->lane = NULL;
    job->asked_ms = clock_ms();
    pool_push(pool, job);
    if (!pool->is_stopped) {
        pool_connect(pool);
        pool_run(pool);
    }
}

void pool_leave(struct pool_job *job)
{
    if (job->lane) {
        job->lane->is_busy = false;
        job->lane = NULL;
    }
}

void pool_again(struct pool_job *job)
{
    pool_leave(job);
    pool_push(job->pool, job);
}

struct connection *pool_connection(const struct pool_job *job)
{
    assert(job->lane);
    return job->lane->connection;
}

static void lane_take_owner(struct pool_lane *lane, const char *owner)
{
    free(lane->owner);
    lane->owner = owner ? mem_strdup(owner) : NULL;
}

bool pool_lane_changes(struct pool_job *job, const char *owner)
{
    struct pool_lane *lane = job->lane;
    bool is_other = lane->owner && strcmp(lane->owner, owner) != 0;
    if (is_other || !lane->owner) {
        lane_take_owner(lane, owner);
    }
    return is_other;
}

static void on_open(void *arg)
{
    struct pool_lane *lane = arg;
    lane_take_owner(lane, NULL);
    connection_settle(lane->connection);
    pool_run(lane->pool);
}

static void on_lost(void *arg, const char *reason)
{
    const struct pool_lane *lane = arg;
    if (lane->pool->waiting) {
        lane->pool->options.on_away(lane->pool->options.arg, reason);
    }
}

/* ---- life ---- */

static void lane_init(struct pool_lane *lane, struct pool *pool, struct loop *loop)
{
    struct connection_options options = {
        .name = pool->options.name,
        .url = pool->options.url,
        .user = pool->options.user,
        .query_timeout_ms = pool->options.query_timeout_ms,
        .is_pipelined = true,
        .is_quiet = pool->options.is_quiet,
        .arg = lane,
        .on_open = on_open,
        .on_lost = on_lost,
    };
    *lane = (struct pool_lane){.pool = pool, .connection = connection_new(loop, &options)};
}

struct pool *pool_new(struct loop *loop, const struct pool_options *options)
{
    struct pool *pool = mem_zalloc(sizeof(*pool));
    pool->options = *options;
    pool->waiting_end = &pool->waiting;
    pool->timer = loop_timer_new(loop, on_timer, pool);
    pool->lanes = mem_array(NULL, options->n_lanes, sizeof(*pool->lanes));
    for (size_t i = 0; i < options->n_lanes; i++) {
        lane_init(&pool->lanes[i], pool, loop);
    }
    pool->options.url = NULL; /* the connections have it */
    return pool;
}

void pool_start(struct pool *pool)
{
    pool->is_started = !pool->is_stopped;
    if (pool->waiting) {
        pool_connect(pool);
    }
}

void pool_pause(struct pool *pool)
{
    pool->is_started = false;
    for (size_t i = 0; i < pool->options.n_lanes; i++) {
        connection_stop(pool->lanes[i].connection);
    }
}

void pool_stop(struct pool *pool)
{
    pool->is_stopped = true;
    pool_pause(pool);
    while (pool->waiting) {
        pool->options.fail(pool_pop(pool));
    }
}

bool pool_is_stopped(const struct pool *pool)
{
    return pool->is_stopped;
}

void pool_free(struct pool *pool)
{
    if (!pool) {
        return;
    }
    pool_stop(pool);
    for (size_t i = 0; i < pool->options.n_lanes; i++) {
        connection_free(pool->lanes[i].connection);
        free(pool->lanes[i].owner);
    }
    loop_timer_free(pool->timer);
    free(pool->lanes);
    free(pool);
}
