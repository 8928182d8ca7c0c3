/* SPDX-License-Identifier: PostgreSQL */
/* The hub's behaviour, one test each, against the fake world: joins, holds, order, limits, and what
 * happens when the database answers late, early or not at all. */
#include "hub_harness.h"

static void test_join_is_acknowledged_with_the_head(void **state)
{
    (void)state;
    world_commit(world, 0);
    world_commit(world, 0);
    world_settle(world);
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, PLAIN);
    assert_string_equal(kinds(0, 0), "");
    world_settle(world);
    assert_string_equal(kinds(0, 0), "J");
    assert_int_equal(last_note(0, 0).offset, 2);
    assert_false(last_note(0, 0).is_resumed);
}

static void test_second_member_needs_no_read(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, PLAIN);
    world_settle(world);
    world_open(world, 1, 0);
    world_join(world, 1, 0, 0, PLAIN);
    assert_false(world_answer(world, false, false));
    assert_string_equal(kinds(1, 0), "J");
}

static void test_events_reach_members_only(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_open(world, 1, 0);
    world_join(world, 0, 0, 0, PLAIN);
    world_join(world, 1, 0, 1, PLAIN);
    world_settle(world);
    world_commit(world, 0);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JE");
    assert_string_equal(kinds(1, 0), "J");
}

static void test_live_events_wait_for_the_history(void **state)
{
    (void)state;
    world_commit(world, 0);
    world_settle(world);
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, HISTORY);
    world_commit(world, 0);
    world_deliver(world);
    assert_string_equal(kinds(0, 0), "");
    world_answer(world, true, false);
    assert_string_equal(kinds(0, 0), "JHE");
    world_check_complete(world);
}

static void test_history_that_holds_an_undelivered_event(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_commit(world, 0);
    world_join(world, 0, 0, 0, HISTORY);
    world_answer(world, false, false);
    assert_int_equal(last_note(0, 0).last, 1);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JH");
    world_check_complete(world);
}

static void test_a_known_head_may_be_ahead_of_the_fan_out(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_commit(world, 0);
    world_join(world, 0, 0, 0, PLAIN);
    world_answer(world, false, false);
    world_open(world, 1, 1);
    world_join(world, 1, 1, 0, PLAIN);
    assert_int_equal(last_note(1, 1).offset, 1);
    world_settle(world);
    assert_string_equal(kinds(1, 1), "J");
    world_commit(world, 0);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JE");
    assert_string_equal(kinds(1, 1), "JE");
}

static void test_a_member_that_joins_again_misses_nothing(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, PLAIN);
    world_settle(world);
    world_commit(world, 0);
    world_open(world, 1, 0);
    world_join(world, 1, 0, 0, HISTORY); /* its read makes the head known before the fan-out */
    world_answer(world, false, false);
    world_join(world, 0, 0, 0, PLAIN);
    assert_int_equal(last_note(0, 0).kind, NOTE_JOINED);
    assert_int_equal(last_note(0, 0).offset, 0);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JJE");
    assert_string_equal(kinds(1, 0), "JH");
}

static void test_an_answer_may_be_older_than_the_fan_out(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, PLAIN);
    world_commit(world, 0);
    world_deliver(world);
    world_answer(world, true, false);
    assert_string_equal(kinds(0, 0), "JE");
    world_open(world, 1, 0);
    world_join(world, 1, 0, 0, PLAIN);
    assert_int_equal(last_note(1, 0).offset, 1);
}

static void test_resume_replays_exactly_what_was_missed(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        world_commit(world, 0);
    }
    world_settle(world);
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, (struct world_join){.has_since = true, .since = 2});
    world_commit(world, 0);
    world_deliver(world);
    world_answer(world, true, false);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JEEEE");
    const struct note *notes;
    world_received(world, 0, 0, &notes);
    assert_true(notes[0].is_resumed && !notes[0].is_gap);
    assert_true(notes[1].is_replayed && notes[1].offset == 3);
    assert_true(!notes[4].is_replayed && notes[4].offset == 6);
}

static void test_resume_with_a_void_position_is_a_gap(void **state)
{
    (void)state;
    world_commit(world, 0);
    world_settle(world);
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, (struct world_join){.has_since = true, .since = 9});
    world_settle(world);
    assert_true(last_note(0, 0).is_gap && !last_note(0, 0).is_resumed);
    world_open(world, 0, 1);
    world_join(world, 0, 1, 0, (struct world_join){.has_since = true, .other_epoch = true});
    world_settle(world);
    assert_true(last_note(0, 1).is_gap);
    assert_int_equal(last_note(0, 1).offset, 1);
}

static void test_a_second_join_is_answered_and_one_leave_ends_it(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, HISTORY);
    world_join(world, 0, 0, 0, HISTORY);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JHJH");
    world_commit(world, 0);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JHJHE");
    world_leave(world, 0, 0, 0);
    world_commit(world, 0);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JHJHEL");
    world_leave(world, 0, 0, 0);
    assert_int_equal(last_note(0, 0).code, ERROR_CODE_NOT_JOINED);
}

static void test_frames_behind_a_join_keep_their_order(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, HISTORY);
    world_message(world, 0, 0, 0, "\"a\"");
    world_history(world, 0, 0, 0);
    world_leave(world, 0, 0, 0);
    assert_string_equal(kinds(0, 0), "");
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JHMHL");
}

static void test_history_waits_for_the_sessions_own_messages(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, PLAIN);
    world_settle(world);
    world_message(world, 0, 0, 0, "1");
    world_message(world, 0, 0, 0, "2");
    world_history(world, 0, 0, 0);
    assert_false(world_answer(world, false, false));
    world_sequence(world);
    world_deliver(world);
    assert_false(world_answer(world, false, false));
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JMMH");
    assert_int_equal(last_note(0, 0).n, 2);
}

static void test_too_many_waiting_commands_are_refused(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, HISTORY);
    for (int i = 0; i < 10; i++) {
        world_message(world, 0, 0, 0, "1");
    }
    assert_string_equal(kinds(0, 0), "OO");
    assert_int_equal(last_note(0, 0).code, ERROR_CODE_RATE_LIMITED);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "OOJHMMMMMMMM");
}

static void test_ephemeral_messages_do_not_touch_the_store(void **state)
{
    (void)state;
    world_site(world, 0, true, true);
    world_open(world, 0, 0);
    world_open(world, 1, 0);
    world_join(world, 0, 0, 0, HISTORY);
    world_join(world, 1, 0, 0, PLAIN);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "J");
    world_message(world, 0, 0, 0, "{\"x\":1e400}");
    assert_false(world_sequence(world));
    assert_string_equal(kinds(0, 0), "JM");
    assert_string_equal(kinds(1, 0), "JM");
    assert_int_equal(last_note(1, 0).offset, 0);
    assert_string_equal(last_note(1, 0).text, "{\"x\":1e400}");
    world_history(world, 0, 0, 0);
    assert_int_equal(last_note(0, 0).kind, NOTE_HISTORY);
    assert_int_equal(last_note(0, 0).n, 0);
}

static void test_a_channel_made_ephemeral_keeps_a_senders_order(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, PLAIN);
    world_settle(world);
    world_message(world, 0, 0, 0, "1");
    world_site(world, 0, true, true);
    world_message(world, 0, 0, 0, "2");
    assert_string_equal(kinds(0, 0), "J");
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JMM");
    assert_int_equal(last_note(0, 0).offset, 0);
    assert_string_equal(last_note(0, 0).text, "2");
}

static void test_refusals_have_their_codes(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_message(world, 0, 0, 0, "1");
    assert_int_equal(last_note(0, 0).code, ERROR_CODE_NOT_JOINED);
    world_history(world, 0, 0, 0);
    assert_int_equal(last_note(0, 0).code, ERROR_CODE_NOT_JOINED);
    world_site(world, 0, false, true);
    world_join(world, 0, 0, 0, PLAIN);
    assert_int_equal(last_note(0, 0).code, ERROR_CODE_ANONYMOUS_REFUSED);
    world_site(world, 0, true, false);
    world_join(world, 0, 0, 0, PLAIN);
    world_settle(world);
    world_message(world, 0, 0, 0, "1");
    assert_int_equal(last_note(0, 0).code, ERROR_CODE_SEND_REFUSED);
}

static void test_a_rule_that_shuts_members_out_removes_them(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, PLAIN);
    world_join(world, 0, 0, 1, PLAIN);
    world_settle(world);
    world_history(world, 0, 0, 0);
    world_site(world, 100, false, true);
    world_commit(world, 0);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JJOO"); /* neither the event nor the history */
    assert_int_equal(last_note(0, 0).code, ERROR_CODE_REMOVED);
    world_history(world, 0, 0, 0);
    assert_int_equal(last_note(0, 0).code, ERROR_CODE_NOT_JOINED);
    world_site(world, 100, true, true);
    world_join(world, 0, 0, 0, PLAIN);
    world_settle(world);
    assert_int_equal(last_note(0, 0).kind, NOTE_JOINED);
}

static void test_channels_per_session_are_limited(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    for (unsigned c = 0; c < 4; c++) {
        world_join(world, 0, 0, c, PLAIN);
    }
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JJJO");
    assert_int_equal(last_note(0, 0).code, ERROR_CODE_TOO_MANY_CHANNELS);
    world_join(world, 0, 0, 0, PLAIN); /* one it is already in */
    assert_int_equal(last_note(0, 0).kind, NOTE_JOINED);
}

static void test_a_failed_read_undoes_the_join(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, HISTORY);
    world_message(world, 0, 0, 0, "1");
    world_answer(world, false, true);
    assert_string_equal(kinds(0, 0), "OO");
    const struct note *notes;
    world_received(world, 0, 0, &notes);
    assert_int_equal(notes[0].code, ERROR_CODE_UNAVAILABLE);
    assert_int_equal(notes[1].code, ERROR_CODE_NOT_JOINED);
}

static void test_a_failed_read_leaves_a_member_in(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, PLAIN);
    world_commit(world, 0);
    world_settle(world);
    world_join(world, 0, 0, 0, HISTORY);
    world_commit(world, 0);
    world_deliver(world);
    world_answer(world, false, true);
    assert_string_equal(kinds(0, 0), "JOE");
    world_check_complete(world);
}

static void test_a_refused_message_is_told_and_goes_on(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, PLAIN);
    world_settle(world);
    world_message(world, 0, 0, 0, "1");
    world_history(world, 0, 0, 0);
    assert_true(world_refuse(world));
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JOH");
}

static void test_invalid_frames_end_the_session(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    for (int i = 0; i < 4; i++) {
        world_invalid(world, 0, 0);
    }
    assert_string_equal(kinds(0, 0), "OOOO");
    assert_int_equal(world_close_code(world, 0, 0), 1008);
    world_join(world, 0, 0, 0, PLAIN); /* what it still says is ignored */
    assert_false(world_answer(world, false, false));
}

static void test_a_closed_session_leaves_nothing(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, HISTORY);
    world_close(world, 0, 0);
    world_open(world, 0, 0);
    world_settle(world);
    assert_string_equal(kinds(0, 0), ""); /* the answer was for the one before */
    world_join(world, 0, 0, 0, PLAIN);
    world_message(world, 0, 0, 0, "1");
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JM");
}

static void test_a_new_epoch_closes_all(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, PLAIN);
    world_settle(world);
    world_up(world, "e1");
    assert_int_equal(world_close_code(world, 0, 0), 0);
    world_up(world, "e2");
    assert_int_equal(world_close_code(world, 0, 0), 1012);
}

static void test_an_answer_of_another_epoch_is_not_believed(void **state)
{
    (void)state;
    world_commit(world, 0);
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, HISTORY);
    struct store_sink sink = hub_sink(world_hub(world));
    sink.on_up(sink.ctx, STR("e2")); /* renewed, but the answer was read before */
    world_answer(world, false, false);
    world_open(world, 1, 0);
    world_up(world, "e2");
    world_join(world, 1, 0, 0, PLAIN);
    assert_true(world_answer(world, false, false)); /* no head was taken over: it reads again */
    assert_string_equal(kinds(1, 0), "J");
}

static void test_a_removed_members_failed_read_undoes_nothing(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, HISTORY);
    world_disconnect(world, (struct directive){.channel = STR("room/0")});
    world_answer(world, false, true);
    assert_string_equal(kinds(0, 0), "OO");
    assert_int_equal(last_code(0, 0), ERROR_CODE_UNAVAILABLE);
}

static void test_a_failed_history_is_told(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_history(world, 0, 0, 0);
    world_answer(world, false, true);
    assert_int_equal(last_code(0, 0), ERROR_CODE_UNAVAILABLE);
    world_history(world, 0, 0, 0);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "OH");
}

static void test_history_of_one_client_is_empty(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_message(world, 0, 0, 0, "1");
    world_settle(world);
    world_history_of(world, 0, 0, 0, world_socket_id(world, 0, 0));
    assert_string_equal(kinds(0, 0), "MH");
    assert_int_equal(last_note(0, 0).n, 0);
}

static void test_a_full_store_refuses_messages(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANYBODY, PLAIN);
    for (int i = 0; i < 1024; i++) {
        world_message(world, 0, 0, 0, "1");
    }
    assert_string_equal(kinds(0, 0), "");
    world_message(world, 0, 0, 0, "1");
    assert_int_equal(last_code(0, 0), ERROR_CODE_UNAVAILABLE);
    world_history(world, 0, 0, 0); /* waits for the 1024 and not for the refused one */
    world_settle(world);
    assert_int_equal(last_note(0, 0).kind, NOTE_HISTORY);
}

static void test_too_many_waiting_bytes_are_refused(void **state)
{
    (void)state;
    char *payload = malloc(600001);
    memset(payload, '1', 600000);
    payload[600000] = '\0';
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, HISTORY);
    world_message(world, 0, 0, 0, payload);
    assert_string_equal(kinds(0, 0), "");
    world_message(world, 0, 0, 0, payload);
    assert_int_equal(last_code(0, 0), ERROR_CODE_RATE_LIMITED);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "OJHM");
    free(payload);
}

static void test_what_waits_when_a_session_is_told_to_close_is_dropped(void **state)
{
    (void)state;
    world_open(world, 0, 0);
    world_join(world, 0, 0, 0, HISTORY);
    world_disconnect(world, (struct directive){.reason = "go"});
    for (int i = 0; i < 20; i++) {
        world_message(world, 0, 0, 0, "1");
    }
    assert_string_equal(kinds(0, 0), "O");
    check_rest();
}

static void test_answers_for_a_session_that_is_gone(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_message(world, 0, 0, 0, "1");
    world_message(world, 0, 0, 0, "2");
    world_sequence(world);
    world_close(world, 0, 0);
    world_deliver(world);
    assert_true(world_refuse(world));
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_message(world, 0, 0, 0, "3");
    world_disconnect(world, (struct directive){.socket_id = str_of(world_socket_id(world, 0, 0))});
    assert_true(world_refuse(world));
    assert_string_equal(kinds(0, 0), "O");
    check_rest();
}

static void test_draining_closes_all_with_1012(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(1, 0, WHO_ANN, PLAIN);
    assert_int_equal(hub_n_sessions(world_hub(world)), 2);
    hub_drain(world_hub(world), 100);
    assert_int_equal(world_close_code(world, 0, 0), 1012);
    assert_int_equal(world_close_code(world, 1, 0), 1012);
    world_rest(world);
    assert_int_equal(hub_n_sessions(world_hub(world)), 0);
}

static void test_switching_off_closes_all_with_1012(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANYBODY, PLAIN);
    world_switch_off(world);
    assert_int_equal(world_close_code(world, 0, 0), 1012);
    check_rest();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_join_is_acknowledged_with_the_head),
        T(test_second_member_needs_no_read),
        T(test_events_reach_members_only),
        T(test_live_events_wait_for_the_history),
        T(test_history_that_holds_an_undelivered_event),
        T(test_a_known_head_may_be_ahead_of_the_fan_out),
        T(test_a_member_that_joins_again_misses_nothing),
        T(test_an_answer_may_be_older_than_the_fan_out),
        T(test_resume_replays_exactly_what_was_missed),
        T(test_resume_with_a_void_position_is_a_gap),
        T(test_a_second_join_is_answered_and_one_leave_ends_it),
        T(test_frames_behind_a_join_keep_their_order),
        T(test_history_waits_for_the_sessions_own_messages),
        T(test_too_many_waiting_commands_are_refused),
        T(test_ephemeral_messages_do_not_touch_the_store),
        T(test_a_channel_made_ephemeral_keeps_a_senders_order),
        T(test_refusals_have_their_codes),
        T(test_a_rule_that_shuts_members_out_removes_them),
        T(test_channels_per_session_are_limited),
        T(test_a_failed_read_undoes_the_join),
        T(test_a_failed_read_leaves_a_member_in),
        T(test_a_refused_message_is_told_and_goes_on),
        T(test_invalid_frames_end_the_session),
        T(test_a_closed_session_leaves_nothing),
        T(test_a_new_epoch_closes_all),
        T(test_an_answer_of_another_epoch_is_not_believed),
        T(test_a_removed_members_failed_read_undoes_nothing),
        T(test_a_failed_history_is_told),
        T(test_history_of_one_client_is_empty),
        T(test_a_full_store_refuses_messages),
        T(test_too_many_waiting_bytes_are_refused),
        T(test_what_waits_when_a_session_is_told_to_close_is_dropped),
        T(test_answers_for_a_session_that_is_gone),
        T(test_draining_closes_all_with_1012),
        T(test_switching_off_closes_all_with_1012),
    };
    return cmocka_run_group_tests_name("core/hub", tests, NULL, NULL);
}
