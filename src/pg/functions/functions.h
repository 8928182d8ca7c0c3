/* SPDX-License-Identifier: PostgreSQL */
/* The owner's functions (rules' authorize and on_…, the token function) are called here, on a few
 * connections of their own, which log in as herald_hook: a role that may do nothing else, and
 * nothing without our signature (sql/0010_access.sql). A call has its verdict in time, whatever
 * they do: a slow one is stopped, and none can keep the connections from the others.
 *
 * All that is asked is answered exactly once, never from inside the call that asks, at the latest
 * about two timeouts later; what nobody waits for the answer of may take longer. */
#ifndef HERALD_PG_FUNCTIONS_FUNCTIONS_H
#define HERALD_PG_FUNCTIONS_FUNCTIONS_H

#include "core/metrics.h"
#include "core/store_functions.h"
#include "loop/loop.h"

struct functions;

/* Calls that may wait at a time: beyond either, one more fails at once. */
#define FUNCTIONS_MAX_WAITING 20000
#define FUNCTIONS_MAX_WAITING_BYTES (64 * 1024 * 1024)

struct functions_options {
    const char *url;  /* copied */
    const char *user; /* logs in as this one; NULL: as the URL says; a literal */
    uint32_t timeout_ms;
    uint32_t n_connections;
    bool is_trial; /* what is called can change nothing: read only, and rolled back */
    struct metrics_block *counts; /* NULL: nothing is counted */
    const char *token_function;   /* NULL: no token is accepted; copied */
    void *arg;
    void (*on_idle)(void *arg); /* after functions_drain: nothing is asked any more */
};

struct functions *functions_new(struct loop *loop, const struct functions_options *options);
void functions_measure(struct functions *functions); /* brings gauges up to date */
/* For calls from now on. */
void functions_set_timeout(struct functions *functions, uint32_t timeout_ms);
/* The database is there: what is asked from now on waits for a connection. The first call makes
 * them, so that nobody who has no function needs the role. Again after functions_pause. */
void functions_start(struct functions *functions);
/* The key of the signatures, herald.get_signing_key(). Until it is there calls wait. */
void functions_set_key(struct functions *functions, struct str key);
/* The database is away: closes the connections. What is asked until functions_start fails, at the next
 * turn of the loop, unless that has come by then. */
void functions_pause(struct functions *functions);
/* Calls on_idle whenever there is nothing to answer any more, never from inside. */
void functions_drain(struct functions *functions);
bool functions_is_idle(const struct functions *functions);
/* Closes the connections and fails everything, also what comes later. */
void functions_stop(struct functions *functions);
void functions_free(struct functions *functions); /* NULL is fine */

struct store_functions functions_seam(struct functions *functions);

#endif
