/* SPDX-License-Identifier: PostgreSQL */
/* Coming back: from memory and from the store, page by page, a bounded number of reads at a time.
 */
#include "hub_harness.h"

static const struct world_options MEMORY = {.recent_rows = 100};

static struct world_join since(uint64_t offset)
{
    return (struct world_join){.has_since = true, .since = offset};
}

static void commit(int n)
{
    for (int i = 0; i < n; i++) {
        world_commit(world, 0);
    }
}

static void deliver(int n)
{
    commit(n);
    while (world_deliver(world)) {
    }
}

static void resume(unsigned worker, unsigned slot, uint64_t offset)
{
    world_open(world, worker, slot);
    join(worker, slot, since(offset));
}

/* ---- from memory ---- */

static void test_what_was_missed_comes_from_memory(void **state)
{
    (void)state;
    new_world(MEMORY);
    deliver(5);
    size_t n_frames = world_n_replay_frames();
    resume(0, 0, 2);
    resume(1, 0, 2);
    resume(1, 1, 4);
    assert_int_equal(world_n_reads(world), 0);
    assert_int_equal(world_n_replay_frames() - n_frames, 3); /* shared */
    assert_string_equal(kinds(0, 0), "JEEE");
    assert_string_equal(kinds(1, 1), "JE");
    const struct note *notes;
    world_received(world, 0, 0, &notes);
    assert_true(notes[0].is_resumed && notes[0].offset == 5);
    assert_true(notes[1].is_replayed && notes[1].offset == 3);
    deliver(1);
    assert_string_equal(kinds(0, 0), "JEEEE");
    assert_false(last_note(0, 0).is_replayed);
    check_rest();
}

static void test_nothing_missed_needs_no_rows(void **state)
{
    (void)state;
    commit(3);
    world_open(world, 0, 0);
    join(0, 0, PLAIN);
    world_settle(world);
    size_t n_reads = world_n_reads(world);
    resume(1, 0, 3);
    assert_string_equal(kinds(1, 0), "J");
    assert_true(last_note(1, 0).is_resumed);
    assert_int_equal(world_n_reads(world), n_reads);
    check_rest();
}

static void test_what_is_older_than_the_memory_is_read(void **state)
{
    (void)state;
    new_world((struct world_options){.recent_rows = 3});
    deliver(5);
    resume(0, 0, 2);
    assert_int_equal(world_n_reads(world), 0);
    resume(0, 1, 1);
    assert_int_equal(world_n_reads(world), 1);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JEEE");
    assert_string_equal(kinds(0, 1), "JEEEE");
    world_commit(world, 1); /* rows of another channel push these out */
    world_deliver(world);
    resume(0, 2, 2);
    assert_int_equal(world_n_reads(world), 2);
    check_rest();
}

static void test_an_event_on_its_way_comes_after_the_replay(void **state)
{
    (void)state;
    new_world(MEMORY);
    deliver(2);
    commit(1);
    resume(0, 0, 1);
    assert_string_equal(kinds(0, 0), "JE");
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JEE");
    assert_false(last_note(0, 0).is_replayed);
    check_rest();
}

static void test_a_position_ahead_of_the_memory_is_read(void **state)
{
    (void)state;
    new_world(MEMORY);
    deliver(2);
    commit(1);
    resume(0, 0, 3);
    assert_int_equal(world_n_reads(world), 1);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "J");
    assert_true(last_note(0, 0).is_resumed);
    resume(0, 1, 9);
    world_settle(world);
    assert_true(last_note(0, 1).is_gap);
    check_rest();
}

static void test_memory_knows_audiences(void **state)
{
    (void)state;
    new_world(MEMORY);
    deliver(1);
    world_commit_for(world, 0,
                     (struct audience){.kind = AUDIENCE_USER, .dbo_id = 12, .row_id = STR("34")});
    deliver(1);
    resume(0, 0, 0);
    open_as(0, 1, WHO_ANN);
    join(0, 1, since(0));
    open_as(0, 2, WHO_BEN);
    join(0, 2, HISTORY);
    assert_int_equal(world_n_reads(world), 0);
    assert_string_equal(kinds(0, 0), "JEE");
    assert_string_equal(kinds(0, 1), "JEEE");
    assert_string_equal(kinds(0, 2), "JH");
    assert_int_equal(last_note(0, 2).n, 2);
    check_rest();
}

static void test_a_new_epoch_empties_the_memory(void **state)
{
    (void)state;
    new_world(MEMORY);
    deliver(3);
    world_up(world, "e2");
    resume(0, 0, 1);
    assert_int_equal(world_n_reads(world), 1);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JEE"); /* the position says the new epoch */
    resume(0, 1, 2);
    assert_int_equal(world_n_reads(world), 1); /* what was read is kept */
    world_open(world, 0, 2);
    join(0, 2, (struct world_join){.has_since = true, .since = 2, .other_epoch = true});
    assert_true(last_note(0, 2).is_gap);
    check_rest();
}

static void test_a_member_resumes_again(void **state)
{
    (void)state;
    new_world(MEMORY);
    deliver(2);
    resume(0, 0, 0);
    deliver(1);
    join(0, 0, since(1));
    deliver(1);
    assert_string_equal(kinds(0, 0), "JEEEJEEE");
    assert_int_equal(last_note(0, 0).offset, 4);
    assert_int_equal(world_n_reads(world), 0);
    check_rest();
}

static void test_a_resume_beside_a_held_join(void **state)
{
    (void)state;
    new_world((struct world_options){.recent_rows = 2});
    deliver(4);
    world_open(world, 0, 0);
    join(0, 0, HISTORY); /* must read: the memory has not all of it */
    resume(0, 1, 3);
    deliver(1);
    assert_string_equal(kinds(0, 0), "");
    assert_string_equal(kinds(0, 1), "JEE");
    world_answer(world, true, false);
    assert_string_equal(kinds(0, 0), "JHE");
    check_rest();
}

/* ---- history from memory ---- */

static void test_history_comes_from_memory_if_that_is_all(void **state)
{
    (void)state;
    new_world(MEMORY);
    deliver(3);
    world_open(world, 0, 0);
    join(0, 0, HISTORY);
    assert_string_equal(kinds(0, 0), "JH");
    assert_int_equal(last_note(0, 0).n, 3);
    world_history(world, 0, 0, 0);
    assert_string_equal(kinds(0, 0), "JHH");
    world_site(world, 2, true, true);
    world_history(world, 0, 0, 0);
    assert_int_equal(last_note(0, 0).first, 2);
    deliver(1);
    world_history(world, 0, 0, 0);
    assert_int_equal(last_note(0, 0).first, 3);
    assert_int_equal(world_n_reads(world), 0);
    check_rest();
}

static void test_a_history_that_was_read_serves_the_next(void **state)
{
    (void)state;
    new_world((struct world_options){.recent_rows = 4});
    deliver(9);
    world_site(world, 4, true, true);
    world_open(world, 0, 0);
    join(0, 0, HISTORY);
    assert_int_equal(world_n_reads(world), 0);
    world_site(world, 5, true, true);
    world_open(world, 0, 1);
    join(0, 1, HISTORY);
    assert_int_equal(world_n_reads(world), 1);
    world_settle(world);
    assert_int_equal(last_note(0, 1).n, 5);
    check_rest();
}

static void test_rows_that_were_read_join_the_memory(void **state)
{
    (void)state;
    new_world(MEMORY);
    commit(5); /* before this process: their ids go by */
    resume(0, 0, 1);
    world_answer(world, false, false);
    assert_string_equal(kinds(0, 0), "JEEEE");
    resume(0, 1, 2);
    resume(0, 2, 0);
    assert_int_equal(world_n_reads(world), 2);
    assert_string_equal(kinds(0, 1), "JEEE");
    world_settle(world); /* the five are told now */
    deliver(1);
    resume(1, 0, 0);
    assert_int_equal(world_n_reads(world), 2);
    assert_string_equal(kinds(1, 0), "JEEEEEE");
    check_rest();
}

static void test_an_answer_older_than_the_fan_out_leaves_no_hole(void **state)
{
    (void)state;
    new_world((struct world_options){.recent_rows = 2});
    commit(3);
    resume(0, 0, 0);
    while (world_deliver(world)) {
    }
    deliver(3); /* 5 and 6 are in memory, 4 is not */
    world_answer(world, true, false);
    assert_string_equal(kinds(0, 0), "JEEEEEE");
    resume(0, 1, 2);
    world_settle(world);
    assert_string_equal(kinds(0, 1), "JEEEE");
    check_rest();
}

/* ---- pages ---- */

static void test_pages_wait_for_the_session(void **state)
{
    (void)state;
    new_world((struct world_options){.recent_rows = 100, .page_rows = 2});
    deliver(5);
    resume(0, 0, 0);
    assert_string_equal(kinds(0, 0), "JEE");
    deliver(1);
    world_message(world, 0, 0, 0, "1");
    assert_string_equal(kinds(0, 0), "JEE");
    assert_true(world_drain(world));
    assert_string_equal(kinds(0, 0), "JEEEE");
    assert_true(world_drain(world));
    assert_string_equal(kinds(0, 0), "JEEEEEE"); /* the last page, and what was held */
    assert_false(world_drain(world));
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JEEEEEEM");
    assert_int_equal(world_n_reads(world), 0);
    check_rest();
}

static void test_a_long_replay_ends_with_who_is_here(void **state)
{
    (void)state;
    new_world((struct world_options){.recent_rows = 100, .page_rows = 2});
    world_rule(world, (struct rule){.anonymous_clients = true, .presence = true});
    deliver(3);
    world_open(world, 0, 0);
    join(0, 0, (struct world_join){.has_since = true, .since = 0, .presence = true});
    enter(0, 1, WHO_ANN, PLAIN);
    assert_string_equal(kinds(0, 0), "JFEEEF"); /* the news were not for it */
    assert_int_equal(world_list_size(world, 0, 0, 0), 2);
    world_close(world, 0, 1);
    assert_string_equal(kinds(0, 0), "JFEEEFU");
    world_open(world, 1, 0);
    join(1, 0, (struct world_join){.has_since = true, .since = 2, .presence = true});
    assert_string_equal(kinds(1, 0), "JFE");
    check_rest();
}

static void test_pages_are_read_one_by_one(void **state)
{
    (void)state;
    new_world((struct world_options){.page_rows = 2});
    deliver(5);
    resume(0, 0, 0);
    for (size_t page = 1; page <= 3; page++) {
        assert_int_equal(world_n_reads(world), page);
        assert_true(world_answer(world, false, false));
        deliver(1);
        assert_false(world_answer(world, false, false)); /* not before it has drained */
        world_drain(world);
    }
    assert_string_equal(kinds(0, 0), "JEEEEEEEE");
    assert_int_equal(world_n_reads(world), 3);
    check_rest();
}

static void test_a_replay_goes_over_from_store_to_memory(void **state)
{
    (void)state;
    new_world((struct world_options){.recent_rows = 4, .page_rows = 2});
    deliver(6);
    resume(0, 0, 0);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JEEEEEE");
    assert_int_equal(world_n_reads(world), 1);
    check_rest();
}

static void test_more_than_is_allowed_is_a_gap(void **state)
{
    (void)state;
    for (uint32_t rows = 0; rows <= 100; rows += 100) {
        new_world((struct world_options){.recent_rows = rows, .resume_max_rows = 4});
        deliver(6);
        resume(0, 0, 2);
        resume(0, 1, 1);
        world_settle(world);
        assert_string_equal(kinds(0, 0), "JEEEE");
        assert_string_equal(kinds(0, 1), "J");
        assert_true(last_note(0, 1).is_gap);
        assert_int_equal(last_note(0, 1).offset, 6);
        check_rest();
    }
}

static void test_a_replay_that_cannot_go_on_ends_the_session(void **state)
{
    (void)state;
    new_world((struct world_options){.page_rows = 2});
    deliver(6);
    resume(0, 0, 0);
    resume(0, 1, 0);
    world_answer(world, false, false);
    world_answer(world, false, false);
    world_drain(world);
    world_drain(world);
    world_message(world, 0, 0, 0, "1");
    world_answer(world, false, true);
    assert_int_equal(world_close_code(world, 0, 0), 1013);
    world_trim(world, 0, 4);
    world_answer(world, false, false);
    assert_int_equal(world_close_code(world, 0, 1), 1013);
    world_close(world, 0, 1);
    resume(0, 1, 2);
    world_settle(world);
    assert_true(last_note(0, 1).is_gap);
    check_rest();
}

static void test_a_new_epoch_ends_a_replay(void **state)
{
    (void)state;
    new_world((struct world_options){.recent_rows = 100, .page_rows = 2});
    deliver(6);
    resume(0, 0, 0);
    resume(0, 1, 0);
    world_up(world, "e2");
    assert_int_equal(world_close_code(world, 0, 0), 1012);
    world_close(world, 0, 0);
    check_rest();
}

static void test_who_is_removed_gets_no_more_of_it(void **state)
{
    (void)state;
    new_world((struct world_options){.recent_rows = 100, .page_rows = 2});
    deliver(6);
    resume(0, 0, 0);
    world_message(world, 0, 0, 0, "1");
    world_disconnect(world, (struct directive){.channel = str_of(world_channel_name(0))});
    assert_string_equal(kinds(0, 0), "JEEO");
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JEEOO");
    assert_int_equal(last_code(0, 0), ERROR_CODE_NOT_JOINED);
    check_rest();
}

static void test_who_closes_leaves_nothing(void **state)
{
    (void)state;
    new_world((struct world_options){.page_rows = 2, .max_reads = 1});
    deliver(6);
    resume(0, 0, 0);
    resume(0, 1, 0);
    resume(0, 2, 0);
    world_answer(world, false, false);
    world_close(world, 0, 0); /* between two pages */
    world_close(world, 0, 2); /* before its turn */
    world_settle(world);
    assert_string_equal(kinds(0, 1), "JEEEEEE");
    assert_int_equal(world_n_reads(world), 4); /* of slot 2: none */
    check_rest();
}

/* ---- turns ---- */

static void test_one_read_answers_a_crowd(void **state)
{
    (void)state;
    new_world((struct world_options){.recent_rows = 100, .max_reads = 1});
    commit(5);
    for (unsigned slot = 0; slot < WORLD_SLOTS; slot++) {
        resume(0, slot, 2);
        world_open(world, 1, slot);
        join(1, slot, HISTORY);
    }
    assert_int_equal(world_n_reads(world), 2);
    world_settle(world);
    assert_int_equal(world_n_reads(world), 2);
    assert_string_equal(kinds(0, 5), "JEEE");
    assert_string_equal(kinds(1, 5), "JH");
    check_rest();
}

static void test_a_crowd_of_replays_lets_others_join(void **state)
{
    (void)state;
    new_world((struct world_options){.page_rows = 1, .max_reads = 1});
    deliver(20);
    for (unsigned slot = 0; slot < WORLD_SLOTS; slot++) {
        resume(0, slot, 0);
    }
    world_open(world, 1, 0);
    world_join(world, 1, 0, 1, HISTORY);
    world_answer(world, false, false);
    world_drain(world);
    world_answer(world, false, false);
    assert_string_equal(kinds(1, 0), "JH");
    /* And they advance alike. */
    for (unsigned i = 0; i < 3 * WORLD_SLOTS - 1; i++) {
        world_answer(world, false, false);
        world_drain(world);
    }
    for (unsigned slot = 0; slot < WORLD_SLOTS; slot++) {
        assert_string_equal(kinds(0, slot), "JEEE");
    }
    check_rest();
}

static void test_a_store_that_fails_fails_those_who_waited_as_long(void **state)
{
    (void)state;
    new_world((struct world_options){.max_reads = 1});
    deliver(2);
    resume(0, 0, 0);
    resume(0, 1, 0);
    world_tick(world, 30000);
    resume(0, 2, 0);
    world_answer(world, false, true);
    assert_int_equal(last_code(0, 0), ERROR_CODE_UNAVAILABLE);
    assert_int_equal(last_code(0, 1), ERROR_CODE_UNAVAILABLE);
    assert_string_equal(kinds(0, 2), "");
    world_settle(world);
    assert_string_equal(kinds(0, 2), "JEE");
    check_rest();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_what_was_missed_comes_from_memory),
        T(test_nothing_missed_needs_no_rows),
        T(test_what_is_older_than_the_memory_is_read),
        T(test_an_event_on_its_way_comes_after_the_replay),
        T(test_a_position_ahead_of_the_memory_is_read),
        T(test_memory_knows_audiences),
        T(test_a_new_epoch_empties_the_memory),
        T(test_a_member_resumes_again),
        T(test_a_resume_beside_a_held_join),
        T(test_history_comes_from_memory_if_that_is_all),
        T(test_a_history_that_was_read_serves_the_next),
        T(test_rows_that_were_read_join_the_memory),
        T(test_an_answer_older_than_the_fan_out_leaves_no_hole),
        T(test_pages_wait_for_the_session),
        T(test_a_long_replay_ends_with_who_is_here),
        T(test_pages_are_read_one_by_one),
        T(test_a_replay_goes_over_from_store_to_memory),
        T(test_more_than_is_allowed_is_a_gap),
        T(test_a_replay_that_cannot_go_on_ends_the_session),
        T(test_a_new_epoch_ends_a_replay),
        T(test_who_is_removed_gets_no_more_of_it),
        T(test_who_closes_leaves_nothing),
        T(test_one_read_answers_a_crowd),
        T(test_a_crowd_of_replays_lets_others_join),
        T(test_a_store_that_fails_fails_those_who_waited_as_long),
    };
    return cmocka_run_group_tests_name("core/hub/recent", tests, NULL, NULL);
}
