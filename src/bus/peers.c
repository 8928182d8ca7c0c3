/* SPDX-License-Identifier: PostgreSQL */
/* Who is there.
 *
 * A node is there (CAME) once a beat of it names me: then both hear the other. It also means that
 * nobody can make a node out of an old recording: what it said then names nodes of then, and mine is
 * a new name with each start. A node that has gone is remembered, so that its old messages stay old.
 *
 * The silence of another counts only from when I am well: connected, and without a pause of my own
 * loop. Otherwise a node that was stopped for a minute would wake up, find that all others have been
 * silent for a minute, and throw their members out of its lists. Another one that lost NATS when I
 * did is back within four seconds (wire.c, link.c), so the five until it is dead are enough. All is
 * by the time of receipt on my own clock: nobody's wall clock is asked.
 *
 * Late is what took a second longer than the fastest message of the last minute. The difference of
 * two monotonic clocks says nothing, but it stays the same; a minute because they drift. The window
 * is turned by messages and not by time: after a pause of mine the first ones to come are late, and
 * must not be what the next ones are measured by. */
#include "bus/peers.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { NAME_SIZE = 80 };

enum peer_state {
    PEER_STRANGER, /* heard, but it does not hear me yet */
    PEER_FOREIGN,  /* heard, but not understood */
    PEER_ALIVE,
    PEER_STALE,
    PEER_GONE,
};

struct peer {
    char id[ID_TEXT_SIZE];
    char name[NAME_SIZE];
    enum peer_state state;
    uint8_t newest; /* version that it reads */
    uint64_t seq;   /* the newest that came */
    uint64_t heard_ms;
    uint64_t turned_ms;            /* when the window began */
    int64_t fastest, fastest_then; /* of this window and of the one before it */
};

struct peers {
    void (*on_peer)(void *ctx, const struct bus_peer *peer, enum bus_news news);
    void *ctx;
    uint64_t link, ticked_ms;
    uint64_t well_ms; /* since when I am, if I am connected */
    unsigned n;
    struct peer peers[PEERS_MAX];
};

struct peers *peers_new(void (*on_peer)(void *ctx, const struct bus_peer *peer, enum bus_news news),
                        void *ctx)
{
    struct peers *peers = mem_zalloc(sizeof(*peers));
    peers->on_peer = on_peer;
    peers->ctx = ctx;
    return peers;
}

void peers_free(struct peers *peers)
{
    free(peers);
}

static struct peer *find(struct peers *peers, const char *id)
{
    for (unsigned i = 0; i < peers->n; i++) {
        if (strcmp(peers->peers[i].id, id) == 0) {
            return &peers->peers[i];
        }
    }
    return NULL;
}

static void peer_become(struct peers *peers, struct peer *peer, enum peer_state state,
                        enum bus_news news)
{
    peer->state = state;
    struct bus_peer told = {.name = peer->name};
    memcpy(told.id, peer->id, sizeof(told.id));
    peers->on_peer(peers->ctx, &told, news);
}

/* ---- what comes ---- */

/* The place of the one that has gone for longest. NULL: all are there. */
static struct peer *oldest_gone(struct peers *peers)
{
    struct peer *oldest = NULL;
    for (unsigned i = 0; i < peers->n; i++) {
        struct peer *peer = &peers->peers[i];
        if (peer->state == PEER_GONE && (!oldest || peer->heard_ms < oldest->heard_ms)) {
            oldest = peer;
        }
    }
    return oldest;
}

static struct peer *meet(struct peers *peers, const struct seal_head *head, uint64_t now_ms)
{
    struct peer *peer = peers->n < PEERS_MAX ? &peers->peers[peers->n++] : oldest_gone(peers);
    if (peer) {
        *peer = (struct peer){.turned_ms = now_ms, .fastest = INT64_MAX, .fastest_then = INT64_MAX};
        /* As gone: its first beat makes it a stranger. */
        peer->state = PEER_GONE;
        memcpy(peer->id, head->from, sizeof(peer->id));
    }
    return peer;
}

static bool peer_is_late(struct peer *peer, uint64_t sent_ms, uint64_t now_ms)
{
    int64_t took = (int64_t)(now_ms - sent_ms);
    if (now_ms - peer->turned_ms >= PEERS_WINDOW_MS) {
        peer->turned_ms = now_ms;
        peer->fastest_then = peer->fastest;
        peer->fastest = INT64_MAX;
    }
    if (took < peer->fastest) {
        peer->fastest = took;
    }
    int64_t fastest = peer->fastest < peer->fastest_then ? peer->fastest : peer->fastest_then;
    return took - fastest > PEERS_LATE_MS;
}

enum peers_verdict peers_hear(struct peers *peers, const struct seal_head *head, uint64_t now_ms)
{
    struct peer *peer = find(peers, head->from);
    if (peer && head->seq <= peer->seq) {
        return PEERS_REPEATED;
    }
    if (!peer && !(peer = meet(peers, head, now_ms))) {
        return PEERS_TOO_MANY;
    }
    peer->seq = head->seq;
    peer->heard_ms = now_ms;
    bool is_late = peer_is_late(peer, head->sent_ms, now_ms);
    switch (peer->state) {
    case PEER_STRANGER:
    case PEER_FOREIGN:
    case PEER_GONE:
        return is_late ? PEERS_REPEATED : PEERS_STRANGER;
    case PEER_STALE:
        peer_become(peers, peer, PEER_ALIVE, BUS_NEWS_BACK);
        break;
    case PEER_ALIVE:
        break;
    }
    return is_late ? PEERS_LATE : PEERS_NEW;
}

/* One that was understood a moment ago is not given up for it: it has not heard me yet, or I it. */
bool peers_hear_foreign(struct peers *peers, const struct seal_head *head, uint64_t now_ms)
{
    struct peer *peer = find(peers, head->from);
    if (peer && head->seq <= peer->seq) {
        return false;
    }
    if (!peer && !(peer = meet(peers, head, now_ms))) {
        return false;
    }
    peer->seq = head->seq;
    if (peer->state == PEER_ALIVE || peer->state == PEER_STALE) {
        return false;
    }
    bool is_news = peer->state != PEER_FOREIGN;
    peer->state = PEER_FOREIGN;
    peer->heard_ms = now_ms;
    return is_news;
}

bool peers_beat(struct peers *peers, const char *id, const struct peers_word *word)
{
    struct peer *peer = find(peers, id);
    if (!peer) {
        return false;
    }
    size_t len = word->name.len < NAME_SIZE ? word->name.len : NAME_SIZE - 1;
    memcpy(peer->name, word->name.ptr, len);
    peer->name[len] = '\0';
    peer->newest = word->newest;
    bool is_first = peer->state == PEER_GONE || peer->state == PEER_FOREIGN;
    if (is_first) {
        peer->state = PEER_STRANGER;
    }
    if (peer->state == PEER_STRANGER && word->names_me) {
        peer_become(peers, peer, PEER_ALIVE, BUS_NEWS_CAME);
    }
    return is_first;
}

void peers_goodbye(struct peers *peers, const char *id)
{
    struct peer *peer = find(peers, id);
    if (!peer) {
        return;
    }
    if (peer->state == PEER_ALIVE || peer->state == PEER_STALE) {
        peer_become(peers, peer, PEER_GONE, BUS_NEWS_LEFT);
    }
    peer->state = PEER_GONE;
}

/* ---- time ---- */

static void peer_check(struct peers *peers, struct peer *peer, uint64_t silent_ms)
{
    bool is_dead = silent_ms >= PEERS_DEAD_MS;
    switch (peer->state) {
    case PEER_STRANGER:
    case PEER_FOREIGN:
        if (is_dead) {
            peer->state = PEER_GONE; /* nobody was told that it came */
        }
        break;
    case PEER_ALIVE:
    case PEER_STALE:
        if (is_dead) {
            peer_become(peers, peer, PEER_GONE, BUS_NEWS_DEAD);
        } else if (silent_ms >= PEERS_STALE_MS && peer->state == PEER_ALIVE) {
            peer_become(peers, peer, PEER_STALE, BUS_NEWS_STALE);
        }
        break;
    case PEER_GONE:
        break;
    }
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void peers_tick(struct peers *peers, uint64_t now_ms, uint64_t link)
{
    bool was_away = now_ms - peers->ticked_ms > PEERS_PAUSE_MS;
    if (was_away || link != peers->link || link == 0) {
        peers->well_ms = now_ms;
    }
    peers->link = link;
    peers->ticked_ms = now_ms;
    for (unsigned i = 0; i < peers->n; i++) {
        struct peer *peer = &peers->peers[i];
        uint64_t from_ms = later(peer->heard_ms, peers->well_ms);
        if (now_ms > from_ms) {
            peer_check(peers, peer, now_ms - from_ms);
        }
    }
}

static bool is_heard(const struct peer *peer)
{
    return peer->state != PEER_GONE && peer->state != PEER_FOREIGN;
}

void peers_write_heard(const struct peers *peers, struct buf *out)
{
    for (unsigned i = 0; i < peers->n; i++) {
        if (is_heard(&peers->peers[i])) {
            buf_add(out, peers->peers[i].id, ID_TEXT_SIZE - 1);
        }
    }
}

struct peers_counts peers_count(const struct peers *peers)
{
    struct peers_counts counts = {0};
    for (unsigned i = 0; i < peers->n; i++) {
        counts.alive += peers->peers[i].state == PEER_ALIVE;
        counts.stale += peers->peers[i].state == PEER_STALE;
        counts.foreign += peers->peers[i].state == PEER_FOREIGN;
    }
    return counts;
}

uint8_t peers_newest(const struct peers *peers)
{
    uint8_t newest = 0;
    for (unsigned i = 0; i < peers->n; i++) {
        const struct peer *peer = &peers->peers[i];
        if (is_heard(peer) && (newest == 0 || peer->newest < newest)) {
            newest = peer->newest;
        }
    }
    return newest;
}

/* Nobody is there only if I would have heard him by now. */
enum bus_company peers_company(const struct peers *peers)
{
    bool is_steady = peers->link != 0 && peers->ticked_ms - peers->well_ms >= PEERS_DEAD_MS;
    if (peers->link == 0) {
        return BUS_COMPANY_UNKNOWN;
    }
    if (peers_count(peers).foreign > 0) {
        return BUS_COMPANY_PART;
    }
    return peers_newest(peers) > 0 ? BUS_COMPANY_WHOLE
           : is_steady             ? BUS_COMPANY_NONE
                                   : BUS_COMPANY_UNKNOWN;
}
