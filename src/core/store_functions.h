/* SPDX-License-Identifier: PostgreSQL */
/* The seam to the owner's functions: a function is the owner's, a call is one use of it, a verdict
 * its answer. On the hub thread; verdicts never come from inside the call that asks. */
#ifndef HERALD_CORE_STORE_FUNCTIONS_H
#define HERALD_CORE_STORE_FUNCTIONS_H

#include "core/error_code.h"
#include "core/identity.h"
#include "core/session_id.h"

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
    bool is_allowed;     /* AUTHORIZE, DONE */
    struct str payload;  /* ON_ACTION, DONE: the JSON text that it returned; absent: NULL */
    const char *reason;  /* REFUSED: its message, valid UTF-8, for the client; else NULL */
    const char *problem; /* FAILED: SQLSTATE and message, for the operator alone; or NULL */
};

typedef void store_verdict_fn(void *arg, const struct store_verdict *verdict);

struct store_token {           /* what the database says about an opaque token */
    struct identity *identity; /* borrowed; NULL: not accepted */
    enum error_code error;     /* then: TOKEN_INVALID, TOKEN_EXPIRED or UNAVAILABLE */
};

typedef void store_token_fn(void *arg, const struct store_token *token);

struct store_functions {
    void *ctx;
    /* Both borrow the spans. `done` is called exactly once, later, at the latest after the time that
     * a function may take, twice. NULL: nobody wants to know. */
    void (*call)(void *ctx, const struct store_call *call, store_verdict_fn *done, void *arg);
    void (*check_token)(void *ctx, struct str token, store_token_fn *done, void *arg);
};

#endif
