/* SPDX-License-Identifier: PostgreSQL */
/* What the lists are made of. Nobody outside this folder includes this. */
#ifndef HERALD_CORE_HUB_PRESENCE_BOOK_H
#define HERALD_CORE_HUB_PRESENCE_BOOK_H

#include "base/id.h"
#include "core/frame.h"
#include "core/hub/ground/hub_state.h"

enum member_state {
    MEMBER_STATE_ARRIVING, /* to be announced with the next flush */
    MEMBER_STATE_LISTED,
    MEMBER_STATE_LEAVING, /* still listed, its leaving is to be announced */
};

struct member {
    uint32_t refs; /* of the list, and of changes that SQL has not been told yet */
    enum member_state state;
    bool is_remote;        /* its session is on another node: SQL is told by that one */
    bool is_taken;         /* its socketId was that of a session of another node first */
    struct shared *shared; /* what other nodes were told of it; NULL: nothing */
    struct entry *entry;   /* remote: what its node has told; NULL: it is over */
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
    struct frame *full;    /* the list as announced; NULL: to be encoded when somebody wants it */
    uint32_t n_own;        /* of the members, not remote */
    struct room *room;     /* members on other nodes (nodes/room.h); NULL: none are known */
    bool is_due;           /* is in the book's list of channels to be flushed */
    struct states *states; /* what members show besides (states.c); NULL: none did or asked */
};

struct dropped {       /* a session that is gone */
    UT_hash_handle hh; /* by key, while nobody has taken it up; the others of the key behind it */
    struct dropped *same;
    struct dropped *prev, *next; /* in the order of time */
    struct session_id adopter;   /* generation 0: nobody of this node */
    bool is_elsewhere;           /* another node has taken it up: hh is by socketId then */
    bool is_taken;               /* as in struct member */
    struct member *members;
    uint64_t until_ms;
    char socket_id[ID_TEXT_SIZE];
    size_t key_len;
    char key[]; /* of the identity: table and row */
};

struct told_change {
    struct member *member; /* a reference */
    bool is_join;
};

struct told { /* changes that SQL has yet to be told */
    struct told_change *list;
    size_t n, cap;
    bool is_reset;
    uint64_t at_ms; /* of the last time */
};

struct due { /* channels with changes that wait to be announced */
    struct channel **channels;
    size_t n, cap;
};

struct grace {
    struct dropped *by_identity;
    struct dropped *elsewhere; /* taken up by another node, by socketId */
    struct dropped *oldest;    /* all, in the order of their time */
};

struct states;
struct share;
struct rooms;
struct replicas;

struct presence_book { /* of the hub */
    uint64_t n_listed; /* members of this node in lists */
    struct due due;
    struct told told;
    struct grace grace;
    struct states *with_news;  /* channels with states that wait to be told */
    struct share *share;       /* nodes/share.c: what others are told of ours */
    struct rooms *rooms;       /* nodes/room.c: theirs, by channel */
    struct replicas *replicas; /* nodes/replica.c: which nodes there are */
};

#endif
