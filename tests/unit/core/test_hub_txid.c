/* SPDX-License-Identifier: PostgreSQL */
/* Has all that a transaction did been told to me? */
#include "hub_harness.h"

static void answer(const char *snapshot)
{
    assert_true(world_answer_settle(world, snapshot));
}

static void expect_txid(uint64_t xid)
{
    struct note note = last_note(0, 0);
    assert_int_equal(note.kind, NOTE_TXID);
    assert_int_equal(note.offset, xid);
    assert_string_equal(note.ref, "x");
}

static void test_it_is_answered_when_the_snapshot_sees_it(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PLAIN);
    world_txid(world, 0, 0, 7);
    assert_string_equal(kinds(0, 0), "");
    answer("7:9:7,8");
    assert_string_equal(kinds(0, 0), "");
    assert_false(world_answer_settle(world, "9:9:")); /* not asked at once: it is not over */
    world_tick(world, 50);
    answer("8:9:8");
    expect_txid(7);
    world_tick(world, 20000);
    assert_string_equal(kinds(0, 0), "X");
    assert_false(world_answer_settle(world, "9:9:")); /* nobody waits */
}

static void test_who_comes_meanwhile_is_of_the_next_question(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PLAIN);
    world_txid(world, 0, 0, 7);
    world_txid(world, 0, 0, 6);
    answer("9:9:");
    expect_txid(7);
    assert_string_equal(kinds(0, 0), "X"); /* the snapshot may be older than what it asks about */
    answer("9:9:");
    expect_txid(6);
}

static void test_it_ends_after_ten_seconds(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PLAIN);
    world_txid(world, 0, 0, 7000);
    for (unsigned i = 0; i < 400 && kinds(0, 0)[0] == '\0'; i++) {
        world_answer_settle(world, "9:9:");
        world_tick(world, 50);
    }
    assert_int_equal(last_code(0, 0), ERROR_CODE_UNAVAILABLE);
    assert_string_equal(last_note(0, 0).ref, "x");
    world_txid(world, 0, 0, 7); /* there is room again, also while nobody answers */
    world_tick(world, 10000);
    assert_string_equal(kinds(0, 0), "OO");
}

static void test_a_session_waits_for_so_many(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PLAIN);
    for (unsigned i = 0; i < 16; i++) {
        world_txid(world, 0, 0, 7);
    }
    assert_string_equal(kinds(0, 0), "");
    world_txid(world, 0, 0, 7);
    assert_int_equal(last_code(0, 0), ERROR_CODE_RATE_LIMITED);
    world_take(world, 0, 0);
    answer("9:9:");
    answer("9:9:");
    assert_string_equal(kinds(0, 0), "XXXXXXXXXXXXXXXX");
}

static void test_rows_that_wait_for_their_judges_come_first(void **state)
{
    (void)state;
    world_watch(world, 0, WORLD_POLICY, false);
    enter(0, 0, WHO_ANN, PLAIN);
    world_commit_row(world, 0, NULL, &(struct world_row){.id = 1, .owner = 34, .state = 'a'},
                     false);
    assert_true(world_deliver(world));
    world_txid(world, 0, 0, 7);
    answer("9:9:");
    assert_string_equal(kinds(0, 0), "");
    world_settle(world);
    world_tick(world, 50);
    assert_string_equal(kinds(0, 0), "EX");
}

static void test_that_rows_are_to_be_read_anew_comes_first(void **state)
{
    (void)state;
    new_world((struct world_options){.has_manual_turns = true, .expects_gaps = true});
    world_watch(world, 0, WORLD_POLICY, false);
    enter(0, 0, WHO_ANN, PLAIN);
    world_txid(world, 0, 0, 7);
    world_commit_reread(world, WHO_ANN);
    assert_true(world_deliver(world));
    answer("9:9:");
    world_flush(world);
    assert_string_equal(kinds(0, 0), "JX");
}

static void test_a_join_under_way_comes_first(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PLAIN);
    world_txid(world, 0, 0, 7);
    join(0, 0, HISTORY); /* what comes now waits at the worker */
    world_commit(world, 0);
    assert_true(world_deliver(world));
    answer("9:9:");
    assert_string_equal(kinds(0, 0), "");
    world_settle(world);
    world_tick(world, 50);
    assert_int_equal(last_note(0, 0).kind, NOTE_TXID);
}

static void test_a_session_may_close_meanwhile(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANN, PLAIN);
    world_txid(world, 0, 0, 7);
    world_close(world, 0, 0);
    enter(0, 0, WHO_BEN, PLAIN);
    answer("9:9:");
    assert_string_equal(kinds(0, 0), "");
    world_txid(world, 0, 0, 8);
    answer(NULL); /* the store is at its end */
    assert_string_equal(kinds(0, 0), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_it_is_answered_when_the_snapshot_sees_it),
        T(test_who_comes_meanwhile_is_of_the_next_question),
        T(test_it_ends_after_ten_seconds),
        T(test_a_session_waits_for_so_many),
        T(test_rows_that_wait_for_their_judges_come_first),
        T(test_that_rows_are_to_be_read_anew_comes_first),
        T(test_a_join_under_way_comes_first),
        T(test_a_session_may_close_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
