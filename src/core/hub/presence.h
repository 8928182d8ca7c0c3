/* SPDX-License-Identifier: PostgreSQL */
/* Who is listed in which channel, and who is told when that changes. Hub thread only. */
#ifndef HERALD_CORE_HUB_PRESENCE_H
#define HERALD_CORE_HUB_PRESENCE_H

#include "base/id.h"
#include "core/frame.h"
#include "core/hub/session.h"

struct hub;
struct dropped;

enum member_state {
    MEMBER_STATE_ARRIVING, /* to be announced with the next flush */
    MEMBER_STATE_LISTED,
    MEMBER_STATE_LEAVING, /* still listed, its leaving is to be announced */
};

struct member {
    uint32_t refs; /* of the list, and of changes that SQL has not been told yet */
    enum member_state state;
    struct channel *channel;
    struct session_id session; /* generation 0: it has dropped */
    struct dropped *dropped;   /* it is kept for a session that may come back (grace.c) */
    struct member *next_dropped;
    uint32_t place, change;    /* in presence.members; in presence.changed, if it is there */
    struct identity *identity; /* NULL: anonymous */
    uint64_t since_ms;         /* wall clock */
    char socket_id[ID_TEXT_SIZE];
    struct str name, client; /* of the channel; the JSON text that clients get */
    char data[];
};

struct presence { /* of one channel */
    struct member **members;
    uint32_t n, cap;
    struct member **changed; /* arriving or leaving; NULL: one that came and went unannounced */
    uint32_t n_changed, changed_cap;
    uint64_t flushed_ms;
    struct frame *full; /* the list as announced; NULL: to be encoded when somebody wants it */
    bool is_due;        /* is in the hub's list of channels to be flushed */
};

/* Lists the session in the channel, or goes on with an entry that it left behind a moment ago. The
 * entry belongs to the channel. In a large channel it is ARRIVING until the next flush. */
struct member *presence_arrive(struct hub *hub, const struct session *session,
                               struct channel *channel);
/* The same for a member of a channel whose rule has just begun to list them: nobody is told. */
struct member *presence_arrive_quietly(struct hub *hub, const struct session *session,
                                       struct channel *channel);
/* The entry ends. The channel may be gone afterwards, unless somebody has it. NULL is fine. */
void presence_leave(struct hub *hub, struct member *member);
/* The rule lists members no more: all entries end, nobody is told. */
void presence_end(struct hub *hub, struct channel *channel);
/* Announces what has changed; those who waited for it go on at the end of the turn. The channel may
 * be gone afterwards. */
void presence_flush(struct hub *hub, struct channel *channel);
/* The list as announced, with one reference for the caller. The channel must have a presence. */
struct frame *presence_full(struct hub *hub, struct channel *channel);
void presence_tick(struct hub *hub);     /* flushes what is due, tells SQL */
void presence_tell_all(struct hub *hub); /* SQL has forgotten, or was away */
void presence_release(struct hub *hub);  /* the hub ends: frees everything */

#endif
