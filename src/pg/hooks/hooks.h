/* SPDX-License-Identifier: PostgreSQL */
/* The owner's functions (rules' authorize and realtime triggers, the token function) run here, on a
 * few connections of their own, which log in as herald_hook: a role that may do nothing else, and
 * nothing without our signature (sql/0010_access.sql). What comes from them is answered in time
 * whatever they do: a slow one is stopped, and none can keep the connections from the others.
 *
 * All that is asked is answered exactly once, never from inside the call that asks, at the latest
 * about two timeouts later; what nobody waits for the answer of may take longer. */
#ifndef HERALD_PG_HOOKS_HOOKS_H
#define HERALD_PG_HOOKS_HOOKS_H

#include "core/metrics.h"
#include "core/store.h"
#include "loop/loop.h"

struct hooks;

/* Calls that may wait at a time: beyond either, one more fails at once. */
#define HOOKS_MAX_WAITING 20000
#define HOOKS_MAX_WAITING_BYTES (64 * 1024 * 1024)

struct hooks_options {
    const char *url;  /* copied */
    const char *user; /* logs in as this one; NULL: as the URL says; a literal */
    uint32_t timeout_ms;
    uint32_t n_connections;
    struct metrics_block *counts; /* NULL: nothing is counted */
    const char *token_function;   /* NULL: no token is accepted; copied */
    void *arg;
    void (*on_idle)(void *arg); /* after hooks_drain: nothing is asked any more */
};

struct hooks *hooks_new(struct loop *loop, const struct hooks_options *options);
void hooks_measure(struct hooks *hooks); /* brings gauges up to date */
/* The database is there: what is asked from now on waits for a connection. The first call makes
 * them, so that nobody who has no function needs the role. Again after hooks_pause. */
void hooks_start(struct hooks *hooks);
/* The key of the signatures, herald.get_signing_key(). Until it is there calls wait. */
void hooks_set_key(struct hooks *hooks, struct str key);
/* The database is away: closes the connections. What is asked until hooks_start fails, at the next
 * turn of the loop, unless that has come by then. */
void hooks_pause(struct hooks *hooks);
/* Calls on_idle whenever there is nothing to answer any more, never from inside. */
void hooks_drain(struct hooks *hooks);
bool hooks_is_idle(const struct hooks *hooks);
/* Closes the connections and fails everything, also what comes later. */
void hooks_stop(struct hooks *hooks);
void hooks_free(struct hooks *hooks); /* NULL is fine */

void hooks_call(struct hooks *hooks, const struct store_call *call, store_verdict_fn *done,
                void *arg);
void hooks_check_token(struct hooks *hooks, struct str token, store_token_fn *done, void *arg);

#endif
