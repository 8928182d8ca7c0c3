/* SPDX-License-Identifier: PostgreSQL */
/* The seam to the other nodes: the servers that serve the same database. Postgres is the truth; what
 * goes here are copies of what it has, which may be lost, and what need not survive. Hub thread only.
 *
 * A node that is alone has a bus, too, on which nobody else is: who sends does not know which it has. */
#ifndef HERALD_CORE_NODES_BUS_H
#define HERALD_CORE_NODES_BUS_H

#include "base/id.h"
#include "base/str.h"

/* What a body is about, and whose matter it is. Numbers are part of the format: they are never used
 * again for something else. */
enum bus_kind {
    BUS_KIND_BEAT = 1,    /* the bus' own: I am here, and where I stand (struct bus_beat) */
    BUS_KIND_GOODBYE = 2, /* the bus' own */
    BUS_KIND_ROWS = 3,    /* the database's: rows of the log that are committed */
    BUS_KIND_MESSAGE = 4, /* the hub's: an ephemeral message, or one to an identity */
    BUS_KIND_PRIVATE = 5, /* the hub's: one to a socketId; whoever has it answers */
    BUS_KIND_PRIVATE_ANSWER = 6,
    BUS_KIND_PRESENCE = 7,      /* the hub's: what has changed in the lists */
    BUS_KIND_PRESENCE_WISH = 8, /* to one node: tell me all of yours */
    BUS_KIND_PRESENCE_LIST = 9,
    BUS_KIND_DIRECTIVE = 10, /* the hub's: one that only takes away, ahead of Postgres' word */
};

enum bus_company {
    BUS_COMPANY_UNKNOWN, /* there is no connection, or not long enough to have heard who is there */
    BUS_COMPANY_NONE,
    BUS_COMPANY_WHOLE,
    BUS_COMPANY_PART, /* some speak another version: what they say is not understood */
};

struct bus {
    void *ctx;
    bool is_alone; /* nobody else can ever be on it: what all would be told need not be written */
    /* To all other nodes, or to the one whose id is `to`. Copies the body. What one node sends
     * arrives in order; it may be lost, but not for a part. False: nothing was sent, because there
     * is no connection or too much is waiting for it. */
    bool (*send)(void *ctx, enum bus_kind kind, const char *to, struct str body);
    /* The largest body that it takes; 0: there is no connection. */
    size_t (*max_body)(void *ctx);
    uint8_t version; /* the newest that this program reads; 0 if is_alone */
    enum bus_company (*company)(void *ctx);
};

struct bus_peer { /* another node, as far as it is known */
    char id[ID_TEXT_SIZE];
    const char *name; /* for people */
};

enum bus_news {
    BUS_NEWS_CAME,
    BUS_NEWS_STALE, /* nothing was heard of it for seconds: it is kept */
    BUS_NEWS_BACK,  /* it is heard again, and was never given up */
    BUS_NEWS_LEFT,  /* it said good-bye: its sessions go elsewhere */
    BUS_NEWS_DEAD,  /* given up. If it comes back it is told as CAME */
};

struct bus_beat { /* once a second, of each node */
    bool is_leader;
    struct str epoch; /* of the log as it knows it; absent: it has no database */
    uint64_t log_id;  /* the newest that it was told or knows to be there */
    uint64_t presence_seq, presence_digest; /* hub/presence */
};

struct bus_sink {
    void *ctx;
    /* The kinds that are not the bus' own. From a node that is known: its CAME was told. */
    void (*on_parcel)(void *ctx, const char *from, enum bus_kind kind, struct str body);
    void (*on_peer)(void *ctx, const struct bus_peer *peer, enum bus_news news);
    void (*on_beat)(void *ctx, const char *from, const struct bus_beat *beat);
    void (*fill_beat)(void *ctx, struct bus_beat *beat); /* of this node; spans are borrowed */
};

#endif
