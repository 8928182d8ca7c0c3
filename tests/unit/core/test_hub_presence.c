/* SPDX-License-Identifier: PostgreSQL */
/* Who is here: lists, news, small and large channels, and the table in SQL. What a list must be is
 * checked by the fake world at each frame and by check_rest. */
#include "hub_harness.h"

static const struct rule LISTING = {
    .anonymous_clients = true, .public_messaging = true, .presence = true};
static const struct rule LISTING_WITH_HISTORY = {
    .anonymous_clients = true, .public_messaging = true, .presence = true, .message_history = 10};
static const struct rule NOT_LISTING = {.anonymous_clients = true, .public_messaging = true};
static const struct world_join BOTH = {.presence = true, .history = true};

/* ---- small channels ---- */

static void test_a_joiner_gets_the_list_and_the_others_the_news(void **state)
{
    (void)state;
    world_rule(world, LISTING);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PRESENCE);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JF");
    assert_int_equal(last_note(0, 0).n, 1); /* itself */
    open_as(1, 1, WHO_ANN);
    join(1, 1, PRESENCE);
    assert_string_equal(kinds(1, 1), "JF");
    assert_int_equal(last_note(1, 1).n, 2);
    assert_string_equal(kinds(0, 0), "JFU");
    assert_int_equal(last_note(0, 0).n_joins, 1);
    assert_string_equal(last_note(0, 0).socket, world_socket_id(world, 1, 1));
    world_leave(world, 1, 1, 0);
    assert_string_equal(kinds(0, 0), "JFUU");
    assert_int_equal(last_note(0, 0).n_joins, 0);
    assert_string_equal(kinds(1, 1), "JFL"); /* not told of its own leaving */
    check_rest();
}

static void test_the_list_comes_between_acknowledgement_and_history(void **state)
{
    (void)state;
    world_rule(world, LISTING_WITH_HISTORY);
    world_commit(world, 0);
    world_settle(world);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, BOTH);
    world_commit(world, 0);
    world_deliver(world);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JFH");
    check_rest();
}

static void test_who_does_not_ask_is_listed_but_told_nothing(void **state)
{
    (void)state;
    world_rule(world, LISTING);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(0, 1, WHO_ANYBODY, PRESENCE);
    assert_int_equal(world_list_size(world, 0, 1, 0), 2);
    world_close(world, 0, 1);
    assert_string_equal(kinds(0, 0), "");
    check_rest();
}

static void test_without_the_rule_nobody_is_listed(void **state)
{
    (void)state;
    world_rule(world, NOT_LISTING);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PRESENCE);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "J");
    check_rest();
    assert_int_equal(world_sql_size(world, 0), 0);
}

static void test_a_dropped_member_disappears(void **state)
{
    (void)state;
    world_rule(world, LISTING);
    enter(0, 0, WHO_ANYBODY, PRESENCE);
    enter(0, 1, WHO_ANN, PRESENCE);
    world_take(world, 0, 0);
    world_close(world, 0, 1);
    assert_string_equal(kinds(0, 0), "U");
    assert_int_equal(world_list_size(world, 0, 0, 0), 1);
    check_rest();
}

static void test_a_second_join_asks_for_presence_late(void **state)
{
    (void)state;
    world_rule(world, LISTING);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(0, 1, WHO_ANYBODY, PRESENCE);
    join(0, 0, PRESENCE);
    assert_string_equal(kinds(0, 0), "JF");
    enter(0, 2, WHO_ANYBODY, PLAIN);
    assert_string_equal(kinds(0, 0), "JFU");
    check_rest();
}

static void test_a_second_join_is_one_entry(void **state)
{
    (void)state;
    world_rule(world, LISTING);
    enter(0, 1, WHO_ANYBODY, PRESENCE);
    enter(0, 0, WHO_ANYBODY, PRESENCE);
    world_take(world, 0, 1);
    join(0, 0, PRESENCE);
    assert_string_equal(kinds(0, 0), "JF");
    assert_string_equal(kinds(0, 1), "");
    world_leave(world, 0, 0, 0);
    assert_string_equal(kinds(0, 1), "U");
    check_rest();
}

static void test_news_during_a_second_join_are_in_its_list(void **state)
{
    (void)state;
    world_rule(world, LISTING_WITH_HISTORY);
    enter(0, 0, WHO_ANYBODY, PRESENCE);
    join(0, 0, BOTH);
    enter(0, 1, WHO_ANYBODY, PLAIN);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JFH");
    assert_int_equal(world_list_size(world, 0, 0, 0), 2);
    check_rest();
}

static void test_a_second_join_that_does_not_ask_keeps_the_list_right(void **state)
{
    (void)state;
    world_rule(world, LISTING_WITH_HISTORY);
    enter(0, 0, WHO_ANYBODY, PRESENCE);
    enter(0, 1, WHO_ANYBODY, PLAIN);
    world_take(world, 0, 0);
    join(0, 0, HISTORY);
    world_close(world, 0, 1);
    open_as(0, 2, WHO_ANYBODY);
    join(0, 2, PLAIN);
    world_settle(world);
    check_rest();
    enter(0, 3, WHO_ANYBODY, PLAIN);
    check_rest();
    assert_int_equal(world_list_size(world, 0, 0, 0), 3);
}

static void test_a_second_join_that_fails_keeps_the_list_right(void **state)
{
    (void)state;
    world_rule(world, LISTING_WITH_HISTORY);
    enter(0, 0, WHO_ANYBODY, PRESENCE);
    join(0, 0, BOTH);
    open_as(0, 1, WHO_ANYBODY);
    join(0, 1, PLAIN);
    world_answer(world, false, true);
    enter(0, 2, WHO_ANYBODY, PLAIN);
    check_rest();
    assert_int_equal(world_list_size(world, 0, 0, 0), 3);
}

static void test_a_first_join_that_fails_is_taken_back(void **state)
{
    (void)state;
    world_rule(world, LISTING_WITH_HISTORY);
    enter(0, 0, WHO_ANYBODY, PRESENCE);
    open_as(0, 1, WHO_ANYBODY);
    join(0, 1, BOTH);
    world_answer(world, false, true);
    assert_string_equal(kinds(0, 0), "UU"); /* came and went */
    check_rest();
    assert_int_equal(world_sql_size(world, 0), 1);
}

/* ---- SQL ---- */

static void test_the_database_is_told_twice_a_second(void **state)
{
    (void)state;
    world_rule(world, LISTING);
    enter(0, 0, WHO_ANN, PLAIN);
    enter(0, 1, WHO_ANYBODY, PLAIN);
    world_tick(world, 500);
    assert_int_equal(world_sql_size(world, 0), 2);
    uint64_t calls = world_stats(world)->sql_calls;
    world_close(world, 0, 1);
    world_tick(world, 499);
    assert_int_equal(world_sql_size(world, 0), 2);
    world_tick(world, 1);
    assert_int_equal(world_sql_size(world, 0), 1);
    assert_int_equal(world_stats(world)->sql_calls, calls + 1);
    world_tick(world, 5000);
    assert_int_equal(world_stats(world)->sql_calls, calls + 1); /* nothing to tell */
    world_check_presence(world);
}

static void test_the_database_is_told_all_when_it_is_back(void **state)
{
    (void)state;
    world_rule(world, LISTING);
    enter(0, 0, WHO_ANN, PLAIN);
    enter(0, 1, WHO_ANYBODY, PLAIN);
    world_tick(world, 500);
    world_down(world);
    world_close(world, 0, 1);
    enter(0, 2, WHO_CLEO, PLAIN);
    world_tick(world, 5000);
    assert_int_equal(world_sql_size(world, 0), 0);
    world_up(world, "e1");
    check_rest();
    assert_int_equal(world_sql_size(world, 0), 2);
}

static void test_many_changes_are_several_calls(void **state)
{
    (void)state;
    new_world((struct world_options){.slots = 3000, .keeps_no_notes = true});
    world_rule(world, LISTING);
    world_tick(world, 1000);
    uint64_t calls = world_stats(world)->sql_calls;
    for (unsigned i = 0; i < 6000; i++) {
        open_as(i % 2, i / 2, WHO_ANYBODY);
        join(i % 2, i / 2, PLAIN);
    }
    world_rest(world);
    assert_int_equal(world_sql_size(world, 0), 6000);
    assert_in_range(world_stats(world)->sql_calls - calls, 2, 4);
}

/* ---- the rule begins and stops to list ---- */

static void test_the_rule_begins_to_list(void **state)
{
    (void)state;
    world_rule(world, NOT_LISTING);
    enter(0, 0, WHO_ANYBODY, PRESENCE);
    enter(0, 1, WHO_ANN, PLAIN);
    world_rule(world, LISTING);
    assert_string_equal(kinds(0, 0), "F");
    assert_int_equal(world_list_size(world, 0, 0, 0), 2);
    assert_string_equal(kinds(0, 1), "");
    enter(0, 2, WHO_ANYBODY, PLAIN);
    assert_string_equal(kinds(0, 0), "FU");
    check_rest();
    assert_int_equal(world_sql_size(world, 0), 3);
}

static void test_the_rule_begins_to_list_when_all_are_told_to_close(void **state)
{
    (void)state;
    world_rule(world, NOT_LISTING);
    enter(0, 0, WHO_ANYBODY, PRESENCE);
    world_disconnect(world, (struct directive){0});
    world_rule(world, LISTING);
    assert_string_equal(kinds(0, 0), "O");
    check_rest();
}

static void test_the_rule_begins_to_list_during_a_second_join(void **state)
{
    (void)state;
    struct rule rule = NOT_LISTING;
    rule.message_history = 10;
    world_rule(world, rule);
    enter(0, 0, WHO_ANYBODY, PRESENCE);
    join(0, 0, BOTH);
    world_commit(world, 0);
    world_deliver(world);
    world_rule(world, LISTING_WITH_HISTORY);
    enter(0, 1, WHO_ANYBODY, PLAIN);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JFH"); /* nothing before its answer */
    check_rest();
}

static void test_the_rule_stops_to_list(void **state)
{
    (void)state;
    world_rule(world, LISTING);
    enter(0, 0, WHO_ANYBODY, PRESENCE);
    enter(0, 1, WHO_ANN, PRESENCE);
    world_take(world, 0, 0);
    world_rule(world, NOT_LISTING);
    world_close(world, 0, 1);
    assert_string_equal(kinds(0, 0), "");
    check_rest();
    assert_int_equal(world_sql_size(world, 0), 0);
    world_rule(world, LISTING);
    assert_string_equal(kinds(0, 0), "F");
    assert_int_equal(world_list_size(world, 0, 0, 0), 1);
    check_rest();
}

static void test_the_rule_stops_to_list_while_a_join_reads(void **state)
{
    (void)state;
    world_rule(world, LISTING_WITH_HISTORY);
    open_as(0, 0, WHO_ANN);
    join(0, 0, BOTH);
    world_rule(world, NOT_LISTING);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JH");
    check_rest();
}

static void test_who_is_shut_out_by_the_rule_that_begins_to_list(void **state)
{
    (void)state;
    new_world((struct world_options){.authorize_cache_ms = 60000});
    world_rule(world, NOT_LISTING);
    enter(0, 0, WHO_ANYBODY, PRESENCE);
    enter(0, 1, WHO_BEN, PRESENCE);
    world_deny(world, 'a', 0, WHO_BEN, true);
    const struct rule judged = {
        .pattern = "room/0", .anonymous_clients = true, .authorize = "auth_a"};
    world_rules(world, &judged, 1); /* Ben is refused, which is remembered */
    world_settle(world);
    world_rule(world, NOT_LISTING);
    join(0, 1, PRESENCE);
    world_take(world, 0, 1);
    struct rule rule = LISTING;
    rule.authorize = "auth_a";
    world_rule(world, rule);
    assert_int_equal(last_code(0, 1), ERROR_CODE_REMOVED);
    assert_string_equal(kinds(0, 0), "F"); /* nobody hears of one who was never listed */
    check_rest();
    world_check_rights(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_joiner_gets_the_list_and_the_others_the_news),
        T(test_the_list_comes_between_acknowledgement_and_history),
        T(test_who_does_not_ask_is_listed_but_told_nothing),
        T(test_without_the_rule_nobody_is_listed),
        T(test_a_dropped_member_disappears),
        T(test_a_second_join_asks_for_presence_late),
        T(test_a_second_join_is_one_entry),
        T(test_news_during_a_second_join_are_in_its_list),
        T(test_a_second_join_that_does_not_ask_keeps_the_list_right),
        T(test_a_second_join_that_fails_keeps_the_list_right),
        T(test_a_first_join_that_fails_is_taken_back),
        T(test_the_database_is_told_twice_a_second),
        T(test_the_database_is_told_all_when_it_is_back),
        T(test_many_changes_are_several_calls),
        T(test_the_rule_begins_to_list),
        T(test_the_rule_begins_to_list_when_all_are_told_to_close),
        T(test_the_rule_begins_to_list_during_a_second_join),
        T(test_the_rule_stops_to_list),
        T(test_the_rule_stops_to_list_while_a_join_reads),
        T(test_who_is_shut_out_by_the_rule_that_begins_to_list),
    };
    return cmocka_run_group_tests_name("core/hub/presence", tests, NULL, NULL);
}
