/* SPDX-License-Identifier: PostgreSQL */
/* What the hub is made of, for its own files; everybody else has hub.h. What belongs to one folder
 * or file is behind a pointer that only it can look into. */
#ifndef HERALD_CORE_HUB_GROUND_HUB_STATE_H
#define HERALD_CORE_HUB_GROUND_HUB_STATE_H

#include "core/hub/ground/channel.h"
#include "core/hub/ground/session.h"
#include "core/hub/options.h"

enum { HUB_HEARD_DIRECTIVES = 64 };

struct hub {
    struct hub_options options;
    const struct protocol *protocol;
    const struct transport *transport;
    const struct store *store;
    struct session_table sessions;
    struct channel_table channels;
    struct site *site;
    struct user *users;             /* with their sessions, if these are limited (users.c) */
    struct rates *rates;            /* how much each has sent (rates.c) */
    struct ruling *rulings;         /* what authorize functions have said (authorize.c) */
    struct presence_book *presence; /* presence/ */
    struct scopes *scopes;          /* live/scope.c */
    struct teller *teller;          /* live/tell.c */
    struct rereads *rereads;        /* live/reread.c */
    struct snapshots *snapshots;    /* snapshot/ */
    struct recent *recent;          /* resume/recent.c */
    struct reads *reads;            /* resume/reads.c */
    struct txids *txids;            /* snapshot/txid.c */
    struct others *others;          /* nodes/others.c */
    struct questions *questions;    /* nodes/private.c */
    const struct command *handled;  /* the one that is; NULL: none */
    struct session_list paused;     /* replays that go on in another turn (resume/replay.c) */
    uint32_t n_replayed;            /* frames of replays in this turn */
    uint32_t n_epoch;               /* how many there have been */
    uint64_t log_id;                /* the newest of the log that was told */
    char *epoch;                    /* NULL until the store was up once */
    struct {
        uint64_t versions[HUB_HEARD_DIRECTIVES]; /* the newest, in a ring; 0: none */
        uint32_t n;
    } heard; /* directives that other nodes told, and the database has yet to (directive.c) */
    bool is_up;
    bool is_draining;
    char *down_reason;
    char *warnings;           /* of the database, lines; NULL: none yet */
    uint64_t now_ms, wall_ms; /* of the last tick */
};

struct asker { /* who asked the store, for its answer: the session may be gone by then */
    struct hub *hub;
    struct session_id session;
};

#endif
