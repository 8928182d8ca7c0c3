/* SPDX-License-Identifier: PostgreSQL */
/* What is known of rows that were to be read anew, when what was known is void. */
#include "core/hub/live/reread.h"

#include "hub_harness.h"

/* A hub of which nothing is there but what is looked at. */
static struct hub hub_at(uint64_t log_id)
{
    return (struct hub){.rereads = rereads_new(), .log_id = log_id};
}

static void test_nobody_knows_of_positions_from_before(void **state)
{
    (void)state;
    struct hub hub = hub_at(200);
    rereads_void(&hub);
    assert_true(reread_perhaps(&hub, NULL, NULL, 200));
    rereads_free(hub.rereads);
}

/* The store takes an epoch away and gives it back: what clients have of it is as it was. */
static void test_nor_when_it_is_void_twice(void **state)
{
    (void)state;
    struct hub hub = hub_at(200);
    rereads_void(&hub);
    rereads_void(&hub);
    assert_true(reread_perhaps(&hub, NULL, NULL, 100));
    assert_true(reread_perhaps(&hub, NULL, NULL, 200));
    rereads_free(hub.rereads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_knows_of_positions_from_before),
        cmocka_unit_test(test_nor_when_it_is_void_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
