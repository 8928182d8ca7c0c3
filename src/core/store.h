/* SPDX-License-Identifier: PostgreSQL */
/* The seam between the hub and the database: the hub asks (struct store), the store tells (struct
 * store_sink). All on the hub thread; answers never come from inside the call that asks. */
#ifndef HERALD_CORE_STORE_H
#define HERALD_CORE_STORE_H

#include "core/directive.h"
#include "core/error_code.h"
#include "core/event.h"
#include "core/session_id.h"
#include "core/site.h"

/* ---- reads ---- */

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

/* ---- the owner's functions ---- */

enum store_call_kind {
    STORE_CALL_AUTHORIZE, /* function(channel, identity, action): may it? */
    STORE_CALL_ON_ACTION, /* function(action, channel, client, options, payload): on_join, … */
};

struct store_call {
    enum store_call_kind kind;
    struct str function;     /* as the site names it */
    struct session_id queue; /* calls of one session run one after the other, in the order given */
    struct str action;       /* join, send; or join, message, leave, connect, disconnect */
    struct str channel;      /* absent for connect and disconnect */
    struct str client;       /* JSON text. AUTHORIZE: the identity, absent: anonymous */
    struct str options, payload; /* ON_ACTION: JSON texts, or absent */
};

enum store_verdict_result {
    STORE_VERDICT_DONE,
    STORE_VERDICT_REFUSED, /* it raised an exception of its own (SQLSTATE P0001) */
    STORE_VERDICT_FAILED,  /* any other error, a timeout, a missing function, no database */
};

struct store_verdict {
    enum store_verdict_result result;
    bool is_allowed;    /* AUTHORIZE, DONE */
    struct str payload; /* ON_ACTION, DONE: the JSON text that it returned; absent: NULL */
    const char *reason; /* REFUSED: its message, valid UTF-8, for the client; else NULL */
};

typedef void store_verdict_fn(void *arg, const struct store_verdict *verdict);

struct store_token {           /* what the database says about an opaque token */
    struct identity *identity; /* borrowed; NULL: not accepted */
    enum error_code error;     /* then: TOKEN_INVALID, TOKEN_EXPIRED or UNAVAILABLE */
};

typedef void store_token_fn(void *arg, const struct store_token *token);

/* ---- presence in SQL ---- */

struct store_presence { /* one came to a channel, or went */
    bool is_join;
    struct str channel, socket_id;
    const struct identity *identity; /* NULL: anonymous */
    uint64_t since_ms;               /* wall clock, milliseconds since 1970 */
};

struct store {
    void *ctx;
    /* Borrows the spans for the call, takes its own reference to the viewer. `done` is called
     * exactly once, later. */
    void (*read)(void *ctx, const struct store_query *query, store_answer_fn *done, void *arg);
    /* A message for a durable channel: to be put into the log with the next batch. Takes its own
     * reference. Answered by on_event with its offset followed by on_append_done, or by
     * on_append_failed. False: the store's queue is full, nothing was taken. */
    bool (*append)(void *ctx, struct event *message, struct session_id sender);
    /* Borrows the spans. `done` is called exactly once, later, at the latest after the time that a
     * function may take, twice; NULL: nobody wants to know. */
    void (*call)(void *ctx, const struct store_call *call, store_verdict_fn *done, void *arg);
    void (*check_token)(void *ctx, struct str token, store_token_fn *done, void *arg);
    /* For the view herald.presence, best effort; is_reset: what was told before is void, these are
     * all. While the store is down nothing is kept: after on_up it must be told all. */
    void (*presence)(void *ctx, bool is_reset, const struct store_presence *members, size_t n);
};

/* ---- what the store tells ---- */

struct store_sink {
    void *ctx;
    /* A committed event, in log order: ids strictly ascending by one over all channels, offsets by
     * one in a channel. */
    void (*on_event)(void *ctx, struct event *event);
    /* The sender's oldest pending message is stored (right after its on_event), or was refused. */
    void (*on_append_done)(void *ctx, struct session_id sender);
    void (*on_append_failed)(void *ctx, struct session_id sender, struct str channel);
    void (*on_site)(void *ctx, struct site *site); /* takes the site */
    /* After the on_site of the same version; each once, in the order given. Directives from before this
     * process served are not told. */
    void (*on_directive)(void *ctx, const struct directive *directive);
    /* The road to the database is up, or down with one sentence why. Up comes after the first
     * on_site. */
    void (*on_up)(void *ctx,
                  struct str epoch); /* a changed epoch: offsets are no longer comparable */
    void (*on_down)(void *ctx, const char *reason);
    /* What an operator should change in the database, a line each; comes when it changes. */
    void (*on_warnings)(void *ctx, const char *lines);
    /* After on_down: another server leads instead of this one. Messages that were handed over and
     * not answered are not answered any more; whether they were stored is not known. */
    void (*on_superseded)(void *ctx);
};

#endif
