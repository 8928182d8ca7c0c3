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

struct pool_queue {
    struct pool_job *first, **end; /* end: valid if there is a first */
};

struct pool {
    struct pool_options options;
    struct pool_lane *lanes;
    struct loop_timer *timer;
    struct pool_queue queues[POOL_RANKS];
    bool is_started, is_stopped, is_ticking;
};

/* ---- who waits ---- */

static struct pool_job *queue_pop(struct pool_queue *queue)
{
    struct pool_job *job = queue->first;
    queue->first = job->next;
    return job;
}

static void queue_push(struct pool_queue *queue, struct pool_job *job)
{
    job->next = NULL;
    *(queue->first ? queue->end : &queue->first) = job;
    queue->end = &job->next;
}

static bool pool_has_waiting(const struct pool *pool)
{
    bool has = false;
    for (size_t rank = 0; rank < POOL_RANKS; rank++) {
        has |= pool->queues[rank].first != NULL;
    }
    return has;
}

static void pool_push(struct pool *pool, struct pool_job *job)
{
    assert(job->rank < POOL_RANKS && job->rank < pool->options.n_lanes);
    queue_push(&pool->queues[job->rank], job);
    if (!pool->is_ticking) {
        pool->is_ticking = true;
        loop_timer_start(pool->timer, pool->is_stopped ? 0 : AGE_CHECK_MS, AGE_CHECK_MS);
    }
}

static void queue_fail_old(struct pool *pool, struct pool_queue *queue, uint64_t now_ms)
{
    while (queue->first &&
           (pool->is_stopped || now_ms - queue->first->asked_ms >= pool->options.max_age_ms)) {
        pool->options.fail(queue_pop(queue));
    }
}

static void on_timer(void *arg)
{
    struct pool *pool = arg;
    for (size_t rank = 0; rank < POOL_RANKS; rank++) {
        queue_fail_old(pool, &pool->queues[rank], clock_ms());
    }
    if (!pool_has_waiting(pool)) {
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

/* The first one that the n-th lane may take; NULL: there is none. */
static struct pool_job *pool_pop(struct pool *pool, size_t n)
{
    size_t own = n < POOL_RANKS ? n : 0;
    struct pool_queue *queue = &pool->queues[own];
    for (size_t rank = 0; rank < own && !queue->first; rank++) {
        queue = &pool->queues[rank];
    }
    return queue->first ? queue_pop(queue) : NULL;
}

void pool_run(struct pool *pool)
{
    for (size_t i = 0; i < pool->options.n_lanes; i++) {
        struct pool_lane *lane = &pool->lanes[i];
        struct pool_job *job =
            !lane->is_busy && connection_is_open(lane->connection) ? pool_pop(pool, i) : NULL;
        if (job) {
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
    if (pool_has_waiting(lane->pool)) {
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
    pool->timer = loop_timer_new(loop, on_timer, pool);
    pool->lanes = mem_array(NULL, options->n_lanes, sizeof(*pool->lanes));
    for (size_t i = 0; i < options->n_lanes; i++) {
        lane_init(&pool->lanes[i], pool, loop);
    }
    pool->options.url = NULL; /* the connections have it */
    return pool;
}

void pool_set_timeouts(struct pool *pool, uint32_t query_timeout_ms, uint32_t max_age_ms)
{
    pool->options.query_timeout_ms = query_timeout_ms;
    pool->options.max_age_ms = max_age_ms;
    for (size_t i = 0; i < pool->options.n_lanes; i++) {
        connection_set_timeout(pool->lanes[i].connection, query_timeout_ms);
    }
}

void pool_start(struct pool *pool)
{
    pool->is_started = !pool->is_stopped;
    if (pool_has_waiting(pool)) {
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
    for (size_t rank = 0; rank < POOL_RANKS; rank++) {
        queue_fail_old(pool, &pool->queues[rank], 0);
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
