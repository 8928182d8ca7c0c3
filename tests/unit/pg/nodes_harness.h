/* SPDX-License-Identifier: PostgreSQL */
/* Beside what bed_harness.h has: three nodes on one database, with a bus between them. */
#ifndef HERALD_TESTS_UNIT_PG_NODES_HARNESS_H
#define HERALD_TESTS_UNIT_PG_NODES_HARNESS_H

#include "../../fakes/wire.h"
#include "bed_harness.h"

enum { N_NODES = 3 };

static struct wire *wire;
static struct bed *nodes[N_NODES];

static inline int setup_nodes(void **state)
{
    setup(state);
    wire = wire_new(bed->loop);
    nodes[0] = bed;
    for (size_t i = 1; i < N_NODES; i++) {
        nodes[i] = bed_beside(bed);
    }
    return 0;
}

static inline int teardown_nodes(void **state)
{
    for (size_t i = 0; i < N_NODES; i++) {
        if (nodes[i]->database) {
            bed_end(nodes[i]);
        }
    }
    wire_free(wire);
    for (size_t i = N_NODES - 1; i > 0; i--) {
        bed_free(nodes[i]);
    }
    return teardown(state);
}

static inline struct database_options node_options(size_t i)
{
    struct database_options options =
        bed_options(nodes[i], cluster_url(bed->name, "herald_server"));
    options.bus = wire_join(wire, nodes[i]);
    static const char *const names[] = {"first", "second", "third"};
    options.node = options.node_name = names[i];
    return options;
}

static inline void start_node(size_t i)
{
    struct database_options options = node_options(i);
    bed_start(nodes[i], &options);
    bed_wait(nodes[i], &nodes[i]->n_up, 1);
}

/* The first one leads. */
static inline void start_nodes(void)
{
    for (size_t i = 0; i < N_NODES; i++) {
        start_node(i);
    }
    assert_true(database_is_leading(bed->database));
    assert_false(database_is_leading(nodes[1]->database));
}

static inline void wait_for_events(size_t n)
{
    for (size_t i = 0; i < N_NODES; i++) {
        if (nodes[i]->database) {
            bed_wait(nodes[i], &nodes[i]->n_events, n);
        }
    }
}

static inline void say(size_t i, const char *channel, uint32_t nth)
{
    char payload[48];
    snprintf(payload, sizeof(payload), "\"%zu says #%u\"", i, nth);
    assert_true(bed_append(nodes[i], channel, str_of(payload), nth));
}

static inline void publish(unsigned n)
{
    bed_sql(bed, "SELECT count(herald.publish('room', to_json(g))) FROM generate_series(1, %u) g",
            n);
}

#define NODES_TEST(name) cmocka_unit_test_setup_teardown(name, setup_nodes, teardown_nodes)

#endif
