/* SPDX-License-Identifier: PostgreSQL */
/* What the database says about the whole server: rules, canonicals, the on/off switch. The store
 * makes a new one at each change and the hub swaps it in; workers get the part they need (struct
 * site_gate). */
#ifndef HERALD_CORE_SITE_H
#define HERALD_CORE_SITE_H

#include <stdatomic.h>

#include "base/str.h"
#include "core/row/shape.h"

struct rule {      /* a row of herald.rule, same meaning */
    char *pattern; /* exact name, "prefix/" or "schema." and a star, or "*" */
    bool anonymous_clients;
    bool public_messaging;
    bool public_auth;
    bool private_messaging;
    bool private_auth;
    bool auth_channel;
    bool presence;
    bool is_operators; /* only who has shown the operator's token may join; the canary's alone */
    uint32_t message_history;     /* > 0: messages on these channels are durable */
    uint32_t messages_per_minute; /* of one sender on one channel; 0: any number */
    /* The owner's SQL functions, as herald.call_function() wants them named; NULL: none. */
    char *authorize, *on_join, *on_message, *on_leave, *on_connect, *on_disconnect;
};

struct watch {           /* a table that is watched */
    char *key;           /* as in its shapes */
    int64_t number;      /* of its shape */
    uint64_t changed;    /* another number after each change of the table or its watch */
    struct shape *shape; /* today's; NULL: not to be read, so nobody may see its rows */
    bool has_snapshot;   /* clients may ask for one */
    uint32_t max_snapshot;
    int64_t *restated; /* older shapes whose rows are judged by today's `visible` alone */
    size_t n_restated;
};

struct site_reread { /* rows were to be read anew (core/event.h) */
    uint64_t id;     /* in the log */
    int64_t number;  /* of the shape, if `of_table` */
    bool of_table;
    struct shape *shape; /* of_table: it; NULL: it is not to be read, so nobody has its rows */
    int32_t dbo_id;      /* else of whom */
    char *row_id;
};

struct site {           /* hub thread only */
    uint64_t version;   /* of the newest command that it contains */
    bool is_enabled;    /* false: realtime is switched off */
    struct rule *rules; /* active ones only, in any order */
    size_t n_rules;
    char **canonicals;
    size_t n_canonicals;
    struct watch *watches;
    size_t n_watches;
    bool has_rereads; /* what follows was asked for: in the order of ids */
    struct site_reread *rereads;
    size_t n_rereads;
    uint64_t rereads_since, rereads_at; /* all of them after the one id, up to the other */
};

/* A channel that is there without a rule of the database, for who has shown the operator's token. */
#define SITE_CANARY "herald.canary"

void site_free(struct site *site); /* with all it holds; NULL is fine */
/* The rule for a channel: the exact name first, then the longest literal prefix, then `*`; NULL:
 * none. */
const struct rule *site_rule(const struct site *site, struct str channel);

/* What a worker must know to answer handshakes and /ready. Immutable and shared by all workers. */
struct site_gate {
    atomic_uint refs;
    bool is_ready; /* Postgres is there and the site is loaded */
    bool is_enabled;
    /* For /ready and 503 when not ready, one sentence. When ready: what an operator should change,
     * a line each; may be empty. */
    char *reason;
    char **canonicals;
    size_t n_canonicals;
};

struct site_gate *site_gate_new(const struct site *site, bool is_ready,
                                const char *reason); /* site may be NULL */
struct site_gate *site_gate_ref(struct site_gate *gate);
void site_gate_unref(struct site_gate *gate);
bool site_gate_has(const struct site_gate *gate,
                   struct str canonical); /* compares in constant time per entry */

#endif
