/* SPDX-License-Identifier: PostgreSQL */
/* Several nodes on one database: one order on all, who leads, and what becomes of messages that
 * followers store. */
#include "nodes_harness.h"

static void check_all(size_t n)
{
    wait_for_events(n);
    for (size_t i = 0; i < N_NODES; i++) {
        bed_check_against_log(nodes[i], 0);
    }
}

static void test_all_serve_in_one_order(void **state)
{
    (void)state;
    start_nodes();
    publish(10);
    for (uint32_t nth = 1; nth <= 30; nth++) {
        say(nth % 3, nth % 2 ? "room" : "hall", nth);
    }
    publish(10);
    check_all(50);
    for (size_t i = 0; i < N_NODES; i++) {
        bed_wait(nodes[i], &nodes[i]->n_done, 10);
    }
    assert_int_equal(
        bed_number(bed, "SELECT count(DISTINCT (channel, channel_offset)) FROM herald.log"), 50);
}

static void test_without_a_bus(void **state)
{
    (void)state;
    wire_set_mode(wire, WIRE_CUT);
    test_all_serve_in_one_order(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NODES_TEST(test_all_serve_in_one_order),
        NODES_TEST(test_without_a_bus),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
