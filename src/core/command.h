/* SPDX-License-Identifier: PostgreSQL */
/* What a session asks of the hub: made by a worker (open, close, drained) or by a protocol's
 * decoder (the rest), handed to the hub thread, freed there. One allocation: the spans point into
 * `data`, or to constants. */
#ifndef HERALD_CORE_COMMAND_H
#define HERALD_CORE_COMMAND_H

#include "base/str.h"
#include "core/error_code.h"
#include "core/identity.h"
#include "core/session_id.h"

enum command_type {
    COMMAND_OPEN,    /* the handshake succeeded */
    COMMAND_CLOSE,   /* the socket is gone; the last of its session */
    COMMAND_DRAINED, /* answers transport.await_drain */
    COMMAND_JOIN,
    COMMAND_LEAVE,
    COMMAND_MESSAGE,
    COMMAND_HISTORY,
    COMMAND_INVALID, /* could not be decoded: `error` says why */
};

struct command {
    struct command *next; /* for the hub's lists */
    enum command_type type;
    struct session_id session;
    enum error_code error;     /* INVALID: why; OPEN with `why`: TOKEN_INVALID or TOKEN_EXPIRED */
    struct identity *identity; /* OPEN: a reference of the command's own; NULL: anonymous */
    const char *why;          /* OPEN: half a sentence, a literal, why its token was not accepted */
    bool wants_history;       /* JOIN: payload.history is true */
    bool wants_presence;      /* JOIN: payload.presence is true */
    bool is_authenticated;    /* MESSAGE: options.authenticated is true */
    bool has_since;           /* JOIN: payload.since is a position */
    bool has_function_passed; /* JOIN, MESSAGE: the rule's function has been asked (hub) */
    bool is_authorized;       /* JOIN, MESSAGE: so has its authorize function (hub) */
    uint64_t since_offset;
    struct str since_epoch;
    struct str channel;   /* decoded, valid name; INVALID: as far as known, else absent */
    struct str view;      /* LEAVE, HISTORY: options.view, of which membership; absent: the plain */
    struct str filter;    /* JOIN: payload.filter, JSON text; absent: none */
    struct str snapshot;  /* JOIN: payload.snapshot, true or an object; absent: none */
    struct str socket_id; /* absent unless options.socketId is a string */
    struct str payload; /* MESSAGE: the JSON text, verbatim; "null" if left out. OPEN: a token that
                           the database is to check, absent without one */
    char *replacement; /* heap; what a function made of the payload, which then points here (hub) */
    char data[];
};

uint32_t command_bytes(const struct command *command); /* what keeping it costs, about */
void command_free(struct command *command);

#endif
