/* SPDX-License-Identifier: PostgreSQL */
/* Rights that end while somebody uses them: rules that change, answers that are forgotten, and
 * herald.disconnect(). */
#include "hub_harness.h"

static const struct rule OPEN = {.anonymous_clients = true, .public_messaging = true};
static const struct rule SIGNED_IN = {.public_messaging = true, .public_auth = true};
static const struct rule JUDGED = {
    .anonymous_clients = true, .public_messaging = true, .authorize = "auth_a"};

static bool is_in(unsigned worker, unsigned slot, unsigned channel)
{
    world_history(world, worker, slot, channel);
    world_settle(world);
    return last_note(worker, slot).kind == NOTE_HISTORY;
}

/* ---- rules ---- */

static void test_a_rule_removes_only_those_who_lose_the_right(void **state)
{
    (void)state;
    world_rule(world, OPEN);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(0, 1, WHO_ANN, PLAIN);
    world_rule(world, SIGNED_IN);
    assert_int_equal(last_code(0, 0), ERROR_CODE_REMOVED);
    assert_string_equal(last_note(0, 0).channel, "room/0");
    assert_string_equal(last_note(0, 0).text, "You were removed from this channel.");
    assert_string_equal(kinds(0, 1), "");
    assert_true(is_in(0, 1, 0));
    world_message(world, 0, 1, 0, "1");
    assert_string_equal(kinds(0, 0), "O");
    assert_int_equal(world_close_code(world, 0, 0), 0); /* its socket stays */
}

static void test_a_dropped_rule_removes_all(void **state)
{
    (void)state;
    world_rule(world, OPEN);
    enter(0, 0, WHO_ANN, PLAIN);
    world_rules(world, NULL, 0);
    assert_int_equal(last_code(0, 0), ERROR_CODE_REMOVED);
    join(0, 0, PLAIN);
    assert_int_equal(last_code(0, 0), ERROR_CODE_NO_CHANNEL);
}

static void test_a_more_special_rule_counts(void **state)
{
    (void)state;
    const struct rule rules[] = {
        {.pattern = "room/*", .anonymous_clients = true},
        {.pattern = "room/1", .public_messaging = true, .public_auth = true},
    };
    world_rules(world, rules, 1);
    open_as(0, 0, WHO_ANYBODY);
    for (unsigned c = 0; c < 3; c++) {
        world_join(world, 0, 0, c, PLAIN);
    }
    world_settle(world);
    world_rules(world, rules, 2);
    assert_string_equal(kinds(0, 0), "JJJO");
    assert_string_equal(last_note(0, 0).channel, "room/1");
    check_rest();
    world_check_rights(world);
}

static void test_a_join_under_way_is_removed_too(void **state)
{
    (void)state;
    world_rule(world, OPEN);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, HISTORY);
    world_rule(world, SIGNED_IN);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "O");
    assert_int_equal(last_code(0, 0), ERROR_CODE_REMOVED);
    check_rest();
    world_check_rights(world);
}

static void test_a_session_that_is_told_to_close_is_told_no_more(void **state)
{
    (void)state;
    world_rule(world, OPEN);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_disconnect(world, (struct directive){0});
    world_disconnect(world, (struct directive){0});
    world_rule(world, SIGNED_IN);
    world_forget(world, NULL);
    assert_string_equal(kinds(0, 0), "O");
    check_rest();
}

static void test_on_leave_is_told_of_those_who_are_removed(void **state)
{
    (void)state;
    struct rule rule = OPEN;
    rule.on_leave = "left";
    world_rule(world, rule);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    rule.anonymous_clients = rule.public_messaging = false;
    world_rule(world, rule);
    assert_int_equal(n_calls(), 1);
    assert_string_equal(first_call().action, "leave");
}

/* ---- authorize functions ---- */

static void test_a_new_judge_looks_at_those_who_are_in(void **state)
{
    (void)state;
    world_rule(world, OPEN);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(0, 1, WHO_ANN, PLAIN);
    enter(0, 2, WHO_ANN, PLAIN);
    world_deny(world, 'a', 0, WHO_ANN, true);
    world_rule(world, JUDGED);
    assert_int_equal(n_calls(), 2); /* one for both of Ann's */
    world_settle(world);
    assert_string_equal(kinds(0, 0), "");
    assert_int_equal(last_code(0, 1), ERROR_CODE_REMOVED);
    assert_int_equal(last_code(0, 2), ERROR_CODE_REMOVED);
    check_rest();
    world_check_rights(world);
}

static void test_the_same_judge_is_not_asked_again(void **state)
{
    (void)state;
    world_rule(world, JUDGED);
    enter(0, 0, WHO_ANN, PLAIN);
    struct rule rule = JUDGED;
    rule.message_history = 5;
    world_rule(world, rule);
    assert_int_equal(n_calls(), 0);
    world_rule(world, OPEN); /* nor is there one to ask */
    assert_int_equal(n_calls(), 0);
}

static void test_a_judge_that_fails_removes(void **state)
{
    (void)state;
    world_rule(world, OPEN);
    enter(0, 0, WHO_ANN, PLAIN);
    world_rule(world, JUDGED);
    assert_true(world_reply(world, 0, FAILED));
    assert_int_equal(last_code(0, 0), ERROR_CODE_REMOVED);
}

static void test_a_forget_looks_at_those_who_are_in(void **state)
{
    (void)state;
    static const char *const patterns[] = {NULL, "room/0", "room/*", "room/1"};
    for (size_t i = 0; i < 4; i++) {
        new_world((struct world_options){.authorize_cache_ms = 60000});
        world_rule(world, JUDGED);
        enter(0, 0, WHO_ANN, PLAIN);
        world_deny(world, 'a', 0, WHO_ANN, true);
        world_forget(world, patterns[i]);
        world_settle(world);
        assert_string_equal(kinds(0, 0), i < 3 ? "O" : "");
        if (i < 3) {
            assert_int_equal(last_code(0, 0), ERROR_CODE_REMOVED);
            join(0, 0, PLAIN); /* which is remembered */
            assert_int_equal(last_code(0, 0), ERROR_CODE_JOIN_REFUSED);
        }
    }
}

static void test_a_forget_asks_only_where_there_is_a_judge(void **state)
{
    (void)state;
    const struct rule rules[] = {
        {.pattern = "room/0", .anonymous_clients = true, .authorize = "auth_a"},
        {.pattern = "room/1", .anonymous_clients = true},
        {.pattern = "room/2", .anonymous_clients = true, .authorize = "auth_a"},
    };
    world_rules(world, rules, 3);
    open_as(0, 0, WHO_ANN);
    for (unsigned c = 0; c < 3; c++) {
        world_join(world, 0, 0, c, PLAIN);
    }
    world_settle(world);
    world_forget(world, NULL);
    assert_int_equal(n_calls(), 2);
    world_forget(world, "room/2");
    assert_int_equal(n_calls(), 3); /* anew, though it is asked already */
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JJJ");
}

static void test_a_remembered_refusal_removes_at_once(void **state)
{
    (void)state;
    new_world((struct world_options){.authorize_cache_ms = 60000});
    world_rule(world, JUDGED);
    world_deny(world, 'a', 0, WHO_ANN, true);
    enter(0, 0, WHO_ANN, PLAIN);
    world_rule(world, OPEN);
    join(0, 0, PLAIN);
    world_rule(world, JUDGED);
    assert_int_equal(last_code(0, 0), ERROR_CODE_REMOVED);
    assert_int_equal(n_calls(), 0);
    check_rest();
}

static void test_a_member_leaves_while_it_is_judged(void **state)
{
    (void)state;
    world_rule(world, OPEN);
    enter(0, 0, WHO_ANN, PLAIN);
    enter(0, 1, WHO_ANN, PLAIN);
    enter(0, 2, WHO_ANN, PLAIN);
    world_deny(world, 'a', 0, WHO_ANN, true);
    world_rule(world, JUDGED);
    world_leave(world, 0, 0, 0);
    world_close(world, 0, 1);
    world_disconnect(world, (struct directive){.socket_id = str_of(world_socket_id(world, 0, 2))});
    world_settle(world);
    assert_string_equal(kinds(0, 0), "L");
    assert_string_equal(kinds(0, 2), "O");
    check_rest();
}

static void test_a_second_join_under_way_is_removed_by_the_judge(void **state)
{
    (void)state;
    world_rule(world, OPEN);
    enter(0, 0, WHO_ANN, PLAIN);
    world_commit(world, 0);
    world_settle(world);
    world_take(world, 0, 0);
    join(0, 0, (struct world_join){.has_since = true});
    world_deny(world, 'a', 0, WHO_ANN, true);
    world_rule(world, JUDGED);
    assert_true(world_reply(world, 0, DONE));
    world_settle(world);
    assert_string_equal(kinds(0, 0), "O");
    check_rest();
    world_check_rights(world);
}

/* ---- herald.disconnect() ---- */

static void test_disconnect_by_each_criterion(void **state)
{
    (void)state;
    static const struct {
        struct directive directive;
        const char *expected[6]; /* anybody, Ann, Ben, Cleo, table, Ann with other extras */
    } cases[] = {
        {{.has_dbo_id = true, .dbo_id = 12}, {"", "O", "O", "", "O", "O"}},
        {{.has_dbo_id = true, .dbo_id = 12, .row_id = {"34", 2}}, {"", "O", "", "", "", "O"}},
        {{.has_dbo_id = true, .dbo_id = 99}, {"", "", "", "", "", ""}},
        {{.has_dbo_id = true}, {"", "", "", "", "", ""}}, /* table 0, not everybody */
        {{.socket_id = {"nobody", 6}}, {"", "", "", "", "", ""}},
        {{.channel = {"room/0", 6}}, {"O", "O", "O", "O", "O", "O"}},
        {{.channel = {"room/1", 6}}, {"", "", "", "", "", ""}},
        {{.has_dbo_id = true, .dbo_id = 13, .channel = {"room/0", 6}}, {"", "", "", "O", "", ""}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        new_world((struct world_options){0});
        for (unsigned who = 0; who < WHO_COUNT; who++) {
            enter(who % 2, who, (enum world_who)who, PLAIN);
        }
        world_disconnect(world, cases[i].directive);
        for (unsigned who = 0; who < WHO_COUNT; who++) {
            bool is_meant = cases[i].expected[who][0] != '\0';
            assert_string_equal(kinds(who % 2, who), cases[i].expected[who]);
            assert_int_equal(world_close_code(world, who % 2, who),
                             is_meant && !cases[i].directive.channel.ptr ? 1008 : 0);
        }
        check_rest();
    }
}

static void test_disconnect_by_socket(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(0, 1, WHO_ANYBODY, PLAIN);
    struct str socket_id = str_of(world_socket_id(world, 0, 1));
    world_disconnect(world, (struct directive){.socket_id = socket_id, .reason = "spam"});
    assert_int_equal(last_code(0, 1), ERROR_CODE_REMOVED);
    assert_string_equal(last_note(0, 1).text, "spam");
    assert_string_equal(last_note(0, 1).channel, "");
    assert_int_equal(world_close_code(world, 0, 1), 1008);
    assert_int_equal(world_close_code(world, 0, 0), 0);
    world_message(world, 0, 1, 0, "1"); /* what it still says is ignored */
    assert_string_equal(kinds(0, 0), "");
}

static void test_disconnect_from_a_channel_with_a_reason(void **state)
{
    (void)state;
    world_rule(world, OPEN);
    enter(0, 0, WHO_ANN, PLAIN);
    world_join(world, 0, 0, 1, PLAIN);
    world_settle(world);
    world_disconnect(world, (struct directive){.has_dbo_id = true,
                                               .dbo_id = 12,
                                               .row_id = STR("34"),
                                               .channel = STR("room/0"),
                                               .reason = "be nice"});
    assert_string_equal(last_note(0, 0).text, "be nice");
    assert_string_equal(last_note(0, 0).channel, "room/0");
    assert_false(is_in(0, 0, 0));
    assert_true(is_in(0, 0, 1));
    join(0, 0, PLAIN); /* it may come again */
    world_settle(world);
    assert_true(is_in(0, 0, 0));
}

static void test_disconnect_with_no_reason_says_so(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PLAIN);
    world_disconnect(world, (struct directive){.has_dbo_id = true, .dbo_id = 12});
    assert_string_equal(last_note(0, 0).text, "You were disconnected.");
}

static void test_disconnect_during_a_join(void **state)
{
    (void)state;
    open_as(0, 0, WHO_ANN);
    join(0, 0, HISTORY);
    world_message(world, 0, 0, 0, "1");
    world_disconnect(world, (struct directive){.channel = STR("room/0")});
    world_settle(world);
    assert_string_equal(kinds(0, 0), "OO"); /* removed; so it has not joined, and cannot send */
    assert_int_equal(last_code(0, 0), ERROR_CODE_NOT_JOINED);
    check_rest();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_rule_removes_only_those_who_lose_the_right),
        T(test_a_dropped_rule_removes_all),
        T(test_a_more_special_rule_counts),
        T(test_a_join_under_way_is_removed_too),
        T(test_a_session_that_is_told_to_close_is_told_no_more),
        T(test_on_leave_is_told_of_those_who_are_removed),
        T(test_a_new_judge_looks_at_those_who_are_in),
        T(test_the_same_judge_is_not_asked_again),
        T(test_a_judge_that_fails_removes),
        T(test_a_forget_looks_at_those_who_are_in),
        T(test_a_forget_asks_only_where_there_is_a_judge),
        T(test_a_remembered_refusal_removes_at_once),
        T(test_a_member_leaves_while_it_is_judged),
        T(test_a_second_join_under_way_is_removed_by_the_judge),
        T(test_disconnect_by_each_criterion),
        T(test_disconnect_by_socket),
        T(test_disconnect_from_a_channel_with_a_reason),
        T(test_disconnect_with_no_reason_says_so),
        T(test_disconnect_during_a_join),
    };
    return cmocka_run_group_tests_name("core/hub/revoke", tests, NULL, NULL);
}
