/* SPDX-License-Identifier: PostgreSQL */
/* Ten thousand members of one presence channel, who come, churn, and go. Everybody's list must be
 * the true one, and what it costs is bounded and printed: the bytes are those of the real wire. */
#include "hub_harness.h"

enum {
    CROWD = 10000,
    SLOTS = CROWD / WORLD_WORKERS,
    PER_TICK = 500, /* 10 000 a second */
};

static void print_cost(const char *what, struct world_stats before)
{
    const struct world_stats *now = world_stats(world);
    print_message(
        "%s: %llu lists encoded (%llu bytes), %llu update frames (%llu updates, %llu "
        "bytes); to sessions %llu lists, %llu update frames, %llu bytes; to SQL %llu rows "
        "in %llu calls\n",
        what, (unsigned long long)(now->full_encoded - before.full_encoded),
        (unsigned long long)(now->full_encoded_bytes - before.full_encoded_bytes),
        (unsigned long long)(now->update_frames - before.update_frames),
        (unsigned long long)(now->updates - before.updates),
        (unsigned long long)(now->update_encoded_bytes - before.update_encoded_bytes),
        (unsigned long long)(now->full_sent - before.full_sent),
        (unsigned long long)(now->update_frames_sent - before.update_frames_sent),
        (unsigned long long)(now->sent_bytes - before.sent_bytes),
        (unsigned long long)(now->sql_rows - before.sql_rows),
        (unsigned long long)(now->sql_calls - before.sql_calls));
}

static void come(unsigned i)
{
    open_as(i % 2, i / 2, WHO_ANN);
    join(i % 2, i / 2, PRESENCE);
}

static void all_come(void)
{
    for (unsigned i = 0; i < CROWD; i++) {
        come(i);
        if (i == 0) {
            world_settle(world); /* the head is known from here on, and no join reads */
        }
        if (i % PER_TICK == PER_TICK - 1) {
            world_tick(world, HUB_TICK_MS);
        }
    }
    world_rest(world);
    world_check_presence(world);
    assert_int_equal(world_sql_size(world, 0), CROWD);
    for (unsigned i = 0; i < CROWD; i++) {
        assert_int_equal(world_list_size(world, i % 2, i / 2, 0), CROWD);
    }
}

/* Every tenth leaves and comes back, at once or after others. */
static void churn(void)
{
    for (unsigned i = 0; i < CROWD; i += 10) {
        if (i % 20 == 0) {
            world_leave(world, i % 2, i / 2, 0);
            join(i % 2, i / 2, PRESENCE);
        } else {
            world_close(world, i % 2, i / 2);
        }
        if (i % 1000 == 0) {
            world_tick(world, HUB_TICK_MS);
        }
    }
    world_rest(world);
    world_check_presence(world);
    for (unsigned i = 10; i < CROWD; i += 20) {
        come(i);
    }
    world_rest(world);
    world_check_presence(world);
    assert_int_equal(world_sql_size(world, 0), CROWD);
}

static void all_but_one_go(void)
{
    for (unsigned i = 1; i < CROWD; i++) {
        world_close(world, i % 2, i / 2);
        if (i % PER_TICK == 0) {
            world_tick(world, HUB_TICK_MS);
        }
    }
    world_rest(world);
    world_check_presence(world);
    assert_int_equal(world_list_size(world, 0, 0, 0), 1);
}

static void test_ten_thousand_come_churn_and_go(void **state)
{
    (void)state;
    new_world((struct world_options){.slots = SLOTS, .keeps_no_notes = true});
    world_rule(world, (struct rule){.anonymous_clients = true, .presence = true});
    struct world_stats before = *world_stats(world);
    all_come();
    print_cost("10 000 come", before);
    /* A flush in at most half a second and at least one tick, and one list for each. */
    assert_in_range(world_stats(world)->full_encoded - before.full_encoded, 1, 120);
    assert_in_range(world_stats(world)->update_frames - before.update_frames, 1, 120);
    before = *world_stats(world);
    churn();
    print_cost("1 000 leave and come back", before);
    before = *world_stats(world);
    all_but_one_go();
    print_cost("9 999 go", before);
    assert_in_range(world_stats(world)->update_frames - before.update_frames, 1, 120);
}

/* All come at once and half of them are gone before anybody was told. */
static void test_ten_thousand_come_and_half_go_between_two_flushes(void **state)
{
    (void)state;
    new_world((struct world_options){.slots = SLOTS, .keeps_no_notes = true});
    world_rule(world, (struct rule){.anonymous_clients = true, .presence = true});
    struct world_stats before = *world_stats(world);
    for (unsigned i = 0; i < CROWD; i++) {
        come(i);
        world_answer(world, false, false);
    }
    for (unsigned i = 200; i < CROWD; i += 2) { /* in the order of their coming: the worst case */
        world_close(world, i % 2, i / 2);
    }
    world_rest(world);
    world_check_presence(world);
    print_cost("10 000 come, half go at once", before);
    assert_int_equal(world_sql_size(world, 0), CROWD / 2 + 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_ten_thousand_come_churn_and_go),
        T(test_ten_thousand_come_and_half_go_between_two_flushes),
    };
    return cmocka_run_group_tests_name("core/hub/crowd", tests, NULL, NULL);
}
