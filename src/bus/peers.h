/* SPDX-License-Identifier: PostgreSQL */
/* The other nodes that are heard: which of them are there, and whether what they say is new. Pure:
 * the clock is given, in milliseconds of whatever kind, as long as it goes on while the machine
 * sleeps. */
#ifndef HERALD_BUS_PEERS_H
#define HERALD_BUS_PEERS_H

#include "base/buf.h"
#include "bus/seal.h"
#include "core/nodes/bus.h"

#define PEERS_MAX 256         /* nodes that are remembered, those that have gone among them */
#define PEERS_PAUSE_MS 500    /* my own: after it I am not well */
#define PEERS_STALE_MS 3000   /* of silence */
#define PEERS_DEAD_MS 5000    /* of silence */
#define PEERS_LATE_MS 1000    /* more than the fastest message of the last minute took */
#define PEERS_WINDOW_MS 30000 /* two of them are that minute */

struct peers;

enum peers_verdict {
    PEERS_NEW,      /* to be looked at */
    PEERS_LATE,     /* as well, unless its kind means nothing later */
    PEERS_STRANGER, /* the first of a node, or it has not named me yet: only a beat means anything */
    PEERS_REPEATED, /* was there before, or comes behind a newer one, or is late and a stranger's */
    PEERS_TOO_MANY, /* nodes */
};

struct peers_word { /* what a beat says of its node */
    struct str name;
    uint8_t newest; /* version that it reads */
    bool names_me;  /* it hears me */
};

struct peers_counts {
    unsigned alive, stale;
    unsigned foreign; /* of a version that this program does not read */
};

/* on_peer comes out of the functions below; it must not call them. */
struct peers *peers_new(void (*on_peer)(void *ctx, const struct bus_peer *peer, enum bus_news news),
                        void *ctx);
void peers_free(struct peers *peers);

/* A message came that is signed. */
enum peers_verdict peers_hear(struct peers *peers, const struct seal_head *head, uint64_t now_ms);
/* The same of one that is SEAL_FOREIGN. True: that there is such a node is news. */
bool peers_hear_foreign(struct peers *peers, const struct seal_head *head, uint64_t now_ms);
/* It was a beat. True: I had not heard of who it comes from, and he should soon hear of me. */
bool peers_beat(struct peers *peers, const char *id, const struct peers_word *word);
void peers_goodbye(struct peers *peers, const char *id);
/* To be called at least five times a second, before what has come meanwhile is heard. The link is a
 * number that changes whenever there is another connection; 0: there is none. */
void peers_tick(struct peers *peers, uint64_t now_ms, uint64_t link);
void peers_write_heard(const struct peers *peers, struct buf *out); /* for a beat */
struct peers_counts peers_count(const struct peers *peers);
enum bus_company peers_company(const struct peers *peers);
uint8_t peers_newest(const struct peers *peers); /* that all of them read; 0: nobody is there */

#endif
