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
    COMMAND_PRESENCE, /* what others are to see of it besides who it is */
    COMMAND_PING,     /* this and the next two are about no channel */
    COMMAND_TXID,     /* is the transaction told? */
    COMMAND_TOKEN,    /* a newer one for the same identity */
    COMMAND_INVALID,  /* could not be decoded: `error` says why */
};

enum command_stage { /* how far the hub is with it */
                     COMMAND_STAGE_NEW,
                     COMMAND_STAGE_WAITS,     /* and is handled again, from the top */
                     COMMAND_STAGE_ANSWERING, /* is done, but for what its client is told */
};

/* What has come of a message to one who is on another node. */
enum command_delivery {
    COMMAND_DELIVERY_NONE, /* nobody was asked */
    COMMAND_DELIVERY_DONE,
    COMMAND_DELIVERY_NOWHERE,
    COMMAND_DELIVERY_REFUSED,
    COMMAND_DELIVERY_UNKNOWN, /* not all have answered in time */
};

struct command {
    struct command *next; /* for the hub's lists */
    enum command_type type;
    enum command_stage stage;       /* hub */
    enum command_delivery delivery; /* MESSAGE (hub) */
    struct session_id session;
    enum error_code
        error; /* INVALID: why; OPEN or TOKEN with `why`: TOKEN_INVALID or TOKEN_EXPIRED */
    struct identity *identity; /* OPEN, TOKEN: a reference of the command's own; NULL: anonymous */
    const char *
        why; /* a literal. OPEN, TOKEN: half a sentence, why the token was not accepted. INVALID: the
                        sentence to tell; NULL: the error's own */
    bool is_operator;         /* OPEN: it has shown the operator's token, and is nobody else */
    bool wants_history;       /* JOIN: payload.history is true */
    bool wants_presence;      /* JOIN: payload.presence is true or "state" */
    bool wants_state;         /* JOIN: payload.presence is "state" */
    bool is_authenticated;    /* MESSAGE: options.authenticated is true */
    bool has_since;           /* JOIN: payload.since is a position */
    bool has_to;              /* MESSAGE: options.to is an identity */
    bool has_function_passed; /* JOIN, MESSAGE: the rule's function has been asked (hub) */
    bool is_authorized;       /* JOIN, MESSAGE: so has its authorize function; TOKEN: those of all
                                 channels have (hub) */
    uint64_t since_offset;
    struct str since_epoch;
    struct str channel;   /* decoded, valid name; INVALID: as far as known, else absent */
    struct str view;      /* LEAVE, HISTORY: options.view, of which membership; absent: the plain */
    struct str filter;    /* JOIN: payload.filter, JSON text; absent: none */
    struct str snapshot;  /* JOIN: payload.snapshot, true or an object; absent: none */
    struct str socket_id; /* absent unless options.socketId is a string */
    struct str payload; /* MESSAGE: the JSON text, verbatim; "null" if left out. PRESENCE: the JSON
                           text of an object, or "null". OPEN, TOKEN: a token that the database
                           is to check, absent without one */
    struct str ref;     /* 1 to 64 bytes, any: what its answers carry; absent: none */
    struct str id_key;  /* MESSAGE: 16 to 64 characters, no NUL: sent once under it; or absent */
    struct str by;      /* MESSAGE: 32 hex digits, who sends if he is anonymous; or absent */
    struct str to_row_id; /* MESSAGE, has_to: with to_dbo_id the identity that gets it */
    int32_t to_dbo_id;
    uint64_t xid;      /* TXID */
    char *replacement; /* heap; what a function made of the payload, which then points here (hub) */
    char data[];
};

uint32_t command_bytes(const struct command *command); /* what keeping it costs, about */
void command_free(struct command *command);

#endif
