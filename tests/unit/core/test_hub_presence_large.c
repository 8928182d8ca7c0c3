/* SPDX-License-Identifier: PostgreSQL */
/* Presence in large channels: news are gathered until a tick, and a joiner that wants the list
 * waits until it is in it. What a list must be is checked by the fake world at each frame and by
 * check_rest. */
#include "hub_harness.h"

static const struct rule LISTING = {
    .anonymous_clients = true, .public_messaging = true, .presence = true};
static const struct rule NOT_LISTING = {.anonymous_clients = true, .public_messaging = true};

enum { MANY = 150 };

/* A channel of so many that its changes wait, at rest. Slots 0 … 4 of both workers stay free. */
static void crowd(struct rule rule, uint32_t grace_ms)
{
    new_world((struct world_options){.slots = 200, .presence_grace_ms = grace_ms});
    world_rule(world, rule);
    for (unsigned i = 0; i < MANY; i++) {
        open_as(i % 2, 10 + i / 2, WHO_ANYBODY);
        join(i % 2, 10 + i / 2, PLAIN);
    }
    world_rest(world);
}

static void test_a_large_channel_gathers_its_news(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    enter(0, 0, WHO_ANN, PRESENCE);
    world_tick(world, 50);
    assert_string_equal(kinds(0, 0), "JF");
    world_take(world, 0, 0);
    for (unsigned i = 0; i < 5; i++) {
        enter(1, i, WHO_ANYBODY, PLAIN);
    }
    world_close(world, 0, 10);
    assert_string_equal(kinds(0, 0), "");
    world_tick(world, 50);
    assert_string_equal(kinds(0, 0), "U");
    assert_int_equal(last_note(0, 0).n, 6);
    assert_int_equal(last_note(0, 0).n_joins, 5);
    check_rest();
}

static void test_the_larger_the_longer(void **state)
{
    (void)state;
    crowd(LISTING, 0); /* of 150: 7 ms */
    enter(0, 0, WHO_ANN, PRESENCE);
    world_tick(world, 6);
    enter(0, 1, WHO_ANN, PRESENCE);
    world_tick(world, 6);
    assert_string_equal(kinds(0, 1), "");
    world_tick(world, 1);
    assert_string_equal(kinds(0, 1), "JF");
}

static void test_a_state_outlives_a_newer_token(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    enter(0, 0, WHO_BEN, (struct world_join){.state = true});
    world_tick(world, 50);
    world_take(world, 0, 0);
    enter(0, 1, WHO_ANN, PLAIN); /* not announced yet */
    world_set_state(world, 0, 1, 0, "{\"a\":1}");
    world_renew(world, 0, 1, WHO_ANN_NEW);
    world_tick(world, 50);
    assert_string_equal(kinds(0, 0), "U");
    assert_string_equal(last_note(0, 0).text, "{\"a\":1}");
}

static void test_who_wants_presence_waits_for_the_list(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    open_as(0, 0, WHO_ANN);
    join(0, 0, PRESENCE);
    world_message(world, 0, 0, 0, "1");
    open_as(0, 1, WHO_BEN);
    join(0, 1, PLAIN);
    world_message(world, 0, 1, 0, "2");
    assert_string_equal(kinds(0, 0), "");
    assert_string_equal(kinds(0, 1), "JM"); /* who does not, does not */
    world_tick(world, 50);
    assert_string_equal(kinds(0, 0), "JFM");
    assert_int_equal(world_list_size(world, 0, 0, 0), MANY + 2);
    check_rest();
}

static void test_those_who_wait_together_share_one_list(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    uint64_t before = world_stats(world)->full_encoded;
    for (unsigned i = 0; i < 10; i++) {
        open_as(i % 2, i / 2, WHO_ANYBODY);
        join(i % 2, i / 2, PRESENCE);
    }
    world_tick(world, 50);
    assert_int_equal(world_stats(world)->full_encoded, before + 1);
    for (unsigned i = 0; i < 10; i++) {
        assert_string_equal(kinds(i % 2, i / 2), "JF");
    }
    check_rest();
}

static void test_who_came_and_went_was_never_there(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    enter(0, 0, WHO_ANN, PRESENCE);
    world_tick(world, 50);
    world_take(world, 0, 0);
    uint64_t rows = world_stats(world)->sql_rows;
    for (unsigned i = 0; i < 3; i++) {
        open_as(1, i, WHO_ANYBODY);
        join(1, i, PLAIN);
    }
    world_leave(world, 1, 1, 0);
    world_close(world, 1, 0);
    world_leave(world, 1, 2, 0);
    world_tick(world, 5000);
    assert_string_equal(kinds(0, 0), "");
    assert_int_equal(world_stats(world)->sql_rows, rows);
    check_rest();
}

static void test_the_order_of_arrivals_survives_a_cancelled_one(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    enter(0, 0, WHO_ANN, PRESENCE);
    world_tick(world, 50);
    world_take(world, 0, 0);
    for (unsigned i = 0; i < 4; i++) {
        enter(1, i, WHO_ANYBODY, PLAIN);
    }
    world_leave(world, 1, 0, 0); /* comes, goes */
    world_leave(world, 1, 1, 0);
    join(1, 0, PLAIN); /* and comes again, behind the others */
    world_tick(world, 50);
    assert_int_equal(last_note(0, 0).n, 3);
    assert_string_equal(last_note(0, 0).socket, world_socket_id(world, 1, 2));
    check_rest();
}

static void test_leaving_and_coming_back_between_two_flushes(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    enter(0, 0, WHO_ANN, PRESENCE);
    enter(0, 1, WHO_BEN, PRESENCE);
    world_tick(world, 50);
    world_take(world, 0, 0);
    world_leave(world, 0, 1, 0);
    join(0, 1, PRESENCE);
    world_tick(world, 50);
    assert_int_equal(last_note(0, 0).n, 2); /* left, joined */
    assert_int_equal(last_note(0, 0).n_joins, 1);
    check_rest();
}

static void test_a_member_not_yet_listed_asks_for_presence(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    open_as(0, 0, WHO_ANN);
    join(0, 0, PLAIN);
    join(0, 0, PRESENCE);
    assert_string_equal(kinds(0, 0), "J");
    world_tick(world, 50);
    assert_string_equal(kinds(0, 0), "JJF");
    check_rest();
}

static void test_a_second_join_gets_the_list_as_announced(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    enter(0, 0, WHO_ANN, PRESENCE);
    world_tick(world, 50);
    world_take(world, 0, 0);
    enter(0, 1, WHO_BEN, PLAIN);
    world_close(world, 1, 10);
    join(0, 0, PRESENCE);
    assert_string_equal(kinds(0, 0), "JF");
    assert_int_equal(last_note(0, 0).n, MANY + 1);
    world_tick(world, 50);
    assert_string_equal(kinds(0, 0), "JFU");
    assert_int_equal(last_note(0, 0).n, 2);
    check_rest();
}

static void test_several_channels_have_news(void **state)
{
    (void)state;
    new_world((struct world_options){.presence_at_once = 1});
    world_rule(world, LISTING);
    for (unsigned slot = 0; slot < 4; slot++) {
        open_as(0, slot, WHO_ANN);
        for (unsigned c = 0; c < 3; c++) {
            world_join(world, 0, slot, c, PRESENCE);
        }
    }
    world_rest(world);
    world_take(world, 0, 1);
    for (unsigned c = 0; c < 3; c++) {
        world_leave(world, 0, 0, c);
    }
    const struct rule rules[] = {
        {.pattern = "room/*", .presence = true},
        {.pattern = "room/1"}, /* this one ends before its news are told */
    };
    world_rules(world, rules, 2);
    assert_string_equal(kinds(0, 1), "");
    world_tick(world, 50);
    assert_string_equal(kinds(0, 1), "UU");
    check_rest();
}

static void test_the_database_is_back_while_somebody_arrives(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    enter(0, 0, WHO_ANN, PLAIN);
    world_close(world, 1, 10);
    world_down(world);
    world_up(world, "e1");
    world_close(world, 0, 0); /* it was never listed */
    check_rest();
    assert_int_equal(world_sql_size(world, 0), MANY - 1);
}

static void test_a_member_that_waits_for_the_list_is_removed(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    open_as(0, 0, WHO_ANN);
    join(0, 0, PLAIN);
    join(0, 0, PRESENCE);
    world_message(world, 0, 0, 0, "1");
    world_disconnect(
        world, (struct directive){.has_dbo_id = true, .dbo_id = 12, .channel = STR("room/0")});
    world_tick(world, 50);
    /* Its join was not answered, so it comes again, as a first one. */
    assert_string_equal(kinds(0, 0), "JOJFM");
    check_rest();
}

static void test_a_parked_session_closes(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    open_as(0, 0, WHO_ANN);
    join(0, 0, PRESENCE);
    world_close(world, 0, 0);
    open_as(0, 0, WHO_BEN);
    world_tick(world, 50);
    assert_string_equal(kinds(0, 0), "");
    check_rest();
}

static void test_a_parked_join_loses_its_right(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    const struct rule rules[] = {
        {.pattern = "room/0", .public_messaging = true, .public_auth = true, .presence = true},
        {.pattern = "room/1", .anonymous_clients = true, .presence = true},
    };
    for (unsigned i = 10; i < 85; i++) { /* these may stay in the new rule */
        world_close(world, 0, i);
        world_close(world, 1, i);
        enter(0, i, WHO_BEN, PLAIN);
        enter(1, i, WHO_BEN, PLAIN);
    }
    world_rest(world);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PRESENCE);
    world_join(world, 0, 0, 1, PRESENCE);
    world_rules(world, rules, 2);
    world_tick(world, 50);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "OJF"); /* refused in room/0, and alone in room/1 */
    assert_int_equal(world_list_size(world, 0, 0, 1), 1);
    check_rest();
}

static void test_a_parked_join_is_refused_by_a_new_judge(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    struct rule rule = LISTING;
    rule.authorize = "auth_a";
    world_deny(world, 'a', 0, WHO_ANN, true);
    open_as(0, 0, WHO_ANN);
    join(0, 0, PRESENCE);
    world_join(world, 0, 0, 1, PRESENCE);
    world_rule(world, rule);
    world_settle(world);
    world_tick(world, 50);
    check_rest();
    assert_string_equal(kinds(0, 0), "OJF");
    world_check_rights(world);
}

static void test_a_large_channel_shrinks(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    enter(0, 0, WHO_ANN, PRESENCE);
    world_tick(world, 50);
    open_as(0, 1, WHO_BEN);
    join(0, 1, PRESENCE); /* parked */
    for (unsigned i = 10; i < 50; i++) {
        world_close(world, 0, i);
    }
    assert_string_equal(kinds(0, 1), "");
    for (unsigned i = 10; i < 50; i++) {
        world_close(world, 1, i);
        world_tick(world, 10);
    }
    assert_string_equal(world_kinds(world, 0, 1) + 2, "UUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUUU");
    check_rest();
}

static void test_the_rule_stops_to_list_while_joins_are_parked(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    open_as(0, 0, WHO_ANN);
    join(0, 0, PRESENCE);
    open_as(0, 1, WHO_ANN);
    join(0, 1, PLAIN);
    join(0, 1, PRESENCE);
    world_rule(world, NOT_LISTING);
    assert_string_equal(kinds(0, 0), "J");
    assert_string_equal(kinds(0, 1), "JJ");
    check_rest();
    world_rule(world, LISTING);
    assert_string_equal(kinds(0, 0), "JF");
    assert_string_equal(kinds(0, 1), "JJF");
    check_rest();
}

static void test_all_lists_end_with_the_rule(void **state)
{
    (void)state;
    crowd(LISTING, 5000);
    enter(0, 0, WHO_ANN, PRESENCE);
    world_close(world, 0, 0); /* kept for a while */
    open_as(0, 1, WHO_BEN);
    join(0, 1, PRESENCE);
    world_rules(world, NULL, 0);
    check_rest();
    assert_int_equal(last_code(0, 1), ERROR_CODE_NO_CHANNEL);
    assert_int_equal(world_sql_size(world, 0), 0);
}

static void test_one_who_goes_on_may_leave_while_others_are_removed(void **state)
{
    (void)state;
    crowd(LISTING, 0);
    enter(0, 0, WHO_ANN, PRESENCE);
    world_tick(world, 50);
    for (unsigned i = 0; i < 3; i++) { /* parked, and with more to do */
        open_as(1, i, WHO_ANN);
        join(1, i, PRESENCE);
        world_leave(world, 1, i, 0);
        world_join(world, 1, i, 1, PRESENCE);
        world_leave(world, 1, i, 1);
    }
    world_disconnect(world, (struct directive){.channel = STR("room/0")});
    world_settle(world);
    check_rest();
    for (unsigned i = 0; i < 3; i++) {
        assert_string_equal(kinds(1, i), "JFLJFL");
    }
    assert_int_equal(world_sql_size(world, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_large_channel_gathers_its_news),
        T(test_the_larger_the_longer),
        T(test_a_state_outlives_a_newer_token),
        T(test_who_wants_presence_waits_for_the_list),
        T(test_those_who_wait_together_share_one_list),
        T(test_who_came_and_went_was_never_there),
        T(test_the_order_of_arrivals_survives_a_cancelled_one),
        T(test_leaving_and_coming_back_between_two_flushes),
        T(test_a_member_not_yet_listed_asks_for_presence),
        T(test_a_second_join_gets_the_list_as_announced),
        T(test_several_channels_have_news),
        T(test_the_database_is_back_while_somebody_arrives),
        T(test_a_member_that_waits_for_the_list_is_removed),
        T(test_a_parked_session_closes),
        T(test_a_parked_join_loses_its_right),
        T(test_a_parked_join_is_refused_by_a_new_judge),
        T(test_a_large_channel_shrinks),
        T(test_the_rule_stops_to_list_while_joins_are_parked),
        T(test_all_lists_end_with_the_rule),
        T(test_one_who_goes_on_may_leave_while_others_are_removed),
    };
    return cmocka_run_group_tests_name("core/hub/presence-large", tests, NULL, NULL);
}
