/* SPDX-License-Identifier: PostgreSQL */
/* The owner's realtime triggers: those that are asked, and those that are only told. */
#include "hub_harness.h"

static const struct rule HOOK_JOIN = {.anonymous_clients = true, .on_join = "hook"};
static const struct rule HOOK_MESSAGE = {
    .anonymous_clients = true, .public_messaging = true, .on_message = "hook"};

static void reply(struct world_reply how)
{
    assert_true(world_reply(world, 0, how));
}

/* ---- on_join ---- */

static void test_on_join_is_asked_before_the_flags(void **state)
{
    (void)state;
    world_rule(world,
               (struct rule){.public_messaging = true, .public_auth = true, .on_join = "hook"});
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, (struct world_join){.presence = true});
    struct world_call call = first_call();
    assert_int_equal(call.kind, STORE_CALL_ON_ACTION);
    assert_string_equal(call.function, "hook");
    assert_string_equal(call.action, "join");
    assert_int_equal(call.channel, 0);
    assert_string_equal(call.options, "{\"channel\":\"room/0\"}");
    assert_string_equal(call.payload, "{\"history\":false,\"presence\":true}");
    assert_non_null(strstr(call.client, "\"permissions\":{\"dbo_id\":0,\"row_id\":0}"));
    assert_string_equal(kinds(0, 0), "");
    reply(DONE);
    assert_int_equal(last_code(0, 0), ERROR_CODE_ANONYMOUS_REFUSED);
}

static void test_on_join_lets_in(void **state)
{
    (void)state;
    world_rule(world, HOOK_JOIN);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    reply((struct world_reply){.drops = true}); /* whatever it returns */
    world_settle(world);
    assert_string_equal(kinds(0, 0), "J");
    join(0, 0, PLAIN); /* who is in is not asked again */
    assert_int_equal(n_calls(), 0);
    assert_string_equal(kinds(0, 0), "JJ");
}

static void test_on_join_refuses_with_its_reason(void **state)
{
    (void)state;
    world_rule(world, HOOK_JOIN);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    reply(REFUSED);
    assert_int_equal(last_code(0, 0), ERROR_CODE_HOOK_REFUSED);
    assert_string_equal(last_note(0, 0).text, "not today");
    world_message(world, 0, 0, 0, "1");
    assert_int_equal(last_code(0, 0), ERROR_CODE_NOT_JOINED);
}

static void test_on_join_refuses_by_false(void **state)
{
    static const char *const lets_pass[] = {"null", "0", "\"false\"", "{}", "[false]", "true"};
    (void)state;
    world_rule(world, HOOK_JOIN);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    reply((struct world_reply){.payload = " false\n"});
    assert_int_equal(last_code(0, 0), ERROR_CODE_HOOK_REFUSED);
    assert_string_equal(last_note(0, 0).text, "The channel's hook refused.");
    world_message(world, 0, 0, 0, "1");
    assert_int_equal(last_code(0, 0), ERROR_CODE_NOT_JOINED);
    for (size_t i = 0; i < sizeof(lets_pass) / sizeof(lets_pass[0]); i++) {
        world_take(world, 0, 0);
        join(0, 0, PLAIN);
        reply((struct world_reply){.payload = lets_pass[i]});
        world_settle(world);
        assert_string_equal(kinds(0, 0), "J");
        world_leave(world, 0, 0, 0);
    }
}

static void test_a_failed_on_join_refuses(void **state)
{
    (void)state;
    world_rule(world, HOOK_JOIN);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    reply(FAILED);
    assert_int_equal(last_code(0, 0), ERROR_CODE_HOOK_FAILED);
    assert_string_equal(last_note(0, 0).text, "The channel's hook failed.");
}

static void test_frames_behind_a_hook_keep_their_order(void **state)
{
    (void)state;
    world_rule(world, HOOK_JOIN);
    open_as(0, 0, WHO_ANYBODY);
    open_as(0, 1, WHO_ANYBODY);
    join(0, 0, PLAIN);
    world_join(world, 0, 0, 1, PLAIN);
    world_leave(world, 0, 0, 0);
    join(0, 1, PLAIN);
    assert_int_equal(n_calls(), 2); /* one of each session: nobody waits for another one */
    assert_true(world_reply(world, 1, DONE));
    world_answer(world, false, false);
    assert_string_equal(kinds(0, 1), "J");
    assert_string_equal(kinds(0, 0), "");
    reply(REFUSED);
    reply(DONE);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "OJO"); /* refused; in room/1; nothing to leave in room/0 */
    assert_int_equal(last_code(0, 0), ERROR_CODE_NOT_JOINED);
}

static void test_a_session_closes_while_its_hook_is_asked(void **state)
{
    (void)state;
    world_rule(world, HOOK_JOIN);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    world_close(world, 0, 0);
    open_as(0, 0, WHO_ANYBODY);
    reply(REFUSED);
    assert_string_equal(kinds(0, 0), "");
}

static void test_a_session_is_told_to_close_while_its_hook_is_asked(void **state)
{
    (void)state;
    world_rule(world, HOOK_JOIN);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    world_message(world, 0, 0, 0, "1");
    world_disconnect(world, (struct directive){0});
    reply(DONE);
    assert_string_equal(kinds(0, 0), "O");
    assert_int_equal(n_calls(), 0);
    check_rest();
}

static void test_the_rule_goes_while_its_hook_is_asked(void **state)
{
    (void)state;
    world_rule(world, HOOK_JOIN);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    world_rules(world, NULL, 0);
    reply(DONE);
    assert_int_equal(last_code(0, 0), ERROR_CODE_NO_CHANNEL);
}

/* ---- on_message ---- */

static void test_on_message_replaces_the_payload(void **state)
{
    (void)state;
    world_rule(world, HOOK_MESSAGE);
    enter(0, 0, WHO_ANN, PLAIN);
    enter(1, 0, WHO_ANYBODY, PLAIN);
    world_message(world, 0, 0, 0, "{\"a\":1}");
    struct world_call call = first_call();
    assert_string_equal(call.action, "message");
    assert_string_equal(call.payload, "{\"a\":1}");
    assert_string_equal(call.options,
                        "{\"channel\":\"room/0\",\"authenticated\":false,\"socketId\":null}");
    assert_non_null(strstr(call.client, "\"extras\":{\"name\":\"Ann\"}"));
    reply((struct world_reply){.payload = "{\"b\":[2]}"});
    assert_string_equal(last_note(1, 0).text, "{\"b\":[2]}");
    assert_string_equal(kinds(1, 0), "M");
}

static void test_on_message_is_told_to_whom(void **state)
{
    (void)state;
    struct rule rule = HOOK_MESSAGE;
    rule.private_messaging = rule.auth_channel = true;
    world_rule(world, rule);
    enter(0, 0, WHO_ANN, PLAIN);
    char expected[100];
    snprintf(expected, sizeof(expected),
             "{\"channel\":\"room/0\",\"authenticated\":false,\"socketId\":\"%s\"}",
             world_socket_id(world, 0, 0));
    world_message_private(world, 0, 0, 0, world_socket_id(world, 0, 0));
    assert_string_equal(first_call().options, expected);
    reply(DONE);
    world_message_authenticated(world, 0, 0, 0);
    assert_string_equal(first_call().options,
                        "{\"channel\":\"room/0\",\"authenticated\":true,\"socketId\":null}");
    reply(DONE);
    assert_string_equal(kinds(0, 0), "MM");
}

static void test_on_message_drops(void **state)
{
    (void)state;
    world_rule(world, HOOK_MESSAGE);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_message(world, 0, 0, 0, "1");
    world_message(world, 0, 0, 0, "2");
    reply((struct world_reply){.drops = true});
    reply(DONE);
    assert_string_equal(kinds(0, 0), "M");
    assert_string_equal(last_note(0, 0).text, "2");
}

static void test_on_message_refuses_or_fails(void **state)
{
    (void)state;
    world_rule(world, HOOK_MESSAGE);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_message(world, 0, 0, 0, "1");
    reply(REFUSED);
    assert_int_equal(last_code(0, 0), ERROR_CODE_HOOK_REFUSED);
    assert_string_equal(last_note(0, 0).text, "not today");
    world_message(world, 0, 0, 0, "1");
    reply(FAILED);
    assert_int_equal(last_code(0, 0), ERROR_CODE_HOOK_FAILED);
}

static void test_on_message_is_not_asked_about_what_is_refused_anyway(void **state)
{
    (void)state;
    struct rule rule = HOOK_MESSAGE;
    rule.public_auth = true;
    world_rule(world, rule);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_message(world, 0, 0, 0, "1");
    assert_int_equal(last_code(0, 0), ERROR_CODE_SEND_REFUSED);
    assert_int_equal(n_calls(), 0);
}

static void test_a_right_is_lost_while_on_message_is_asked(void **state)
{
    (void)state;
    world_rule(world, HOOK_MESSAGE);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(0, 1, WHO_ANYBODY, PLAIN);
    world_message(world, 0, 0, 0, "1");
    world_rule(world, (struct rule){.anonymous_clients = true});
    reply(DONE);
    assert_int_equal(last_code(0, 0), ERROR_CODE_SEND_REFUSED);
    assert_string_equal(kinds(0, 1), "");
}

static void test_the_addressee_leaves_while_on_message_is_asked(void **state)
{
    (void)state;
    struct rule rule = HOOK_MESSAGE;
    rule.private_messaging = true;
    world_rule(world, rule);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(0, 1, WHO_ANYBODY, PLAIN);
    world_message_private(world, 0, 0, 0, world_socket_id(world, 0, 1));
    world_close(world, 0, 1);
    reply(DONE);
    assert_int_equal(last_code(0, 0), ERROR_CODE_NO_SUCH_CLIENT);
}

static void test_a_replaced_message_goes_through_the_log(void **state)
{
    (void)state;
    struct rule rule = HOOK_MESSAGE;
    rule.message_history = 10;
    world_rule(world, rule);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_message(world, 0, 0, 0, "1");
    world_history(world, 0, 0, 0);
    reply((struct world_reply){.payload = "\"other\""});
    world_settle(world);
    assert_string_equal(kinds(0, 0), "MH");
    assert_int_equal(last_note(0, 0).n, 1);
    const struct note *notes;
    world_received(world, 0, 0, &notes);
    assert_string_equal(notes[0].text, "\"other\"");
    check_rest();
}

static void test_a_replacement_waits_for_the_senders_earlier_messages(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_message(world, 0, 0, 0, "1"); /* durable, on its way */
    world_rule(world, HOOK_MESSAGE);    /* ephemeral from now on */
    world_message(world, 0, 0, 0, "2");
    reply((struct world_reply){.payload = "\"other\""});
    assert_string_equal(kinds(0, 0), "");
    world_settle(world);
    assert_string_equal(kinds(0, 0), "MM");
    assert_string_equal(last_note(0, 0).text, "\"other\"");
}

/* ---- those that are only told ---- */

static const struct rule TOLD = {
    .anonymous_clients = true, .on_leave = "left", .on_connect = "come", .on_disconnect = "go"};

static void test_connect_leave_and_disconnect_are_told(void **state)
{
    (void)state;
    world_rule(world, TOLD);
    open_as(0, 0, WHO_ANN);
    join(0, 0, PLAIN);
    world_answer(world, false, false);
    world_join(world, 0, 0, 1, PLAIN);
    world_answer(world, false, false);
    world_leave(world, 0, 0, 0);
    world_close(world, 0, 0);
    const struct world_call *calls;
    assert_int_equal(world_calls(world, &calls), 4);
    static const char *const actions[] = {"connect", "leave", "leave", "disconnect"};
    static const char *const functions[] = {"come", "left", "left", "go"};
    static const unsigned channels[] = {WORLD_CHANNELS, 0, 1, WORLD_CHANNELS};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(calls[i].action, actions[i]);
        assert_string_equal(calls[i].function, functions[i]);
        assert_int_equal(calls[i].channel, channels[i]);
        assert_true(calls[i].is_told);
        assert_string_equal(calls[i].payload, "");
        assert_string_equal(calls[i].client, calls[0].client);
    }
    assert_string_equal(calls[0].options, "");
    assert_string_equal(calls[1].options, "{\"channel\":\"room/0\"}");
}

static void test_on_connect_of_several_rules_is_told_once(void **state)
{
    (void)state;
    const struct rule rules[] = {
        {.pattern = "room/0", .on_connect = "come"},
        {.pattern = "room/1"},
        {.pattern = "room/2", .on_connect = "other", .on_disconnect = "go"},
        {.pattern = "room/3", .on_connect = "come", .on_disconnect = "go"},
    };
    world_rules(world, rules, 4);
    open_as(0, 0, WHO_ANYBODY);
    const struct world_call *calls;
    assert_int_equal(world_calls(world, &calls), 2);
    assert_string_equal(calls[0].function, "come");
    assert_string_equal(calls[1].function, "other");
    world_close(world, 0, 0);
    assert_int_equal(world_calls(world, &calls), 3);
    assert_string_equal(calls[2].function, "go");
}

static void test_a_join_that_never_was_is_not_left(void **state)
{
    (void)state;
    world_rule(world, TOLD);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    world_answer(world, false, true); /* the read fails */
    world_join(world, 0, 0, 1, PLAIN);
    world_close(world, 0, 0); /* and this one is under way */
    const struct world_call *calls;
    assert_int_equal(world_calls(world, &calls), 2);
    assert_string_equal(calls[1].action, "disconnect");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_on_join_is_asked_before_the_flags),
        T(test_on_join_lets_in),
        T(test_on_join_refuses_with_its_reason),
        T(test_on_join_refuses_by_false),
        T(test_a_failed_on_join_refuses),
        T(test_frames_behind_a_hook_keep_their_order),
        T(test_a_session_closes_while_its_hook_is_asked),
        T(test_a_session_is_told_to_close_while_its_hook_is_asked),
        T(test_the_rule_goes_while_its_hook_is_asked),
        T(test_on_message_replaces_the_payload),
        T(test_on_message_is_told_to_whom),
        T(test_on_message_drops),
        T(test_on_message_refuses_or_fails),
        T(test_on_message_is_not_asked_about_what_is_refused_anyway),
        T(test_a_right_is_lost_while_on_message_is_asked),
        T(test_the_addressee_leaves_while_on_message_is_asked),
        T(test_a_replaced_message_goes_through_the_log),
        T(test_a_replacement_waits_for_the_senders_earlier_messages),
        T(test_connect_leave_and_disconnect_are_told),
        T(test_on_connect_of_several_rules_is_told_once),
        T(test_a_join_that_never_was_is_not_left),
    };
    return cmocka_run_group_tests_name("core/hub/call", tests, NULL, NULL);
}
