/* SPDX-License-Identifier: PostgreSQL */
/* The one session that moves outbox rows and client messages to the log and tells the sink what has
 * been committed: in log order, each once, whatever happens to the connection. */
#ifndef HERALD_PG_SEQUENCER_H
#define HERALD_PG_SEQUENCER_H

#include "base/err.h"
#include "core/metrics.h"
#include "core/nodes/bus.h"
#include "core/store.h"
#include "loop/loop.h"

struct sequencer;
struct blemish; /* house/tally.h */
struct shapes;  /* shapes.h */

struct sequencer_options {
    const char *url; /* copied */
    uint32_t look_ms, batch_rows, batch_bytes, query_timeout_ms, append_max_bytes;
    const struct bus *bus;        /* NULL: alone: who does not lead waits */
    const char *node, *node_name; /* among several; copied */
    uint32_t grace_ms;            /* as in database.h; 0: never */
    struct metrics_block *counts; /* NULL: nothing is counted */
    struct shapes *shapes;        /* outlives the sequencer */
    void *arg;
    void (*on_fatal)(void *arg, const struct err *err); /* as in database.h */
    bool (*is_behind)(void *arg);                       /* the same */
    void (*on_serving)(void *arg); /* this server sequences; right before the sink's on_up */
    void (*on_away)(void *arg);    /* no longer; right after the sink's on_down */
    /* It leads, or no longer; also between on_serving and on_away. NULL: nobody wants to know. */
    void (*on_lead)(void *arg, bool is_leading);
    void (*on_batch)(void *arg); /* outbox rows have been sequenced */
    /* Among them one was reduced or skipped. */
    void (*on_blemish)(void *arg, const struct blemish *blemish);
    /* A look was answered; called before anything else is asked. has_found: it took something. False:
     * nothing was pending when it was sent. NULL: nobody wants to know. */
    void (*on_looked)(void *arg, bool has_found);
    void (*on_drained)(void *arg); /* after sequencer_drain: no message is pending any more */
};

struct sequencer *sequencer_new(struct loop *loop, const struct sequencer_options *options);
/* The numbers of these; a batch that is under way keeps its own. */
void sequencer_set_options(struct sequencer *sequencer, const struct sequencer_options *options);
void sequencer_start(struct sequencer *sequencer, struct store_sink sink);
bool sequencer_append(struct sequencer *sequencer, const struct store_append *append);
/* `done` once all that was committed before this call was told; with the
 * end, but not settled. */
void sequencer_settle(struct sequencer *sequencer, bool wants_snapshot, store_settled_fn *done,
                      void *arg);
/* What another node says (core/nodes/bus.h): a piece of the log, and where it stands. */
void sequencer_hear(struct sequencer *sequencer, struct str body);
void sequencer_hear_beat(struct sequencer *sequencer, const struct bus_beat *beat);
void sequencer_fill_beat(const struct sequencer *sequencer, struct bus_beat *beat);
/* Lets go of the lead, and does not take it again. Of a node that is alone: nothing. */
void sequencer_resign(struct sequencer *sequencer);
bool sequencer_is_leading(const struct sequencer *sequencer);
/* How many events of the log, as far as is known here, were not delivered yet. */
uint64_t sequencer_lag(const struct sequencer *sequencer);
void sequencer_measure(struct sequencer *sequencer); /* brings gauges up to date */
/* Calls on_drained whenever no message is pending: at the next turn if there is none, never from
 * inside. May be called again, to hear it again. */
void sequencer_drain(struct sequencer *sequencer);
/* Ends the connection; messages that are still pending are told as failed, and none is taken any
 * more. */
void sequencer_stop(struct sequencer *sequencer);
void sequencer_free(struct sequencer *sequencer); /* NULL is fine */

#endif
