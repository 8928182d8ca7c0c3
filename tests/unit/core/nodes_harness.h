/* SPDX-License-Identifier: PostgreSQL */
/* What the tests of several nodes share: three worlds, each a node, and short words for them. */
#ifndef HERALD_TESTS_UNIT_CORE_NODES_HARNESS_H
#define HERALD_TESTS_UNIT_CORE_NODES_HARNESS_H

#include "hub_harness.h"

#include "../../fakes/world_bus.h"

#include "core/nodes/parcel.h"

static struct world_bus *bus;
static struct world *nodes[3];

static const struct rule OPEN = {
    .anonymous_clients = true, .public_messaging = true, .private_messaging = true};

static inline void rule_all(struct rule rule)
{
    for (unsigned node = 0; node < 3; node++) {
        world_rule(nodes[node], rule);
    }
}

static inline int set_up(void **state)
{
    (void)state;
    bus = world_bus_new();
    for (unsigned node = 0; node < 3; node++) {
        nodes[node] = world_new_with(&(struct world_options){.bus = bus});
    }
    rule_all(OPEN);
    world_bus_meet(bus);
    world_bus_settle(bus);
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    for (unsigned node = 0; node < 3; node++) {
        if (world_bus_world(bus, node)) {
            world_check_refs(nodes[node]);
        }
    }
    for (unsigned node = 3; node > 0; node--) {
        if (world_bus_world(bus, node - 1)) {
            world_free(nodes[node - 1]);
        }
    }
    return 0;
}

/* Is in room/0 of this node, on worker 0. */
static inline const char *sit(unsigned node, unsigned slot, enum world_who who)
{
    world_open_as(nodes[node], 0, slot, who);
    world_join(nodes[node], 0, slot, 0, PLAIN);
    world_bus_settle(bus);
    world_take(nodes[node], 0, slot);
    return world_socket_id(nodes[node], 0, slot);
}

static inline void say(unsigned node, unsigned slot, const char *payload)
{
    world_message(nodes[node], 0, slot, 0, payload);
}

static inline void whisper(unsigned node, unsigned slot, const char *socket_id)
{
    world_message_private(nodes[node], 0, slot, 0, socket_id);
}

static inline void refer(unsigned node, const char *ref)
{
    world_refer(nodes[node], ref);
}

static inline const char *got(unsigned node, unsigned slot)
{
    return world_kinds(nodes[node], 0, slot);
}

static struct note newest(unsigned node, unsigned slot)
{
    return world_last(nodes[node], 0, slot);
}

static inline void expect_code(unsigned node, unsigned slot, enum error_code code)
{
    assert_string_equal(got(node, slot), "O");
    assert_int_equal(newest(node, slot).code, code);
    world_take(nodes[node], 0, slot);
}

static inline size_t n_under_way(enum bus_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < world_bus_n(bus); i++) {
        n += world_bus_parcel(bus, i)->kind == kind;
    }
    return n;
}

/* What one node has said to another one comes. */
static inline void carry(unsigned from, unsigned to)
{
    size_t i;
    while ((i = world_bus_find(bus, from, to)) < world_bus_n(bus)) {
        world_bus_deliver(bus, i);
    }
}

static inline void lose(unsigned from, unsigned to)
{
    size_t i;
    while ((i = world_bus_find(bus, from, to)) < world_bus_n(bus)) {
        world_bus_lose(bus, i);
    }
}

/* ---- what a node says, whatever it is ---- */

static inline void send_bytes(enum bus_kind kind, const struct buf *body, size_t len)
{
    world_bus_forge(bus, 1, 0, kind, (struct str){body->data, len});
    world_bus_settle(bus);
}

/* Nothing that is cut off anywhere, or goes on behind its end, does anything. */
static inline void expect_nothing(enum bus_kind kind, struct buf *body)
{
    for (size_t len = 0; len < body->len; len++) {
        send_bytes(kind, body, len);
    }
    buf_char(body, '\0');
    send_bytes(kind, body, body->len);
    assert_int_equal(world_count(nodes[0], METRIC_PARCELS_BAD), body->len);
    assert_string_equal(got(0, 0), "");
    buf_release(body);
}

#define N(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
