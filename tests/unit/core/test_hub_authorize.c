/* SPDX-License-Identifier: PostgreSQL */
/* Authorize functions: who asks, for how long an answer holds, and what changes while one is
 * awaited. */
#include "hub_harness.h"

static const struct rule JUDGED = {
    .anonymous_clients = true, .public_messaging = true, .authorize = "auth_a"};

static void reply(struct world_reply how)
{
    assert_true(world_reply(world, 0, how));
}

/* ---- authorize ---- */

static void test_authorize_decides_who_joins(void **state)
{
    (void)state;
    world_rule(world, JUDGED);
    world_deny(world, 'a', 0, WHO_BEN, true);
    for (unsigned who = 0; who < WHO_COUNT; who++) {
        open_as(0, who, (enum world_who)who); /* the fake world reads each identity's JSON */
        join(0, who, PLAIN);
    }
    assert_int_equal(n_calls(), WHO_COUNT);
    assert_int_equal(first_call().kind, STORE_CALL_AUTHORIZE);
    assert_string_equal(first_call().action, "join");
    assert_int_equal(first_call().queue.generation, 0); /* it is of no session */
    world_settle(world);
    assert_string_equal(kinds(0, 0), "J");
    assert_string_equal(kinds(0, 1), "J");
    assert_int_equal(last_code(0, 2), ERROR_CODE_JOIN_REFUSED);
}

static void test_authorize_decides_who_sends(void **state)
{
    (void)state;
    world_rule(world, JUDGED);
    enter(0, 0, WHO_ANN, PLAIN);
    world_deny(world, 'a', 0, WHO_ANN, true);
    world_message(world, 0, 0, 0, "1");
    assert_string_equal(first_call().action, "send");
    reply(DONE);
    assert_int_equal(last_code(0, 0), ERROR_CODE_SEND_REFUSED);
}

static void test_authorize_may_refuse_with_a_reason_or_fail(void **state)
{
    (void)state;
    world_rule(world, JUDGED);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    reply(REFUSED);
    assert_int_equal(last_code(0, 0), ERROR_CODE_HOOK_REFUSED);
    assert_string_equal(last_note(0, 0).text, "not today");
    join(0, 0, PLAIN);
    reply(FAILED);
    assert_int_equal(last_code(0, 0), ERROR_CODE_HOOK_FAILED);
}

static void test_a_thousand_joiners_are_one_call(void **state)
{
    (void)state;
    new_world((struct world_options){.slots = 500});
    world_rule(world, JUDGED);
    for (unsigned i = 0; i < 1000; i++) {
        open_as(i % 2, i / 2, WHO_ANYBODY);
        join(i % 2, i / 2, PLAIN);
    }
    assert_int_equal(n_calls(), 1);
    reply(DONE);
    world_answer(world, false, false); /* one of them reads the head, those before it too */
    world_settle(world);
    for (unsigned i = 0; i < 1000; i++) {
        assert_string_equal(kinds(i % 2, i / 2), "J");
    }
    assert_int_equal(n_calls(), 0);
}

static void test_an_answer_is_kept_for_its_time(void **state)
{
    (void)state;
    new_world((struct world_options){.authorize_cache_ms = 1000});
    world_rule(world, JUDGED);
    enter(0, 0, WHO_ANN, PLAIN);
    world_deny(world, 'a', 0, WHO_ANN, true);
    world_tick(world, 999);
    open_as(0, 1, WHO_ANN);
    join(0, 1, PLAIN);
    assert_string_equal(kinds(0, 1), "J");
    open_as(0, 2, WHO_ANN_NEW); /* other extras: somebody else */
    join(0, 2, PLAIN);
    assert_int_equal(n_calls(), 1);
    world_settle(world);
    world_tick(world, 1);
    join(0, 1, PLAIN);
    assert_int_equal(n_calls(), 1);
}

static void test_a_refusal_is_kept_too(void **state)
{
    (void)state;
    new_world((struct world_options){.authorize_cache_ms = 1000});
    world_rule(world, JUDGED);
    world_deny(world, 'a', 0, WHO_ANN, true);
    enter(0, 0, WHO_ANN, PLAIN);
    join(0, 0, PLAIN);
    assert_int_equal(n_calls(), 0);
    assert_int_equal(last_code(0, 0), ERROR_CODE_JOIN_REFUSED);
}

static void test_a_member_that_is_refused_to_join_again_is_out(void **state)
{
    (void)state;
    static const uint32_t cache_ms[] = {0, 60000}; /* asked; and by a refusal that is remembered */
    for (size_t i = 0; i < 2; i++) {
        new_world((struct world_options){.authorize_cache_ms = cache_ms[i]});
        world_rule(world, JUDGED);
        enter(0, 0, WHO_ANN, PLAIN);
        world_tick(world, 60000);
        world_deny(world, 'a', 0, WHO_ANN, true);
        if (cache_ms[i] > 0) {
            enter(0, 1, WHO_ANN, PLAIN);
        }
        join(0, 0, PLAIN);
        world_settle(world);
        assert_string_equal(kinds(0, 0), "O");
        assert_int_equal(last_code(0, 0), ERROR_CODE_REMOVED);
        world_message(world, 0, 0, 0, "1");
        assert_int_equal(last_code(0, 0), ERROR_CODE_NOT_JOINED);
        check_rest();
        world_check_rights(world);
    }
}

static void test_a_failure_is_not_kept(void **state)
{
    (void)state;
    new_world((struct world_options){.authorize_cache_ms = 1000});
    world_rule(world, JUDGED);
    open_as(0, 0, WHO_ANN);
    join(0, 0, PLAIN);
    reply(FAILED);
    join(0, 0, PLAIN);
    assert_int_equal(n_calls(), 1);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "OJ");
}

static void test_forgotten_answers_are_asked_anew(void **state)
{
    (void)state;
    static const char *const patterns[] = {NULL, "room/0", "room/*", "room/1"};
    for (size_t i = 0; i < 4; i++) {
        new_world((struct world_options){.authorize_cache_ms = 1000});
        world_rule(world, JUDGED);
        enter(0, 0, WHO_ANN, PLAIN);
        world_close(world, 0, 0);
        world_forget(world, patterns[i]);
        open_as(0, 0, WHO_ANN);
        join(0, 0, PLAIN);
        assert_int_equal(n_calls(), i < 3);
    }
}

static void test_many_answers_make_room_for_new_ones(void **state)
{
    (void)state;
    new_world((struct world_options){.authorize_cache_ms = 1000});
    world_rule(world, JUDGED);
    enter(0, 0, WHO_ANN, PLAIN);
    for (unsigned i = 0; i < 10000; i++) {
        char pattern[32];
        snprintf(pattern, sizeof(pattern), "f%u_a", i);
        world_rule(world, (struct rule){.anonymous_clients = true, .authorize = pattern});
        assert_true(world_reply(world, 0, DONE));
    }
    world_rule(world, JUDGED);
    assert_int_equal(n_calls(), 1); /* its answer had to go */
}

static void test_a_session_closes_while_it_is_judged(void **state)
{
    (void)state;
    world_rule(world, JUDGED);
    open_as(0, 0, WHO_ANYBODY);
    open_as(0, 1, WHO_ANYBODY);
    join(0, 0, PLAIN);
    join(0, 1, PLAIN);
    world_close(world, 0, 0);
    world_settle(world);
    assert_string_equal(kinds(0, 1), "J");
    check_rest();
}

static void test_a_session_is_told_to_close_while_it_is_judged(void **state)
{
    (void)state;
    world_rule(world, JUDGED);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    world_disconnect(world, (struct directive){0});
    reply(FAILED);
    assert_string_equal(kinds(0, 0), "O");
    assert_string_equal(last_note(0, 0).channel, "");
    check_rest();
}

static void test_authorize_then_on_message(void **state)
{
    (void)state;
    struct rule rule = JUDGED;
    rule.on_message = "hook";
    world_rule(world, rule);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_message(world, 0, 0, 0, "1");
    assert_int_equal(first_call().kind, STORE_CALL_AUTHORIZE);
    reply(DONE);
    assert_int_equal(first_call().kind, STORE_CALL_ON_ACTION);
    reply(DONE);
    assert_int_equal(n_calls(), 0); /* it is not judged twice, though nothing is cached */
    assert_string_equal(kinds(0, 0), "M");
}

static void test_on_join_then_authorize(void **state)
{
    (void)state;
    struct rule rule = JUDGED;
    rule.on_join = "hook";
    world_rule(world, rule);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    assert_int_equal(first_call().kind, STORE_CALL_ON_ACTION);
    reply(DONE);
    assert_int_equal(first_call().kind, STORE_CALL_AUTHORIZE);
    reply(DONE);
    assert_int_equal(n_calls(), 0);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "J");
}

/* ---- what changes while an answer is awaited ---- */

static void test_another_judge_is_asked_when_it_replaces_the_asked_one(void **state)
{
    (void)state;
    world_rule(world, JUDGED);
    open_as(0, 0, WHO_ANN);
    join(0, 0, PLAIN);
    world_deny(world, 'b', 0, WHO_ANN, true);
    world_rule(world, (struct rule){.authorize = "auth_b"});
    reply(DONE); /* the old one allows it */
    world_settle(world);
    assert_int_equal(last_code(0, 0), ERROR_CODE_JOIN_REFUSED);
    world_check_rights(world);
}

static void test_a_new_judge_is_asked_about_a_message_that_waits(void **state)
{
    (void)state;
    struct rule rule = JUDGED;
    rule.on_message = "hook";
    world_rule(world, rule);
    enter(0, 0, WHO_ANN, PLAIN);
    world_message(world, 0, 0, 0, "1");
    reply(DONE); /* may send; now the hook is asked */
    world_deny(world, 'b', 0, WHO_ANN, true);
    rule.authorize = "auth_b";
    world_rule(world, rule);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "OO"); /* removed; and so it may not send */
}

static void test_an_answer_from_before_a_forget_does_not_count(void **state)
{
    (void)state;
    new_world((struct world_options){.authorize_cache_ms = 1000});
    world_rule(world, JUDGED);
    open_as(0, 0, WHO_ANN);
    join(0, 0, PLAIN);
    world_deny(world, 'a', 0, WHO_ANN, true);
    world_forget(world, NULL);
    reply((struct world_reply){.is_early = true}); /* it was allowed when it was asked */
    world_settle(world);
    assert_int_equal(last_code(0, 0), ERROR_CODE_JOIN_REFUSED);
    world_check_rights(world);
}

static void test_a_refusal_from_before_a_forget_removes_nobody(void **state)
{
    (void)state;
    world_rule(world, JUDGED);
    enter(0, 0, WHO_ANN, PLAIN);
    world_deny(world, 'a', 0, WHO_ANN, true);
    world_forget(world, "room/0");
    world_deny(world, 'a', 0, WHO_ANN, false);
    world_forget(world, "room/0");
    assert_int_equal(n_calls(), 2);
    reply((struct world_reply){.is_early = true});
    world_settle(world);
    assert_string_equal(kinds(0, 0), "");
}

static void test_a_refusal_of_a_judge_of_yesterday_removes_nobody(void **state)
{
    (void)state;
    world_site(world, 0, true, true);
    enter(0, 0, WHO_ANN, PLAIN);
    world_deny(world, 'a', 0, WHO_ANN, true);
    world_rule(world, JUDGED);
    world_rule(world, (struct rule){.authorize = "auth_b"});
    world_settle(world);
    assert_string_equal(kinds(0, 0), "");
    world_message(world, 0, 0, 0, "1");
    assert_int_equal(last_code(0, 0), ERROR_CODE_SEND_REFUSED); /* it is in */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_authorize_decides_who_joins),
        T(test_authorize_decides_who_sends),
        T(test_authorize_may_refuse_with_a_reason_or_fail),
        T(test_a_thousand_joiners_are_one_call),
        T(test_an_answer_is_kept_for_its_time),
        T(test_a_refusal_is_kept_too),
        T(test_a_member_that_is_refused_to_join_again_is_out),
        T(test_a_failure_is_not_kept),
        T(test_forgotten_answers_are_asked_anew),
        T(test_many_answers_make_room_for_new_ones),
        T(test_a_session_closes_while_it_is_judged),
        T(test_a_session_is_told_to_close_while_it_is_judged),
        T(test_authorize_then_on_message),
        T(test_on_join_then_authorize),
        T(test_another_judge_is_asked_when_it_replaces_the_asked_one),
        T(test_a_new_judge_is_asked_about_a_message_that_waits),
        T(test_an_answer_from_before_a_forget_does_not_count),
        T(test_a_refusal_from_before_a_forget_removes_nobody),
        T(test_a_refusal_of_a_judge_of_yesterday_removes_nobody),
    };
    return cmocka_run_group_tests_name("core/hub/authorize", tests, NULL, NULL);
}
