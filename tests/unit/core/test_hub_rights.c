/* SPDX-License-Identifier: PostgreSQL */
/* Who is who and who gets what: identities and tokens, audiences, private and authenticated
 * messages. */
#include "hub_harness.h"

/* ---- tokens ---- */

static void test_a_token_error_is_told_once_at_the_first_join(void **state)
{
    (void)state;
    world_open_refused(world, 0, 0, ERROR_CODE_TOKEN_EXPIRED, "it expired at noon");
    assert_string_equal(kinds(0, 0), "");
    join(0, 0, PLAIN);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "OJ");
    const struct note *notes;
    world_received(world, 0, 0, &notes);
    assert_int_equal(notes[0].code, ERROR_CODE_TOKEN_EXPIRED);
    assert_string_equal(notes[0].text, "The token has expired: it expired at noon.");
    assert_string_equal(notes[0].channel, "room/0");
    world_join(world, 0, 0, 1, PLAIN);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "OJJ");
}

static void test_a_token_error_comes_before_the_refusal_of_its_join(void **state)
{
    (void)state;
    world_site(world, 0, false, true);
    world_open_refused(world, 0, 0, ERROR_CODE_TOKEN_INVALID, "it is foreign");
    join(0, 0, PLAIN);
    assert_string_equal(kinds(0, 0), "OO");
    assert_int_equal(last_code(0, 0), ERROR_CODE_ANONYMOUS_REFUSED);
}

static void test_commands_wait_for_who_it_is(void **state)
{
    (void)state;
    world_rule(world, (struct rule){.auth_channel = true});
    world_open_opaque(world, 0, 0);
    join(0, 0, PLAIN);
    world_message(world, 0, 0, 0, "1");
    assert_string_equal(kinds(0, 0), "");
    assert_true(world_answer_token(world, WHO_ANN, ERROR_CODE_TOKEN_INVALID));
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JM"); /* its worker knows it too, else no message */
}

static void test_an_opaque_token_may_be_refused(void **state)
{
    (void)state;
    world_open_opaque(world, 0, 0);
    join(0, 0, PLAIN);
    assert_true(world_answer_token(world, WHO_ANYBODY, ERROR_CODE_TOKEN_INVALID));
    world_settle(world);
    assert_string_equal(kinds(0, 0), "OJ");
    const struct note *notes;
    world_received(world, 0, 0, &notes);
    assert_int_equal(notes[0].code, ERROR_CODE_TOKEN_INVALID);
    assert_string_equal(notes[0].text, "The token was not accepted: the database refused it.");
}

static void test_an_opaque_token_that_could_not_be_checked(void **state)
{
    (void)state;
    world_open_opaque(world, 0, 0);
    join(0, 0, PLAIN);
    assert_true(world_answer_token(world, WHO_ANYBODY, ERROR_CODE_UNAVAILABLE));
    assert_string_equal(kinds(0, 0), "O");
    assert_int_equal(last_code(0, 0), ERROR_CODE_UNAVAILABLE);
}

static void test_a_rejected_token_ends_the_session(void **state)
{
    (void)state;
    new_world((struct world_options){.rejects_invalid_tokens = true});
    world_rule(world, (struct rule){.anonymous_clients = true, .on_connect = "hook"});
    world_open_opaque(world, 0, 0);
    join(0, 0, PLAIN);
    assert_true(world_answer_token(world, WHO_ANYBODY, ERROR_CODE_TOKEN_INVALID));
    assert_string_equal(kinds(0, 0), "O");
    assert_int_equal(world_close_code(world, 0, 0), 4401);
    assert_int_equal(n_calls(), 0); /* it was never connected */
}

static void test_a_token_that_cannot_be_checked_is_no_reason_to_stay_away(void **state)
{
    (void)state;
    new_world((struct world_options){.rejects_invalid_tokens = true});
    world_open_opaque(world, 0, 0);
    assert_true(world_answer_token(world, WHO_ANYBODY, ERROR_CODE_UNAVAILABLE));
    assert_int_equal(last_code(0, 0), ERROR_CODE_UNAVAILABLE);
    assert_int_equal(world_close_code(world, 0, 0), 1013);
}

static void test_a_session_may_close_before_it_is_known(void **state)
{
    (void)state;
    world_rule(world, (struct rule){.on_connect = "come", .on_disconnect = "go"});
    world_open_opaque(world, 0, 0);
    world_close(world, 0, 0);
    world_open(world, 0, 0);
    assert_int_equal(n_calls(), 1); /* that of the second one: the first was never connected */
    assert_true(world_answer_token(world, WHO_ANN, ERROR_CODE_TOKEN_INVALID));
    assert_int_equal(n_calls(), 1);
    world_message_authenticated(world, 0, 0, 0);
    assert_int_equal(last_code(0, 0), ERROR_CODE_NOT_JOINED);
}

static void test_a_session_told_to_close_is_not_welcomed(void **state)
{
    (void)state;
    world_rule(world, (struct rule){.on_connect = "come", .on_disconnect = "go"});
    world_open_opaque(world, 0, 0);
    world_disconnect(world, (struct directive){0});
    assert_true(world_answer_token(world, WHO_ANN, ERROR_CODE_TOKEN_INVALID));
    world_rest(world);
    assert_int_equal(n_calls(), 0);
    assert_false(world_is_open(world, 0, 0));
}

/* ---- audiences ---- */

static void test_events_reach_their_audience(void **state)
{
    (void)state;
    static const struct {
        struct audience audience;
        const char *expected[5]; /* anybody, Ann, Ben, Cleo, table */
    } cases[] = {
        {{.kind = AUDIENCE_ALL}, {"E", "E", "E", "E", "E"}},
        {{.kind = AUDIENCE_AUTHENTICATED}, {"", "E", "E", "E", "E"}},
        {{.kind = AUDIENCE_TABLE, .dbo_id = 12}, {"", "E", "E", "", "E"}},
        {{.kind = AUDIENCE_USER, .dbo_id = 12, .row_id = {"34", 2}}, {"", "E", "", "", ""}},
        {{.kind = AUDIENCE_TABLE, .dbo_id = 99}, {"", "", "", "", ""}},
    };
    for (unsigned who = 0; who < 5; who++) {
        enter(who % 2, who, (enum world_who)who, PLAIN);
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        world_commit_for(world, 0, cases[i].audience);
        world_settle(world);
        for (unsigned who = 0; who < 5; who++) {
            assert_string_equal(kinds(who % 2, who), cases[i].expected[who]);
            world_take(world, who % 2, who);
        }
    }
    world_check_complete(world);
}

static void test_history_and_replay_leave_out_what_is_for_others(void **state)
{
    (void)state;
    struct audience ann = {.kind = AUDIENCE_USER, .dbo_id = 12, .row_id = STR("34")};
    world_commit(world, 0);
    world_commit_for(world, 0, ann);
    world_commit_for(world, 0, (struct audience){.kind = AUDIENCE_AUTHENTICATED});
    world_settle(world);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, HISTORY);
    open_as(0, 1, WHO_ANN);
    join(0, 1, HISTORY);
    open_as(0, 2, WHO_BEN);
    join(0, 2, (struct world_join){.has_since = true});
    world_settle(world);
    assert_int_equal(last_note(0, 0).n, 1);
    assert_int_equal(last_note(0, 1).n, 3);
    assert_string_equal(kinds(0, 2), "JEE");
    const struct note *notes;
    world_received(world, 0, 2, &notes);
    assert_int_equal(notes[0].offset, 3); /* the channel's head */
    world_check_complete(world);
}

/* ---- messages to those who are somebody ---- */

static const struct rule SIGNED_IN = {.anonymous_clients = true, .auth_channel = true};

static void test_an_authenticated_message_is_not_for_anonymous_members(void **state)
{
    (void)state;
    world_rule(world, SIGNED_IN);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(1, 1, WHO_ANN, PLAIN);
    enter(1, 2, WHO_CLEO, PLAIN);
    world_message_authenticated(world, 1, 1, 0);
    assert_string_equal(kinds(0, 0), "");
    assert_string_equal(kinds(1, 1), "M");
    assert_string_equal(kinds(1, 2), "M");
    world_message_authenticated(world, 0, 0, 0);
    assert_int_equal(last_code(0, 0), ERROR_CODE_SEND_REFUSED);
}

static void test_a_plain_message_on_an_auth_channel_is_an_authenticated_one(void **state)
{
    (void)state;
    world_rule(world, SIGNED_IN);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(1, 1, WHO_ANN, PLAIN);
    world_message(world, 1, 1, 0, "1");
    assert_string_equal(kinds(0, 0), "");
    assert_string_equal(kinds(1, 1), "M");
    world_message(world, 0, 0, 0, "1");
    assert_int_equal(last_code(0, 0), ERROR_CODE_SEND_REFUSED);
}

static void test_authenticated_messages_keep_their_audience_in_the_log(void **state)
{
    (void)state;
    struct rule rule = SIGNED_IN;
    rule.message_history = 10;
    world_rule(world, rule);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(1, 1, WHO_ANN, PLAIN);
    world_message_authenticated(world, 1, 1, 0);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "");
    assert_string_equal(kinds(1, 1), "M");
    world_history(world, 0, 0, 0);
    world_settle(world);
    assert_int_equal(last_note(0, 0).n, 0);
}

/* ---- private messages ---- */

static const struct rule PRIVATE = {
    .anonymous_clients = true, .private_messaging = true, .message_history = 10};

static void test_a_private_message_reaches_both_ends_and_nobody_else(void **state)
{
    (void)state;
    world_rule(world, PRIVATE);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(1, 1, WHO_ANN, PLAIN);
    enter(1, 2, WHO_BEN, PLAIN);
    world_message_private(world, 0, 0, 0, world_socket_id(world, 1, 1));
    assert_string_equal(kinds(0, 0), "M"); /* at once, though the channel has a history */
    assert_string_equal(kinds(1, 1), "M");
    assert_string_equal(kinds(1, 2), "");
    assert_string_equal(last_note(0, 0).to, world_socket_id(world, 1, 1));
    assert_string_equal(last_note(1, 1).socket, world_socket_id(world, 0, 0));
    world_history(world, 0, 0, 0);
    world_settle(world);
    assert_int_equal(last_note(0, 0).n, 0);
}

static void test_a_private_message_to_oneself_comes_once(void **state)
{
    (void)state;
    world_rule(world, PRIVATE);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_message_private(world, 0, 0, 0, world_socket_id(world, 0, 0));
    assert_string_equal(kinds(0, 0), "M");
}

static void test_a_private_message_needs_an_addressee_in_the_channel(void **state)
{
    (void)state;
    world_rule(world, PRIVATE);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    open_as(0, 1, WHO_ANN);
    world_join(world, 0, 1, 1, PLAIN); /* in another room */
    world_settle(world);
    world_message_private(world, 0, 0, 0, "nobody");
    assert_int_equal(last_code(0, 0), ERROR_CODE_NO_SUCH_CLIENT);
    world_message_private(world, 0, 0, 0, world_socket_id(world, 0, 1));
    assert_int_equal(last_code(0, 0), ERROR_CODE_NO_SUCH_CLIENT);
    world_message_private(world, 0, 1, 0, world_socket_id(world, 0, 0));
    assert_int_equal(last_code(0, 1), ERROR_CODE_NOT_JOINED);
    world_join(world, 0, 1, 0, HISTORY); /* its join is under way: not in yet */
    world_message_private(world, 0, 0, 0, world_socket_id(world, 0, 1));
    assert_int_equal(last_code(0, 0), ERROR_CODE_NO_SUCH_CLIENT);
}

static void test_a_private_message_to_one_who_is_told_to_close(void **state)
{
    (void)state;
    world_rule(world, PRIVATE);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(0, 1, WHO_ANN, PLAIN);
    world_disconnect(world, (struct directive){.has_dbo_id = true, .dbo_id = 12});
    world_message_private(world, 0, 0, 0, world_socket_id(world, 0, 1));
    assert_int_equal(last_code(0, 0), ERROR_CODE_NO_SUCH_CLIENT);
}

static void test_private_auth_wants_somebody_at_both_ends(void **state)
{
    (void)state;
    struct rule rule = PRIVATE;
    rule.private_auth = true;
    world_rule(world, rule);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(0, 1, WHO_ANN, PLAIN);
    enter(0, 2, WHO_BEN, PLAIN);
    world_message_private(world, 0, 0, 0, world_socket_id(world, 0, 1));
    assert_int_equal(last_code(0, 0), ERROR_CODE_PRIVATE_REFUSED);
    world_message_private(world, 0, 0, 0, "nobody"); /* and learns nothing about who is there */
    assert_int_equal(last_code(0, 0), ERROR_CODE_PRIVATE_REFUSED);
    world_message_private(world, 0, 1, 0, world_socket_id(world, 0, 0));
    assert_int_equal(last_code(0, 1), ERROR_CODE_PRIVATE_REFUSED);
    world_message_private(world, 0, 1, 0, world_socket_id(world, 0, 2));
    assert_string_equal(kinds(0, 2), "M");
}

static void test_a_message_to_an_identity_reaches_all_its_sessions(void **state)
{
    (void)state;
    world_rule(world, PRIVATE);
    enter(0, 0, WHO_BEN, PLAIN);
    enter(0, 1, WHO_ANN, PLAIN);
    enter(1, 0, WHO_ANN_NEW, PLAIN);
    enter(1, 1, WHO_CLEO, PLAIN);  /* her row has the same key in another table */
    enter(1, 2, WHO_TABLE, PLAIN); /* nobody in particular */
    enter(1, 3, WHO_ANYBODY, PLAIN);
    open_as(1, 4, WHO_ANN); /* elsewhere */
    world_message_to(world, 0, 0, 0, WHO_ANN);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "M"); /* its echo */
    assert_string_equal(kinds(0, 1), "M");
    assert_string_equal(kinds(1, 0), "M");
    assert_string_equal(kinds(1, 1), "");
    assert_string_equal(kinds(1, 2), "");
    assert_string_equal(kinds(1, 3), "");
    assert_string_equal(kinds(1, 4), "");
    assert_int_equal(world_head(world, 0), 0); /* never kept */
    world_message_to(world, 0, 1, 0, WHO_ANN); /* to oneself, once */
    assert_string_equal(kinds(0, 1), "MM");
    assert_string_equal(kinds(1, 0), "MM");
    check_rest();
}

static void test_nobody_learns_whether_an_identity_is_there(void **state)
{
    (void)state;
    world_rule(world, PRIVATE);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_message_to(world, 0, 0, 0, WHO_ANN); /* there is none */
    struct note alone = last_note(0, 0);
    enter(0, 1, WHO_ANN, PLAIN);
    world_message_to(world, 0, 0, 0, WHO_ANN);
    struct note both = last_note(0, 0);
    assert_string_equal(kinds(0, 0), "MM");
    assert_memory_equal(&alone, &both, sizeof(alone));
    check_rest();
}

static void test_a_message_to_an_identity_needs_what_private_ones_need(void **state)
{
    (void)state;
    struct rule rule = {.anonymous_clients = true, .public_messaging = true};
    world_rule(world, rule);
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(0, 1, WHO_ANN, PLAIN);
    world_message_to(world, 0, 1, 0, WHO_BEN);
    assert_int_equal(last_code(0, 1), ERROR_CODE_PRIVATE_REFUSED);
    rule.private_messaging = rule.private_auth = true;
    rule.on_message = "hook";
    world_rule(world, rule);
    world_message_to(world, 0, 0, 0, WHO_ANN);
    assert_int_equal(last_code(0, 0), ERROR_CODE_PRIVATE_REFUSED);
    world_message_to(world, 0, 1, 0, WHO_ANN);
    assert_string_equal(first_call().options,
                        "{\"channel\":\"room/0\",\"authenticated\":false,\"socketId\":"
                        "null,\"to\":{\"dbo_id\":12,\"row_id\":\"34\"}}");
    assert_true(world_reply(world, 0, REFUSED));
    assert_int_equal(last_code(0, 1), ERROR_CODE_HOOK_REFUSED);
    open_as(0, 2, WHO_ANN);
    world_message_to(world, 0, 2, 0, WHO_ANN);
    assert_int_equal(last_code(0, 2), ERROR_CODE_NOT_JOINED);
    check_rest();
}

static void test_private_messages_need_the_rule(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_message_private(world, 0, 0, 0, world_socket_id(world, 0, 0));
    assert_int_equal(last_code(0, 0), ERROR_CODE_PRIVATE_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_a_token_error_is_told_once_at_the_first_join),
        T(test_a_token_error_comes_before_the_refusal_of_its_join),
        T(test_commands_wait_for_who_it_is),
        T(test_an_opaque_token_may_be_refused),
        T(test_an_opaque_token_that_could_not_be_checked),
        T(test_a_rejected_token_ends_the_session),
        T(test_a_token_that_cannot_be_checked_is_no_reason_to_stay_away),
        T(test_a_session_may_close_before_it_is_known),
        T(test_a_session_told_to_close_is_not_welcomed),
        T(test_events_reach_their_audience),
        T(test_history_and_replay_leave_out_what_is_for_others),
        T(test_an_authenticated_message_is_not_for_anonymous_members),
        T(test_a_plain_message_on_an_auth_channel_is_an_authenticated_one),
        T(test_authenticated_messages_keep_their_audience_in_the_log),
        T(test_a_private_message_reaches_both_ends_and_nobody_else),
        T(test_a_private_message_to_oneself_comes_once),
        T(test_a_private_message_needs_an_addressee_in_the_channel),
        T(test_a_private_message_to_one_who_is_told_to_close),
        T(test_private_auth_wants_somebody_at_both_ends),
        T(test_a_message_to_an_identity_reaches_all_its_sessions),
        T(test_nobody_learns_whether_an_identity_is_there),
        T(test_a_message_to_an_identity_needs_what_private_ones_need),
        T(test_private_messages_need_the_rule),
    };
    return cmocka_run_group_tests_name("core/hub/rights", tests, NULL, NULL);
}
