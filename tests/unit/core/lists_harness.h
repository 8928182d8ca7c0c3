/* SPDX-License-Identifier: PostgreSQL */
/* What the tests of lists over several nodes share: worlds on one bus, and short words for them. A node is a number,
 * and its sessions are on its worker 0. */
#ifndef HERALD_TESTS_UNIT_CORE_LISTS_HARNESS_H
#define HERALD_TESTS_UNIT_CORE_LISTS_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../fakes/world_bus.h"

enum { A, B, C, D };

static struct world_bus *bus;

static inline struct world *at(unsigned node)
{
    struct world *world = world_bus_world(bus, node);
    assert_non_null(world);
    return world;
}

static inline void add_node(struct world_options options, struct rule rule)
{
    options.bus = bus;
    world_rule(world_new_with(&options), rule);
}

/* So many, who know each other. */
static inline void make_nodes(unsigned n, struct world_options options, struct rule rule)
{
    bus = world_bus_new();
    for (unsigned i = 0; i < n; i++) {
        add_node(options, rule);
    }
    world_bus_meet(bus);
    world_bus_settle(bus);
}

static inline int end_nodes(void **state)
{
    (void)state;
    struct world *worlds[WORLD_NODES];
    for (unsigned node = 0; node < WORLD_NODES; node++) {
        worlds[node] = world_bus_world(bus, node);
    }
    for (unsigned node = 0; node < WORLD_NODES; node++) {
        if (worlds[node]) {
            world_free(worlds[node]);
        }
    }
    return 0;
}

/* Opens a session and joins room/0, and all is told everywhere. */
static inline void enter_at(unsigned node, unsigned slot, enum world_who who, struct world_join how)
{
    world_open_as(at(node), 0, slot, who);
    world_join(at(node), 0, slot, 0, how);
    world_bus_settle(bus);
}

static inline const char *kinds_at(unsigned node, unsigned slot)
{
    return world_kinds(at(node), 0, slot);
}

static inline struct note last_at(unsigned node, unsigned slot)
{
    return world_last(at(node), 0, slot);
}

static inline void take_at(unsigned node, unsigned slot)
{
    world_take(at(node), 0, slot);
}

static inline void close_at(unsigned node, unsigned slot)
{
    world_close(at(node), 0, slot);
    world_bus_settle(bus);
}

static inline void check_all(void)
{
    world_bus_rest(bus);
    world_bus_check(bus);
}

#endif
