/* SPDX-License-Identifier: PostgreSQL */
/* Sessions that drop and come back: within the grace time nobody hears of it. */
#include "hub_harness.h"

enum { GRACE_MS = 3000 };

static const struct rule LISTING = {
    .anonymous_clients = true, .public_messaging = true, .presence = true};

static int setup_grace(void **state)
{
    (void)state;
    world = world_new_with(&(struct world_options){.presence_grace_ms = GRACE_MS});
    world_rule(world, LISTING);
    enter(1, 5, WHO_ANYBODY, PRESENCE); /* who watches */
    return 0;
}

static const char *news(void)
{
    return kinds(1, 5);
}

static void test_who_comes_back_in_time_was_never_away(void **state)
{
    (void)state;
    char socket_id[ID_TEXT_SIZE];
    enter(0, 0, WHO_ANN, PRESENCE);
    memcpy(socket_id, world_socket_id(world, 0, 0), sizeof(socket_id));
    world_take(world, 1, 5);
    world_close(world, 0, 0);
    assert_string_equal(news(), "");
    world_tick(world, GRACE_MS - 1);
    open_as(0, 1, WHO_ANN);
    join(0, 1, PRESENCE);
    assert_string_equal(kinds(0, 1), "JF");
    assert_string_equal(world_socket_id(world, 0, 1), socket_id);
    assert_string_equal(news(), "");
    check_rest();
    assert_string_equal(news(), "");
    assert_int_equal(world_sql_size(world, 0), 2);
    world_message_private(world, 1, 5, 0, socket_id); /* and it is found by its socketId */
    assert_int_equal(last_note(1, 5).code, ERROR_CODE_PRIVATE_REFUSED);
}

static void test_who_does_not_come_back_leaves_then(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PRESENCE);
    world_take(world, 1, 5);
    world_close(world, 0, 0);
    world_tick(world, GRACE_MS - 1);
    assert_string_equal(news(), "");
    world_tick(world, 1);
    assert_string_equal(news(), "U");
    check_rest();
}

static void test_who_comes_back_too_late_is_somebody_new(void **state)
{
    (void)state;
    char socket_id[ID_TEXT_SIZE];
    enter(0, 0, WHO_ANN, PRESENCE);
    memcpy(socket_id, world_socket_id(world, 0, 0), sizeof(socket_id));
    world_close(world, 0, 0);
    world_tick(world, GRACE_MS);
    enter(0, 0, WHO_ANN, PRESENCE);
    assert_string_not_equal(world_socket_id(world, 0, 0), socket_id);
    assert_string_equal(news(), "UUU");
    check_rest();
}

static void test_a_shorter_grace_does_not_wait_for_a_longer_one(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PRESENCE);
    enter(0, 1, WHO_BEN, PRESENCE);
    enter(0, 2, WHO_CLEO, PRESENCE);
    world_take(world, 1, 5);
    world_close(world, 0, 0);
    world_set_grace(world, GRACE_MS / 3);
    world_close(world, 0, 1);
    world_set_grace(world, GRACE_MS / 2);
    world_close(world, 0, 2);
    world_tick(world, GRACE_MS / 3);
    assert_string_equal(news(), "U");
    world_tick(world, GRACE_MS / 6);
    assert_string_equal(news(), "UU");
    world_tick(world, GRACE_MS / 2 - 1);
    assert_string_equal(news(), "UU");
    world_tick(world, 1);
    assert_string_equal(news(), "UUU");
    check_rest();
}

static void test_anonymous_clients_leave_at_once(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANYBODY, PRESENCE);
    enter(0, 1, WHO_TABLE, PRESENCE); /* nor can one without a row be known again */
    world_take(world, 1, 5);
    world_close(world, 0, 0);
    world_close(world, 0, 1);
    assert_string_equal(news(), "UU");
    check_rest();
}

static void test_other_users_do_not_take_it_up(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PRESENCE);
    world_take(world, 1, 5);
    world_close(world, 0, 0);
    enter(0, 1, WHO_BEN, PRESENCE);
    enter(0, 2, WHO_CLEO, PRESENCE); /* the same row_id of another table */
    assert_string_equal(news(), "UU");
    assert_int_equal(world_list_size(world, 1, 5, 0), 4);
    check_rest();
}

static void test_other_extras_are_news(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PRESENCE);
    world_take(world, 1, 5);
    world_close(world, 0, 0);
    enter(0, 1, WHO_ANN_NEW, PRESENCE);
    assert_string_equal(news(), "UU"); /* the old one leaves, the new one comes: one socketId */
    assert_int_equal(world_list_size(world, 1, 5, 0), 2);
    check_rest();
}

static void test_other_extras_in_a_channel_of_one(void **state)
{
    (void)state;
    open_as(0, 0, WHO_ANN);
    world_join(world, 0, 0, 1, PRESENCE);
    world_settle(world);
    world_close(world, 0, 0);
    open_as(0, 1, WHO_ANN_NEW);
    world_join(world, 0, 1, 1, PRESENCE);
    world_settle(world);
    assert_string_equal(kinds(0, 1), "JF");
    check_rest();
    assert_int_equal(world_sql_size(world, 1), 1);
}

static void test_what_is_not_joined_again_leaves_in_time(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PRESENCE);
    enter(1, 4, WHO_ANYBODY, PLAIN);
    world_join(world, 1, 4, 1, PRESENCE);
    world_join(world, 0, 0, 1, PLAIN);
    world_settle(world);
    world_take(world, 1, 4);
    world_close(world, 0, 0);
    enter(0, 1, WHO_ANN, PLAIN);
    assert_string_equal(kinds(1, 4), "");
    world_tick(world, GRACE_MS);
    assert_string_equal(kinds(1, 4), "U");
    assert_int_equal(world_list_size(world, 1, 5, 0), 3);
    check_rest();
}

static void test_it_drops_again_before_all_is_joined_again(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PLAIN);
    enter(1, 4, WHO_ANYBODY, PLAIN);
    world_join(world, 1, 4, 1, PRESENCE);
    world_join(world, 0, 0, 1, PLAIN);
    world_settle(world);
    world_take(world, 1, 4);
    world_take(world, 1, 5);
    world_close(world, 0, 0);
    world_tick(world, GRACE_MS - 100);
    enter(0, 1, WHO_ANN, PLAIN);
    world_close(world, 0, 1);
    world_tick(world, GRACE_MS - 100); /* the time begins anew */
    assert_string_equal(kinds(1, 4), "");
    open_as(0, 2, WHO_ANN);
    join(0, 2, PLAIN);
    world_join(world, 0, 2, 1, PLAIN);
    world_settle(world);
    check_rest();
    assert_string_equal(kinds(1, 4), "");
    assert_string_equal(news(), "");
}

static void test_two_tabs_are_taken_up_once_each(void **state)
{
    (void)state;
    char first[ID_TEXT_SIZE], second[ID_TEXT_SIZE];
    enter(0, 0, WHO_ANN, PRESENCE);
    enter(0, 1, WHO_ANN, PRESENCE);
    memcpy(first, world_socket_id(world, 0, 0), sizeof(first));
    memcpy(second, world_socket_id(world, 0, 1), sizeof(second));
    world_take(world, 1, 5);
    world_close(world, 0, 0);
    world_tick(world, 10);
    world_close(world, 0, 1);
    enter(0, 2, WHO_ANN, PRESENCE);
    enter(0, 3, WHO_ANN, PRESENCE);
    assert_string_equal(news(), "");
    enter(0, 4, WHO_ANN, PRESENCE); /* a third one is new */
    assert_string_equal(news(), "U");
    bool is_in_order = strcmp(world_socket_id(world, 0, 2), first) == 0;
    assert_string_equal(world_socket_id(world, 0, is_in_order ? 3 : 2), second);
    check_rest();
    assert_int_equal(world_sql_size(world, 0), 4);
}

static void test_three_tabs_of_which_one_is_over(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        enter(0, i, WHO_ANN, PRESENCE);
    }
    world_take(world, 1, 5);
    for (unsigned i = 0; i < 3; i++) {
        world_close(world, 0, i);
        world_tick(world, 1000);
    }
    assert_string_equal(news(), "U"); /* the first one's time is over */
    enter(0, 0, WHO_ANN, PRESENCE);
    enter(0, 1, WHO_ANN, PRESENCE);
    assert_string_equal(news(), "U");
    check_rest();
    assert_string_equal(news(), "U");
}

static void test_an_open_tab_does_not_take_up_another(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PRESENCE);
    enter(0, 1, WHO_ANN, PRESENCE);
    world_take(world, 1, 5);
    world_close(world, 0, 0);
    join(0, 1, PRESENCE);
    world_tick(world, GRACE_MS);
    assert_string_equal(news(), "U");
    check_rest();
}

static void test_leaving_is_not_dropping(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PRESENCE);
    world_take(world, 1, 5);
    world_leave(world, 0, 0, 0);
    assert_string_equal(news(), "U");
    world_close(world, 0, 0);
    check_rest();
}

static void test_who_is_told_to_close_is_not_kept(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PRESENCE);
    world_take(world, 1, 5);
    world_disconnect(world, (struct directive){.has_dbo_id = true, .dbo_id = 12});
    world_close(world, 0, 0);
    assert_string_equal(news(), "U");
    check_rest();
}

static void test_who_is_disconnected_while_away_leaves(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PRESENCE);
    world_join(world, 0, 0, 1, PRESENCE);
    world_settle(world);
    world_take(world, 1, 5);
    world_close(world, 0, 0);
    world_disconnect(world, (struct directive){.has_dbo_id = true, .dbo_id = 13});
    assert_string_equal(news(), "");
    world_disconnect(
        world, (struct directive){.has_dbo_id = true, .dbo_id = 12, .channel = STR("room/1")});
    assert_string_equal(news(), "");
    world_disconnect(world, (struct directive){.has_dbo_id = true, .dbo_id = 12});
    assert_string_equal(news(), "U");
    enter(0, 0, WHO_ANN, PRESENCE);
    assert_string_equal(news(), "UU");
    check_rest();
}

static void test_who_takes_up_an_entry_and_is_told_to_close(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PRESENCE);
    world_take(world, 1, 5);
    world_close(world, 0, 0);
    open_as(0, 1, WHO_ANN); /* has not joined yet */
    world_disconnect(world, (struct directive){.has_dbo_id = true, .dbo_id = 12});
    world_close(world, 0, 1);
    assert_string_equal(news(), "U");
    check_rest();
}

static void test_the_rule_stops_to_list_while_somebody_is_away(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PRESENCE);
    world_take(world, 1, 5);
    world_close(world, 0, 0);
    world_rule(world, (struct rule){.anonymous_clients = true});
    world_rule(world, LISTING);
    assert_int_equal(world_list_size(world, 1, 5, 0), 1);
    enter(0, 0, WHO_ANN, PRESENCE);
    assert_string_equal(news(), "FU");
    check_rest();
}

static void test_the_database_knows_who_is_away(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PRESENCE);
    world_close(world, 0, 0);
    world_down(world);
    world_up(world, "e1");
    world_tick(world, 500);
    assert_int_equal(world_sql_size(world, 0), 2);
    check_rest();
    assert_int_equal(world_sql_size(world, 0), 1);
}

static void test_a_join_that_was_under_way_is_not_kept(void **state)
{
    (void)state;
    struct rule rule = LISTING;
    rule.message_history = 10;
    world_rule(world, rule);
    enter(0, 0, WHO_ANN, PLAIN);
    world_message(world, 0, 0, 0, "1");
    world_join(world, 0, 0, 1, (struct world_join){.presence = true, .history = true});
    world_close(world, 0, 0);
    enter(0, 1, WHO_ANN, PLAIN);
    world_join(world, 0, 1, 1, PRESENCE);
    world_settle(world);
    check_rest();
}

/* ---- in a large channel ---- */

static void large(void)
{
    new_world((struct world_options){.slots = 200, .presence_grace_ms = GRACE_MS});
    world_rule(world, LISTING);
    for (unsigned i = 0; i < 150; i++) {
        enter(i % 2, 10 + i / 2, WHO_ANYBODY, PLAIN);
    }
    enter(1, 5, WHO_ANYBODY, PRESENCE);
    world_rest(world);
    world_take(world, 1, 5);
}

static void test_dropping_before_it_was_listed(void **state)
{
    (void)state;
    large();
    enter(0, 0, WHO_ANN, PLAIN);
    world_close(world, 0, 0);
    open_as(0, 1, WHO_ANN);
    join(0, 1, PRESENCE);
    assert_string_equal(kinds(0, 1), "");
    world_tick(world, 50);
    assert_string_equal(kinds(0, 1), "JF");
    assert_string_equal(news(), "U");
    check_rest();
    assert_string_equal(news(), "U");
}

static void test_other_extras_in_a_large_channel(void **state)
{
    (void)state;
    large();
    enter(0, 0, WHO_ANN, PRESENCE);
    world_tick(world, 50);
    world_take(world, 1, 5);
    world_close(world, 0, 0);
    open_as(0, 1, WHO_ANN_NEW);
    join(0, 1, PRESENCE);
    world_tick(world, 50);
    assert_string_equal(kinds(0, 1), "JF");
    assert_string_equal(news(), "U");
    assert_int_equal(last_note(1, 5).n, 2);
    check_rest();
}

static void test_all_time_is_over_at_once(void **state)
{
    (void)state;
    large();
    for (unsigned i = 0; i < 5; i++) {
        enter(0, i, WHO_ANN, PRESENCE);
        world_tick(world, 10);
    }
    world_take(world, 1, 5);
    for (unsigned i = 0; i < 5; i++) {
        world_close(world, 0, i);
    }
    world_tick(world, GRACE_MS);
    assert_string_equal(news(), "U");
    assert_int_equal(last_note(1, 5).n, 5);
    check_rest();
}

int main(void)
{
#define G(test) cmocka_unit_test_setup_teardown(test, setup_grace, teardown)
    const struct CMUnitTest tests[] = {
        G(test_who_comes_back_in_time_was_never_away),
        G(test_who_does_not_come_back_leaves_then),
        G(test_who_comes_back_too_late_is_somebody_new),
        G(test_a_shorter_grace_does_not_wait_for_a_longer_one),
        G(test_anonymous_clients_leave_at_once),
        G(test_other_users_do_not_take_it_up),
        G(test_other_extras_are_news),
        G(test_other_extras_in_a_channel_of_one),
        G(test_what_is_not_joined_again_leaves_in_time),
        G(test_it_drops_again_before_all_is_joined_again),
        G(test_two_tabs_are_taken_up_once_each),
        G(test_three_tabs_of_which_one_is_over),
        G(test_an_open_tab_does_not_take_up_another),
        G(test_leaving_is_not_dropping),
        G(test_who_is_told_to_close_is_not_kept),
        G(test_who_is_disconnected_while_away_leaves),
        G(test_who_takes_up_an_entry_and_is_told_to_close),
        G(test_the_rule_stops_to_list_while_somebody_is_away),
        G(test_the_database_knows_who_is_away),
        G(test_a_join_that_was_under_way_is_not_kept),
        G(test_dropping_before_it_was_listed),
        G(test_other_extras_in_a_large_channel),
        G(test_all_time_is_over_at_once),
    };
    return cmocka_run_group_tests_name("core/hub/grace", tests, NULL, NULL);
}
