/* SPDX-License-Identifier: PostgreSQL */
/* Whatever a client asks with a ref is answered with it, whether that is done at once, or comes out
 * later; and nothing else that it is told has one. */
#include "hub_harness.h"

static const struct rule KEEPING = {
    .anonymous_clients = true, .public_messaging = true, .message_history = 100};
static const struct rule OPEN = {.anonymous_clients = true, .public_messaging = true};

static void refer(const char *ref)
{
    world_refer(world, ref);
}

static void assert_last(unsigned slot, enum note_kind kind, const char *ref)
{
    struct note note = last_note(0, slot);
    assert_int_equal(note.kind, kind);
    assert_string_equal(note.ref, ref);
}

static void assert_refused(unsigned slot, enum error_code code, const char *ref)
{
    assert_int_equal(last_code(0, slot), code);
    assert_string_equal(last_note(0, slot).ref, ref);
}

static void test_refusals_at_once(void **state)
{
    (void)state;
    world_rule(world, OPEN);
    open_as(0, 0, WHO_ANYBODY);
    refer("m");
    world_message(world, 0, 0, 0, "1");
    assert_refused(0, ERROR_CODE_NOT_JOINED, "m");
    refer("l");
    world_leave(world, 0, 0, 0);
    assert_refused(0, ERROR_CODE_NOT_JOINED, "l");
    refer("i");
    world_invalid(world, 0, 0);
    assert_refused(0, ERROR_CODE_BAD_JSON, "i");
    world_invalid(world, 0, 0);
    assert_refused(0, ERROR_CODE_BAD_JSON, "");
    refer("p");
    world_ping(world, 0, 0);
    assert_last(0, NOTE_PONG, "p");
}

static void test_joins_and_leaves(void **state)
{
    (void)state;
    world_rule(world, KEEPING);
    open_as(0, 0, WHO_ANYBODY);
    refer("a");
    join(0, 0, (struct world_join){.history = true}); /* is read */
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JH");
    refer("b");
    join(0, 0, PLAIN); /* is not */
    world_settle(world);
    assert_last(0, NOTE_JOINED, "b");
    refer("c");
    world_leave(world, 0, 0, 0);
    assert_last(0, NOTE_LEFT, "c");
    join(0, 0, PLAIN);
    world_settle(world);
    assert_last(0, NOTE_JOINED, "");
}

/* The command is done with when the read fails, and what came behind it has a ref of its own. */
static void test_a_read_that_fails(void **state)
{
    (void)state;
    world_rule(world, KEEPING);
    open_as(0, 0, WHO_ANYBODY);
    refer("a");
    join(0, 0, (struct world_join){.history = true});
    refer("b");
    world_message(world, 0, 0, 0, "1");
    assert_string_equal(kinds(0, 0), "");
    assert_true(world_answer(world, false, true));
    const struct note *notes;
    assert_int_equal(world_received(world, 0, 0, &notes), 2);
    assert_int_equal(notes[0].code, ERROR_CODE_UNAVAILABLE);
    assert_string_equal(notes[0].ref, "a");
    assert_int_equal(notes[1].code, ERROR_CODE_NOT_JOINED);
    assert_string_equal(notes[1].ref, "b");
}

/* The same without a ref: the waiting read is not to be answered with that of the next one. */
static void test_a_read_without_a_ref_that_fails(void **state)
{
    (void)state;
    world_rule(world, KEEPING);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, (struct world_join){.history = true});
    refer("b");
    world_message(world, 0, 0, 0, "1");
    assert_true(world_answer(world, false, true));
    const struct note *notes;
    assert_int_equal(world_received(world, 0, 0, &notes), 2);
    assert_string_equal(notes[0].ref, "");
    assert_string_equal(notes[1].ref, "b");
}

static void test_functions_refuse_and_drop(void **state)
{
    (void)state;
    world_rule(world, (struct rule){.anonymous_clients = true,
                                    .public_messaging = true,
                                    .on_join = "hook",
                                    .on_message = "hook"});
    open_as(0, 0, WHO_ANYBODY);
    refer("a");
    join(0, 0, PLAIN);
    refer("z"); /* waits behind it */
    world_ping(world, 0, 0);
    assert_true(world_reply(world, 0, REFUSED));
    const struct note *notes;
    assert_int_equal(world_received(world, 0, 0, &notes), 2);
    assert_int_equal(notes[0].code, ERROR_CODE_HOOK_REFUSED);
    assert_string_equal(notes[0].ref, "a");
    assert_string_equal(notes[1].ref, "z");
    join(0, 0, PLAIN);
    assert_true(world_reply(world, 0, DONE));
    world_settle(world);
    refer("b");
    world_message(world, 0, 0, 0, "1");
    assert_true(world_reply(world, 0, (struct world_reply){.drops = true}));
    assert_last(0, NOTE_RECEIPT, "b");
    assert_true(last_note(0, 0).is_dropped);
}

static void test_what_is_not_asked_has_none(void **state)
{
    (void)state;
    world_rule(world, OPEN);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    world_settle(world);
    refer("h");
    world_history(world, 0, 0, 0);
    world_settle(world);
    world_rule(world, (struct rule){.anonymous_clients = false});
    assert_refused(0, ERROR_CODE_REMOVED, "");
}

/* ---- receipts ---- */

static void test_receipts_come_before_the_echo(void **state)
{
    (void)state;
    world_rule(world, OPEN);
    open_as(0, 0, WHO_ANYBODY);
    open_as(0, 1, WHO_ANYBODY);
    join(0, 0, PLAIN);
    join(0, 1, PLAIN);
    world_settle(world);
    refer("a");
    world_message(world, 0, 0, 0, "1");
    assert_string_equal(kinds(0, 0), "JRM");
    assert_string_equal(kinds(0, 1), "JM"); /* the sender's alone */
    world_message(world, 0, 0, 0, "2");
    assert_string_equal(kinds(0, 0), "JRMM");
}

static void test_receipts_of_what_is_kept(void **state)
{
    (void)state;
    world_rule(world, KEEPING);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    world_settle(world);
    refer("a");
    world_message(world, 0, 0, 0, "1");
    refer("b");
    world_message(world, 0, 0, 0, "2");
    assert_string_equal(kinds(0, 0), "J");
    world_settle(world);
    const struct note *notes;
    assert_string_equal(kinds(0, 0), "JRMRM");
    world_received(world, 0, 0, &notes);
    assert_string_equal(notes[1].ref, "a");
    assert_int_equal(notes[1].offset, 1);
    assert_string_equal(notes[3].ref, "b");
    assert_int_equal(notes[3].offset, 2);
    refer("c");
    world_message(world, 0, 0, 0, "3");
    assert_true(world_refuse(world));
    assert_refused(0, ERROR_CODE_UNAVAILABLE, "c");
}

static void test_a_duplicate_is_only_told(void **state)
{
    (void)state;
    world_rule(world, KEEPING);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    world_settle(world);
    refer("a");
    world_key(world, "0123456789abcdef", "00000000000000000000000000000000");
    world_message(world, 0, 0, 0, "1");
    refer("h");
    world_history(world, 0, 0, 0); /* waits for it */
    assert_true(world_repeat(world));
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JRH");
    const struct note *notes;
    world_received(world, 0, 0, &notes);
    assert_true(notes[1].is_duplicate);
    assert_string_equal(notes[1].ref, "a");
}

static void test_who_may_have_a_key(void **state)
{
    (void)state;
    world_rule(world, KEEPING);
    open_as(0, 0, WHO_ANYBODY);
    open_as(0, 1, WHO_ANN);
    join(0, 0, PLAIN);
    join(0, 1, PLAIN);
    world_settle(world);
    refer("a");
    world_key(world, "0123456789abcdef", NULL);
    world_message(world, 0, 0, 0, "1");
    assert_refused(0, ERROR_CODE_BAD_JSON, "a");
    world_key(world, "0123456789abcdef", NULL); /* who is signed in needs no secret */
    world_message(world, 0, 1, 0, "1");
    world_settle(world);
    assert_string_equal(kinds(0, 1), "JM");
    world_rule(world, OPEN);
    refer("b");
    world_key(world, "0123456789abcdef", "00000000000000000000000000000000");
    world_message(world, 0, 0, 0, "1");
    assert_refused(0, ERROR_CODE_BAD_JSON, "b");
}

/* ---- empty answers ---- */

static void test_who_has_a_ref_is_told_that_there_is_nothing(void **state)
{
    (void)state;
    world_rule(world, OPEN);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, (struct world_join){.history = true, .presence = true});
    world_settle(world);
    assert_string_equal(kinds(0, 0), "J");
    refer("a");
    join(0, 0, (struct world_join){.history = true, .presence = true});
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JJFH");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_refusals_at_once),
        T(test_joins_and_leaves),
        T(test_a_read_that_fails),
        T(test_a_read_without_a_ref_that_fails),
        T(test_functions_refuse_and_drop),
        T(test_what_is_not_asked_has_none),
        T(test_receipts_come_before_the_echo),
        T(test_receipts_of_what_is_kept),
        T(test_a_duplicate_is_only_told),
        T(test_who_may_have_a_key),
        T(test_who_has_a_ref_is_told_that_there_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
