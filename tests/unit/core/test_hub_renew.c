/* SPDX-License-Identifier: PostgreSQL */
/* A newer token on the same connection: who may show it, and what changes with it. */
#include "hub_harness.h"

static const struct rule JUDGED = {.public_messaging = true, .authorize = "auth_a"};

static void reply(struct world_reply how)
{
    assert_true(world_reply(world, 0, how));
}

static void expect_token(unsigned worker, unsigned slot)
{
    struct note note = last_note(worker, slot);
    assert_int_equal(note.kind, NOTE_TOKEN);
    assert_string_equal(note.ref, "t");
}

static void test_the_same_user_goes_on(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PLAIN);
    world_renew(world, 0, 0, WHO_ANN_NEW);
    assert_string_equal(kinds(0, 0), "T");
    expect_token(0, 0);
    assert_string_equal(last_note(0, 0).text, ""); /* it never expires */
    world_message(world, 0, 0, 0, "1");
    world_settle(world);
    assert_string_equal(kinds(0, 0), "TM");
}

static void test_anybody_else_has_to_connect_anew(void **state)
{
    (void)state;
    static const enum world_who pairs[][2] = {
        {WHO_ANN, WHO_BEN},         {WHO_ANN, WHO_CLEO},    {WHO_ANN, WHO_TABLE},
        {WHO_TABLE, WHO_ANN},       {WHO_ANN, WHO_ANYBODY}, {WHO_ANYBODY, WHO_ANN},
        {WHO_ANYBODY, WHO_ANYBODY},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        new_world((struct world_options){0});
        enter(0, 0, pairs[i][0], PLAIN);
        world_renew(world, 0, 0, pairs[i][1]);
        assert_int_equal(last_code(0, 0), ERROR_CODE_TOKEN_INVALID);
        assert_string_equal(last_note(0, 0).ref, "t");
        assert_int_equal(world_close_code(world, 0, 0), 4000);
    }
}

static void test_one_that_is_not_accepted_changes_nothing(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PLAIN);
    world_renew_refused(world, 0, 0, ERROR_CODE_TOKEN_EXPIRED, "it expired at noon");
    assert_int_equal(last_code(0, 0), ERROR_CODE_TOKEN_EXPIRED);
    assert_string_equal(last_note(0, 0).text, "The token has expired: it expired at noon.");
    assert_string_equal(last_note(0, 0).ref, "t");
    assert_int_equal(world_close_code(world, 0, 0), 0);
    world_message(world, 0, 0, 0, "1");
    world_settle(world);
    assert_string_equal(kinds(0, 0), "OM");
}

static void test_the_database_is_asked_and_later_frames_wait(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PLAIN);
    world_renew_opaque(world, 0, 0);
    world_message(world, 0, 0, 0, "1");
    assert_string_equal(kinds(0, 0), "");
    assert_true(world_answer_token(world, WHO_ANN_NEW, ERROR_CODE_TOKEN_INVALID));
    world_settle(world);
    assert_string_equal(kinds(0, 0), "TM");
    world_renew_opaque(world, 0, 0);
    assert_true(world_answer_token(world, WHO_ANYBODY, ERROR_CODE_UNAVAILABLE));
    assert_int_equal(last_code(0, 0), ERROR_CODE_UNAVAILABLE);
    assert_int_equal(world_close_code(world, 0, 0), 0);
    world_renew_opaque(world, 0, 0);
    assert_true(world_answer_token(world, WHO_BEN, ERROR_CODE_TOKEN_INVALID));
    assert_int_equal(world_close_code(world, 0, 0), 4000);
}

static void test_a_session_may_close_meanwhile(void **state)
{
    (void)state;
    world_rule(world, JUDGED);
    enter(0, 0, WHO_ANN, PLAIN);
    world_renew_opaque(world, 0, 0);
    world_close(world, 0, 0);
    assert_true(world_answer_token(world, WHO_ANN, ERROR_CODE_TOKEN_INVALID));
    enter(0, 1, WHO_ANN, PLAIN);
    world_renew(world, 0, 1, WHO_ANN_NEW);
    world_close(world, 0, 1);
    reply(DONE);
    check_rest();
}

static void test_each_channel_is_asked_about_anew(void **state)
{
    (void)state;
    world_rule(world, JUDGED);
    enter(0, 0, WHO_ANN, PLAIN);
    world_join(world, 0, 0, 1, PLAIN);
    world_settle(world);
    world_take(world, 0, 0);
    world_deny(world, 'a', 1, WHO_ANN_NEW, true);
    world_renew(world, 0, 0, WHO_ANN_NEW);
    world_message(world, 0, 0, 1, "1");
    assert_int_equal(n_calls(), 2);
    reply(DONE);
    assert_string_equal(kinds(0, 0), "O"); /* no token before all have answered */
    reply(DONE);
    world_settle(world);
    const struct note *notes;
    assert_int_equal(world_received(world, 0, 0, &notes), 3);
    assert_int_equal(notes[0].code, ERROR_CODE_REMOVED);
    assert_string_equal(notes[0].channel, "room/1");
    assert_string_equal(notes[0].ref, "");
    assert_int_equal(notes[1].kind, NOTE_TOKEN);
    assert_int_equal(notes[2].code, ERROR_CODE_NOT_JOINED);
    check_rest();
}

static void test_a_function_that_fails_removes(void **state)
{
    (void)state;
    world_rule(world, JUDGED);
    enter(0, 0, WHO_ANN, PLAIN);
    world_renew(world, 0, 0, WHO_ANN_NEW);
    reply(FAILED);
    assert_string_equal(kinds(0, 0), "O"
                                     "T");
}

static void test_rules_may_change_meanwhile(void **state)
{
    (void)state;
    world_rule(world, JUDGED);
    enter(0, 0, WHO_ANN, PLAIN);
    world_renew(world, 0, 0, WHO_ANN_NEW);
    world_rule(world, (struct rule){.public_messaging = true, .authorize = "auth_b"});
    world_settle(world);
    assert_string_equal(kinds(0, 0), "T");
    check_rest();
}

static void test_rows_of_others_are_a_gap(void **state)
{
    (void)state;
    world_watch(world, 0, WORLD_NAME, false);
    enter(0, 0, WHO_ANN, PLAIN);
    world_join(world, 0, 0, 1, PLAIN);
    world_settle(world);
    world_take(world, 0, 0);
    world_renew(world, 0, 0, WHO_ANN);
    assert_string_equal(kinds(0, 0), "T"); /* the same claims */
    world_renew(world, 0, 0, WHO_ANN_NEW);
    assert_string_equal(kinds(0, 0), "TJT"); /* of one channel only */
    const struct note *notes;
    world_received(world, 0, 0, &notes);
    assert_true(notes[1].is_gap);
    assert_string_equal(notes[1].channel, "room/0");
    check_rest();
}

static void test_the_next_list_shows_it(void **state)
{
    (void)state;
    world_rule(world, (struct rule){.public_messaging = true, .presence = true});
    enter(0, 0, WHO_ANN, PLAIN);
    enter(0, 1, WHO_BEN, PLAIN);
    world_renew(world, 0, 0, WHO_ANN_NEW);
    enter(1, 0, WHO_CLEO, PRESENCE);
    assert_int_equal(world_list_size(world, 1, 0, 0), 3);
    world_close(world, 0, 0);
    world_rest(world);
    assert_int_equal(world_list_size(world, 1, 0, 0), 2);
    assert_int_equal(world_sql_size(world, 0), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_the_same_user_goes_on),
        T(test_anybody_else_has_to_connect_anew),
        T(test_one_that_is_not_accepted_changes_nothing),
        T(test_the_database_is_asked_and_later_frames_wait),
        T(test_a_session_may_close_meanwhile),
        T(test_each_channel_is_asked_about_anew),
        T(test_a_function_that_fails_removes),
        T(test_rules_may_change_meanwhile),
        T(test_rows_of_others_are_a_gap),
        T(test_the_next_list_shows_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
