/* SPDX-License-Identifier: PostgreSQL */
/* The seam to the log: what was, and what is to be put into it. On the hub thread; answers never
 * come from inside the call that asks. What comes into the log is told by the sink (store.h). */
#ifndef HERALD_CORE_STORE_LOG_H
#define HERALD_CORE_STORE_LOG_H

#include "core/event.h"
#include "core/session_id.h"

enum store_read_kind {
    STORE_READ_HEAD,  /* only epoch and head */
    STORE_READ_LAST,  /* the newest events, `limit` for everybody among them, if there are */
    STORE_READ_SINCE, /* a page of what came after (since_epoch, since_offset) */
};

struct store_query {
    enum store_read_kind kind;
    struct str channel;
    uint32_t limit; /* LAST: see there. SINCE: most rows of the answer */
    struct str since_epoch;
    uint64_t since_offset;
    /* Of payloads. LAST: of events for everybody. SINCE: one event always fits. */
    uint32_t max_bytes;
    uint32_t max_missed; /* SINCE: more events than that since then are a gap */
};

/* Epoch, head and events are of one snapshot. The events are without a hole and for anybody: who
 * may see them is for the hub to judge. */
struct store_answer {
    bool is_failed; /* the database could not answer: the rest is unset */
    bool is_gap;    /* SINCE: other epoch, trimmed, ahead, or too much */
    struct str epoch;
    uint64_t head;         /* the channel's newest offset, 0 if it has none */
    struct event **events; /* oldest first; borrowed, ref what you keep */
    size_t n_events;
};

struct store_append { /* borrowed for the call */
    struct event *message;
    struct session_id sender;
    struct str ref; /* its receipt is to carry it; absent: no receipt */
    struct str by,
        key; /* one message of this name under this key and channel; absent: any number */
};

/* snapshot: the text of one (core/live/txid.h) that was taken after the call, if it was wanted: all that
 * transactions have done that it sees was told. */
typedef void store_settled_fn(void *arg, bool is_settled, struct str snapshot);
typedef void store_answer_fn(void *arg, const struct store_answer *answer);

struct store_log {
    void *ctx;
    /* Borrows the spans for the call. `done` is called exactly once, later. */
    void (*read)(void *ctx, const struct store_query *query, store_answer_fn *done, void *arg);
    /* `done` is called once, later: when all that was committed before this call was told by
     * on_event, which may be late: who asks has a time limit of his own; or with the end, which is
     * not settled. */
    void (*settle)(void *ctx, bool wants_snapshot, store_settled_fn *done, void *arg);
    /* A message for a durable channel: to be put into the log with the next batch. Takes its own
     * reference. Answered by on_receipt, if it has a ref, on_event with its offset and
     * on_append_done; one that is there already under its key without on_event; or by
     * on_append_failed. False: the store's queue is full, nothing was taken. */
    bool (*append)(void *ctx, const struct store_append *append);
};

#endif
