/* SPDX-License-Identifier: PostgreSQL */
/* Some worlds in one process, each a node of its own, and the bus between them: what a node sends waits
 * for each of the others until the test delivers or loses it. Who is there and who is given up is what
 * the test says. The worlds' databases know nothing of each other. */
#ifndef HERALD_TESTS_FAKES_WORLD_BUS_H
#define HERALD_TESTS_FAKES_WORLD_BUS_H

#include "core/nodes/bus.h"
#include "world.h"

#define WORLD_NODES 4

/* Its nodes are the worlds that are made with it in their options: 0, 1, … in this order, which is that
 * of their ids, too. It ends with the last of them. */
struct world_bus *world_bus_new(void);
const char *world_bus_id(unsigned node);

/* ---- parcels: those of one node to another one come in order ---- */

struct world_parcel {
    unsigned from, to;
    enum bus_kind kind;
    struct str body; /* BEAT: not to be looked at */
};

size_t world_bus_n(const struct world_bus *bus); /* that are under way */
const struct world_parcel *world_bus_parcel(const struct world_bus *bus, size_t nth);
/* The first from one node to another one; world_bus_n: none. */
size_t world_bus_find(const struct world_bus *bus, unsigned from, unsigned to);
/* The nth comes, and those before it of the same two nodes; false: there are not so many. Who does not
 * know its sender does not get it. */
bool world_bus_deliver(struct world_bus *bus, size_t nth);
bool world_bus_lose(struct world_bus *bus, size_t nth);
/* A node sends these bytes, whatever they are. */
void world_bus_forge(struct world_bus *bus, unsigned from, unsigned to, enum bus_kind kind,
                     struct str body);
void world_bus_limit(struct world_bus *bus, size_t max_body); /* on all: 1 MiB at first */
/* It has no connection: sends nothing, gets nothing; what was under way is lost. */
void world_bus_cut(struct world_bus *bus, unsigned node, bool is_cut);

/* ---- what a node is told of another one ---- */

void world_peer_news(struct world_bus *bus, unsigned node, unsigned about, enum bus_news news);
bool world_bus_knows(const struct world_bus *bus, unsigned node, unsigned about);
void world_bus_meet(struct world_bus *bus); /* all of all that they do not know: they came */
/* The node's world ends: it stops and says good-bye (LEFT), or is given up (DEAD), or nobody is told
 * (CAME). */
void world_bus_end(struct world_bus *bus, unsigned node, enum bus_news news);
void world_bus_beat(struct world_bus *bus,
                    unsigned node); /* goes to all others, in order with the rest */

/* ---- all together ---- */

unsigned world_bus_n_nodes(const struct world_bus *bus); /* so far, with those that have ended */
struct world *world_bus_world(struct world_bus *bus, unsigned node); /* NULL: it has ended */
void world_bus_tick(struct world_bus *bus, uint32_t ms);             /* all worlds' time */
void world_bus_settle(struct world_bus *bus); /* until nothing moves in any world and on the bus */
/* That, with beats, and so much time that nothing is due any more. */
void world_bus_rest(struct world_bus *bus);
/* After world_bus_rest, when all know all: that every list that somebody keeps anywhere is the true one. */
void world_bus_check(struct world_bus *bus);

#endif
