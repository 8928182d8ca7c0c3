/* SPDX-License-Identifier: PostgreSQL */
/* The one session that moves outbox rows and client messages to the log and tells the sink what has
 * been committed: in log order, each once, whatever happens to the connection. */
#ifndef HERALD_PG_SEQUENCER_H
#define HERALD_PG_SEQUENCER_H

#include "base/err.h"
#include "core/metrics.h"
#include "core/store.h"
#include "loop/loop.h"

struct sequencer;
struct blemish; /* tally.h */
struct shapes;  /* shapes.h */

struct sequencer_options {
    const char *url; /* copied */
    uint32_t look_ms, batch_rows, batch_bytes, query_timeout_ms, append_max_bytes;
    struct metrics_block *counts; /* NULL: nothing is counted */
    struct shapes *shapes;        /* outlives the sequencer */
    void *arg;
    void (*on_fatal)(void *arg, const struct err *err); /* as in database.h */
    bool (*is_behind)(void *arg);                       /* the same */
    void (*on_serving)(void *arg); /* this server sequences; right before the sink's on_up */
    void (*on_away)(void *arg);    /* no longer; right after the sink's on_down */
    void (*on_batch)(void *arg);   /* outbox rows have been sequenced */
    /* Among them one was reduced or skipped. */
    void (*on_blemish)(void *arg, const struct blemish *blemish);
    /* A look was answered; called before anything else is asked. has_found: it took something. False:
     * nothing was pending when it was sent. NULL: nobody wants to know. */
    void (*on_looked)(void *arg, bool has_found);
    void (*on_drained)(void *arg); /* after sequencer_drain: no message is pending any more */
};

struct sequencer *sequencer_new(struct loop *loop, const struct sequencer_options *options);
void sequencer_start(struct sequencer *sequencer, struct store_sink sink);
bool sequencer_append(struct sequencer *sequencer, const struct store_append *append);
/* `done` once all that was committed before this call was told; with the
 * end, but not settled. */
void sequencer_settle(struct sequencer *sequencer, bool wants_snapshot, store_settled_fn *done,
                      void *arg);
void sequencer_measure(struct sequencer *sequencer); /* brings gauges up to date */
/* Calls on_drained whenever no message is pending: at the next turn if there is none, never from
 * inside. May be called again, to hear it again. */
void sequencer_drain(struct sequencer *sequencer);
/* Ends the connection; messages that are still pending are told as failed, and none is taken any
 * more. */
void sequencer_stop(struct sequencer *sequencer);
void sequencer_free(struct sequencer *sequencer); /* NULL is fine */

#endif
