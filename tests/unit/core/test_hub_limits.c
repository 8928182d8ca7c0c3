/* SPDX-License-Identifier: PostgreSQL */
/* Limits that only the hub can keep: of users and channels, and of what it holds back. */
#include "hub_harness.h"

static void test_sessions_of_a_user(void **state)
{
    (void)state;
    new_world((struct world_options){.max_user_sessions = 2});
    open_as(0, 0, WHO_ANN);
    open_as(1, 0, WHO_ANN_NEW); /* other extras, the same user */
    open_as(0, 1, WHO_BEN);
    open_as(0, 2, WHO_ANN);
    assert_int_equal(last_code(0, 2), ERROR_CODE_RATE_LIMITED);
    assert_int_equal(world_close_code(world, 0, 2), 1008);
    world_close(world, 1, 0);
    open_as(1, 1, WHO_ANN);
    join(1, 1, PLAIN);
    world_settle(world);
    assert_string_equal(kinds(1, 1), "J");
    check_rest();
}

/* Claims that name no row, and no claims at all, could be anybody's. */
static void test_nameless_sessions_are_not_counted(void **state)
{
    (void)state;
    new_world((struct world_options){.max_user_sessions = 1});
    for (unsigned slot = 0; slot < 3; slot++) {
        open_as(0, slot, WHO_ANYBODY);
        open_as(1, slot, WHO_TABLE);
        join(0, slot, PLAIN);
        join(1, slot, PLAIN);
    }
    world_settle(world);
    for (unsigned slot = 0; slot < 3; slot++) {
        assert_string_equal(kinds(0, slot), "J");
        assert_string_equal(kinds(1, slot), "J");
    }
    check_rest();
}

static void test_a_user_whom_the_database_names(void **state)
{
    (void)state;
    new_world((struct world_options){.max_user_sessions = 1});
    open_as(0, 0, WHO_ANN);
    world_open_opaque(world, 0, 1);
    assert_true(world_answer_token(world, WHO_ANN, ERROR_CODE_TOKEN_INVALID));
    world_settle(world);
    assert_int_equal(last_code(0, 1), ERROR_CODE_RATE_LIMITED);
    assert_int_equal(world_close_code(world, 0, 1), 1008);
    check_rest();
}

static void test_members_of_a_channel(void **state)
{
    (void)state;
    new_world((struct world_options){.max_channel_members = 2});
    for (unsigned slot = 0; slot < 3; slot++) {
        open_as(0, slot, WHO_ANYBODY);
        join(0, slot, PLAIN);
    }
    world_settle(world);
    assert_string_equal(kinds(0, 1), "J");
    assert_int_equal(last_code(0, 2), ERROR_CODE_CHANNEL_FULL);
    join(0, 1, PLAIN); /* is in already */
    world_leave(world, 0, 0, 0);
    join(0, 2, PLAIN);
    world_settle(world);
    assert_int_equal(last_note(0, 1).kind, NOTE_JOINED);
    assert_int_equal(last_note(0, 2).kind, NOTE_JOINED);
    check_rest();
}

static void test_open_channels(void **state)
{
    (void)state;
    new_world((struct world_options){.max_open_channels = 2});
    enter(0, 0, WHO_ANYBODY, PLAIN);
    open_as(0, 1, WHO_ANYBODY);
    world_join(world, 0, 1, 1, PLAIN);
    world_join(world, 0, 1, 2, PLAIN);
    world_settle(world);
    assert_int_equal(last_code(0, 1), ERROR_CODE_UNAVAILABLE);
    world_join(world, 0, 1, 0, PLAIN); /* opens none */
    world_settle(world);
    assert_int_equal(last_note(0, 1).kind, NOTE_JOINED);
    world_leave(world, 0, 1, 1);
    world_join(world, 0, 1, 2, PLAIN);
    world_settle(world);
    assert_int_equal(last_note(0, 1).kind, NOTE_JOINED);
    check_rest();
}

static void test_messages_on_a_channel(void **state)
{
    (void)state;
    new_world((struct world_options){.channel_messages = 2});
    world_site(world, 0, true, true);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(0, 1, WHO_ANYBODY, PLAIN);
    world_message(world, 0, 0, 0, "1");
    world_message(world, 0, 1, 0, "2");
    world_message(world, 0, 0, 0, "3"); /* the channel's, whoever sends */
    assert_int_equal(last_code(0, 0), ERROR_CODE_RATE_LIMITED);
    world_settle(world);
    assert_string_equal(kinds(0, 1), "MM");
    check_rest();
}

static void test_held_bytes_of_all(void **state)
{
    (void)state;
    new_world((struct world_options){.max_held_total_bytes = 1500, .max_held = 100});
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(0, 1, WHO_ANYBODY, PLAIN);
    world_history(world, 0, 0, 0); /* these two wait for the store, and what follows for them */
    world_history(world, 0, 1, 0);
    for (int i = 0; i < 10; i++) {
        world_leave(world, 0, 0, 1);
        world_leave(world, 0, 1, 1);
    }
    assert_int_equal(last_code(0, 0), ERROR_CODE_RATE_LIMITED);
    assert_int_equal(last_code(0, 1), ERROR_CODE_RATE_LIMITED);
    world_settle(world);
    world_take(world, 0, 0);
    world_history(world, 0, 0, 0); /* all is given back */
    world_leave(world, 0, 0, 1);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "HO");
    assert_int_equal(last_code(0, 0), ERROR_CODE_NOT_JOINED);
    check_rest();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_sessions_of_a_user),
        T(test_nameless_sessions_are_not_counted),
        T(test_a_user_whom_the_database_names),
        T(test_members_of_a_channel),
        T(test_open_channels),
        T(test_messages_on_a_channel),
        T(test_held_bytes_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
