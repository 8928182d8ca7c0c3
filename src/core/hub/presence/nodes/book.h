/* SPDX-License-Identifier: PostgreSQL */
/* What is known of members whose sessions are on other nodes. */
#ifndef HERALD_CORE_HUB_PRESENCE_NODES_BOOK_H
#define HERALD_CORE_HUB_PRESENCE_NODES_BOOK_H

#include "base/hash.h"
#include "core/hub/presence/book.h"

#include <uthash.h>

struct absent; /* absent.h */

/* There is a room as long as another node has a member in the channel, whether somebody of this node is
 * there or not, and whether the rule lists them here (it may be about to). */
struct room {
    UT_hash_handle hh;       /* by name */
    struct channel *channel; /* whose list shows them; NULL: there is no such list */
    struct entry *entries;
    size_t name_len;
    char name[];
};

/* A seat is what one socketId has in one list, where only one may sit: nodes that took up one and the
 * same session, or its old and its new node, contend for it. */
struct seat {
    struct room *room;
    char socket_id[ID_TEXT_SIZE - 1];
};

struct entry {
    UT_hash_handle hh; /* by seat; the others of the seat behind it */
    struct entry *same;
    struct entry *prev, *next; /* of its node, or among those that linger */
    struct entry *room_prev, *room_next;
    struct replica *replica;   /* its node; NULL: it lingers */
    struct member *member;     /* how it is shown here; NULL: it is not */
    struct identity *identity; /* of who can come back; NULL: of anybody else */
    struct absent *absent;     /* among those who may come back; NULL: it is not */
    uint64_t since_ms;
    uint64_t hash;     /* its part of the node's digest; of one that lingers: which node that was */
    uint64_t until_ms; /* of one that lingers */
    struct seat seat;
    uint32_t round;           /* of the list that has named it last */
    uint8_t flags;            /* of an op */
    bool is_over;             /* another one goes on with it: it is not shown again */
    struct str client, state; /* its own copies; state absent: none */
};

struct replica { /* another node */
    char id[ID_TEXT_SIZE];
    struct entry *entries;
    uint64_t seq,
        digest;      /* of what it has told: the newest parcel; the sum of the entries' hashes */
    bool is_in_step; /* nothing was missed since the list that it told last, or is telling */
    bool is_asked;   /* for a list, which is not complete */
    uint32_t wish, n_parts,
        round;                   /* of that: its number, so many are there; also of the last one */
    uint64_t asked_ms, heard_ms; /* 0: never */
    unsigned n_wrong;            /* beats in a row that said something else than is known */
};

struct rooms { /* of the hub */
    struct room *by_name;
    struct entry *by_seat; /* the first of each seat */
    struct entry *lingering;
    struct absent *absent; /* absent.h */
    struct buf scratch;
    uint64_t n;       /* entries */
    uint64_t next_ms; /* nothing that lingers is over before; 0: not known */
};

#endif
