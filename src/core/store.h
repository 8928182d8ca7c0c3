/* SPDX-License-Identifier: PostgreSQL */
/* The seam between the hub and the database: the hub asks (struct store), the store tells (struct
 * store_sink). All on the hub thread; answers never come from inside the call that asks. */
#ifndef HERALD_CORE_STORE_H
#define HERALD_CORE_STORE_H

#include "core/event.h"
#include "core/session_id.h"
#include "core/site.h"

enum store_read_kind {
    STORE_READ_HEAD,  /* only epoch and head */
    STORE_READ_LAST,  /* the newest `limit` events */
    STORE_READ_SINCE, /* everything after (since_epoch, since_offset) */
};

struct store_query {
    enum store_read_kind kind;
    struct str channel;
    uint32_t limit; /* LAST: rows; the store also caps at 1 MiB of payload */
    struct str since_epoch;
    uint64_t since_offset;
};

struct store_answer { /* epoch, head and events are of one snapshot */
    bool is_failed;   /* the database could not answer: the rest is unset */
    bool is_gap;      /* SINCE: other epoch, trimmed, ahead, or too much */
    struct str epoch;
    uint64_t head;         /* the channel's newest offset, 0 if it has none */
    struct event **events; /* oldest first; borrowed, ref what you keep */
    size_t n_events;
};

typedef void store_answer_fn(void *arg, const struct store_answer *answer);

struct store {
    void *ctx;
    /* Borrows the spans for the call. `done` is called exactly once, later. */
    void (*read)(void *ctx, const struct store_query *query, store_answer_fn *done, void *arg);
    /* A message for a durable channel: to be put into the log with the next batch. Takes its own
     * reference. Answered by on_event with its offset followed by on_append_done, or by
     * on_append_failed. False: the store's queue is full, nothing was taken. */
    bool (*append)(void *ctx, struct event *message, struct session_id sender);
};

struct store_sink {
    void *ctx;
    /* A committed event, in log order: ids strictly ascending by one over all channels, offsets by
     * one in a channel. */
    void (*on_event)(void *ctx, struct event *event);
    /* The sender's oldest pending message is stored (right after its on_event), or was refused. */
    void (*on_append_done)(void *ctx, struct session_id sender);
    void (*on_append_failed)(void *ctx, struct session_id sender, struct str channel);
    void (*on_site)(void *ctx, struct site *site); /* takes the site */
    /* The road to the database is up, or down with one sentence why. Up comes after the first
     * on_site. */
    void (*on_up)(void *ctx,
                  struct str epoch); /* a changed epoch: offsets are no longer comparable */
    void (*on_down)(void *ctx, const char *reason);
};

#endif
