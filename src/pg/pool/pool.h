/* SPDX-License-Identifier: PostgreSQL */
/* A few connections of their own for one kind of work, so that it makes nothing else wait. Each has
 * one job at a time; the rest wait in line, first come, first served, and fail when they have waited
 * too long. It connects with the first job.
 *
 * Jobs may have ranks: the n-th connection takes those up to rank n, its own first. So those of rank 0
 * get all that is free, and none can take from a rank before it all that there is. */
#ifndef HERALD_PG_POOL_POOL_H
#define HERALD_PG_POOL_POOL_H

#include "pg/query.h"

enum { POOL_RANKS = 3 };

struct pool;
struct pool_lane;

struct pool_job { /* the first member of a job of some kind */
    struct pool_job *next;
    struct pool *pool;
    struct pool_lane *lane; /* that it is on; NULL: it waits */
    uint32_t rank;          /* below POOL_RANKS; set by who adds it */
    uint64_t asked_ms;
};

struct pool_options {
    const char *name; /* of the connections, for the log; a literal */
    const char *url;  /* copied */
    const char *user; /* logs in as this one; NULL: as the URL says; a literal */
    uint32_t n_lanes; /* more than the last rank that is used */
    uint32_t query_timeout_ms;
    uint32_t max_age_ms; /* so long a job may wait */
    bool is_quiet;       /* functions of others run here */
    void *arg;
    /* Asks its query on the job's connection. When that is answered: pool_leave or pool_again. */
    void (*send)(struct pool_job *job);
    void (*fail)(struct pool_job *job); /* it is not sent any more: answers and frees it */
    void (*on_away)(void *arg, const char *reason); /* jobs wait, and there is no connection */
};

struct pool *pool_new(struct loop *loop, const struct pool_options *options);
/* Of queries and waits from now on. */
void pool_set_timeouts(struct pool *pool, uint32_t query_timeout_ms, uint32_t max_age_ms);
void pool_start(struct pool *pool); /* the database is there */
void pool_pause(struct pool *pool); /* closes; what waits stays */
void pool_stop(struct pool *pool);  /* closes, and fails all, also what comes later */
void pool_free(struct pool *pool);  /* NULL is fine */
bool pool_is_stopped(const struct pool *pool);

void pool_add(struct pool *pool, struct pool_job *job); /* is not sent or failed from inside */
void pool_leave(struct pool_job *job);                  /* its lane is free for the next one */
void pool_again(struct pool_job *job); /* it leaves, and stands in line with the age that it has */
void pool_run(struct pool *pool);      /* after a leave: sends what has a lane */

struct connection *pool_connection(const struct pool_job *job);
/* Whose leftovers the session of the job's lane may hold: a text of the sender's, "" at first. True:
 * another one was there before. */
bool pool_lane_changes(struct pool_job *job, const char *owner);

#endif
