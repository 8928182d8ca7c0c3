/* SPDX-License-Identifier: PostgreSQL */
/* The seam to the log: what was, and what is to be put into it. On the hub thread; answers never
 * come from inside the call that asks. What comes into the log is told by the sink (store.h). */
#ifndef HERALD_CORE_STORE_LOG_H
#define HERALD_CORE_STORE_LOG_H

#include "core/event.h"
#include "core/session_id.h"

enum store_read_kind {
    STORE_READ_HEAD,  /* only epoch and head */
    STORE_READ_LAST,  /* the newest `limit` events that the viewer may see */
    STORE_READ_SINCE, /* a page of what it may see after (since_epoch, since_offset) */
};

struct store_query {
    enum store_read_kind kind;
    struct str channel;
    uint32_t limit; /* LAST, SINCE: most rows of the answer */
    struct str since_epoch;
    uint64_t since_offset;
    struct identity *viewer; /* events with another audience are left out; NULL: anonymous */
    uint32_t max_bytes;      /* LAST, SINCE: of their payloads; in a page one event always fits */
    uint32_t max_missed;     /* SINCE: more events than that since then, seen or not, are a gap */
};

struct store_answer { /* epoch, head and events are of one snapshot */
    bool is_failed;   /* the database could not answer: the rest is unset */
    bool is_gap;      /* SINCE: other epoch, trimmed, ahead, or too much */
    struct str epoch;
    uint64_t head;         /* the channel's newest offset, 0 if it has none */
    uint64_t read_to;      /* SINCE: the events are those up to here; below the head: read on */
    struct event **events; /* oldest first; borrowed, ref what you keep */
    size_t n_events;
};

typedef void store_answer_fn(void *arg, const struct store_answer *answer);

struct store_log {
    void *ctx;
    /* Borrows the spans for the call, takes its own reference to the viewer. `done` is called
     * exactly once, later. */
    void (*read)(void *ctx, const struct store_query *query, store_answer_fn *done, void *arg);
    /* A message for a durable channel: to be put into the log with the next batch. Takes its own
     * reference. Answered by on_event with its offset followed by on_append_done, or by
     * on_append_failed. False: the store's queue is full, nothing was taken. */
    bool (*append)(void *ctx, struct event *message, struct session_id sender);
};

#endif
