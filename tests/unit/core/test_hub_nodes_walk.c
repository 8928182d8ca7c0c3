/* SPDX-License-Identifier: PostgreSQL */
/* Three nodes and one that comes later walk at random: sessions come and go, parcels come late or are lost,
 * links are cut, nodes are given up rightly and wrongly. Each frame that anybody is sent is checked as it
 * comes; and when all is quiet every list is the true one, and each seat has one session. */
#include "lists_harness.h"

enum { WALKS = 1500, STEPS = 250, SLOTS = 4, ROOMS = 2, NODES = 3 };

static const struct rule LISTING = {
    .anonymous_clients = true, .public_messaging = true, .presence = true};
static const struct rule NOT_LISTING = {.anonymous_clients = true, .public_messaging = true};

static uint64_t seed;

static unsigned pick(unsigned n)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed >> 33u) % n;
}

static struct world_options options_of(unsigned walk)
{
    return (struct world_options){
        .slots = SLOTS,
        .presence_grace_ms = walk & 1u ? 3000 : 0,
        .presence_at_once = walk & 2u ? 2 : 0,
    };
}

static void session_step(unsigned node)
{
    static const enum world_who people[] = {WHO_ANYBODY, WHO_ANN, WHO_ANN, WHO_BEN};
    static const char *const states[] = {"{\"a\":1}", "{\"b\":2}", "null"};
    struct world *world = at(node);
    unsigned slot = pick(SLOTS), room = pick(ROOMS);
    if (!world_is_open(world, 0, slot)) {
        world_open_as(world, 0, slot, people[pick(4)]);
        return;
    }
    switch (pick(6)) {
    case 0:
        world_leave(world, 0, slot, room);
        break;
    case 1:
        world_close(world, 0, slot);
        break;
    case 2:
        world_set_state(world, 0, slot, room, states[pick(3)]);
        break;
    default:
        world_join(world, 0, slot, room,
                   (struct world_join){.presence = pick(3) > 0, .state = pick(3) == 0});
        break;
    }
    if (pick(2)) {
        world_settle(world);
    }
}

static void give_up(unsigned node, unsigned about)
{
    if (node != about && world_bus_world(bus, about) && world_bus_knows(bus, node, about)) {
        world_peer_news(bus, node, about, pick(2) ? BUS_NEWS_DEAD : BUS_NEWS_STALE);
    }
}

static void link_step(unsigned node)
{
    switch (pick(6)) {
    case 0:
        world_bus_cut(bus, node, pick(2));
        break;
    case 1:
        give_up(node, pick(NODES));
        break;
    case 2:
        world_bus_meet(bus);
        break;
    default:
        world_bus_lose(bus, pick((unsigned)world_bus_n(bus) + 1));
        break;
    }
}

/* The last one is there from the beginning or comes in the place of one that ends. */
static void life_step(unsigned walk, unsigned node)
{
    if (pick(12) > 0) {
        world_rule(at(node), pick(3) ? LISTING : NOT_LISTING);
        return;
    }
    if (world_bus_n_nodes(bus) == NODES) {
        add_node(options_of(walk), LISTING);
        world_bus_end(bus, node, pick(2) ? BUS_NEWS_DEAD : BUS_NEWS_LEFT);
    }
}

static void step(unsigned walk)
{
    unsigned node = pick(NODES);
    node = world_bus_world(bus, node) ? node : D;
    unsigned kind = pick(20);
    if (kind < 10) {
        session_step(node);
    } else if (kind < 14) {
        world_bus_deliver(bus, pick((unsigned)world_bus_n(bus) + 1));
    } else if (kind < 15) {
        world_bus_settle(bus);
    } else if (kind < 16) {
        world_bus_tick(bus, pick(1500));
    } else if (kind < 17) {
        world_bus_beat(bus, node);
    } else if (kind < 19) {
        link_step(node);
    } else {
        life_step(walk, node);
    }
}

static void come_to_rest(void)
{
    for (unsigned node = 0; node < WORLD_NODES; node++) {
        if (world_bus_world(bus, node)) {
            world_bus_cut(bus, node, false);
            world_rule(at(node), LISTING);
        }
    }
    world_bus_meet(bus);
    world_bus_rest(bus);
}

static uint64_t n_wishes(void)
{
    uint64_t n = 0;
    for (unsigned node = 0; node < WORLD_NODES; node++) {
        n += world_bus_world(bus, node) ? world_count(at(node), METRIC_PRESENCE_WISHES) : 0;
    }
    return n;
}

/* When nothing changes any more all sums are right: else lists would be told for ever. */
static void check_nobody_asks(void)
{
    uint64_t before = n_wishes();
    world_bus_rest(bus);
    assert_int_equal(n_wishes(), before);
}

static void test_walks_end_with_true_lists(void **state)
{
    (void)state;
    for (unsigned walk = 0; walk < WALKS; walk++) {
        seed = walk;
        make_nodes(NODES, options_of(walk), LISTING);
        for (unsigned i = 0; i < STEPS; i++) {
            step(walk);
        }
        come_to_rest();
        world_bus_check(bus);
        check_nobody_asks();
        end_nodes(NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_walks_end_with_true_lists)};
    return cmocka_run_group_tests_name("core/hub/presence over nodes, walks", tests, NULL, NULL);
}
