/* SPDX-License-Identifier: PostgreSQL */
/* Rows that there are, and then what happens to them. The fake world looks at each frame of rows: they
 * must be those that its session may see when it is sent them. */
#include "hub_harness.h"

static const struct world_join ROWS = {.filter = WORLD_ROWS};
static const struct world_row BOTH[] = {{.id = 1, .n = 1, .state = 'a', .owner = 34, .name = 1},
                                        {.id = 2, .n = 1, .state = 'a', .owner = 35, .name = 0}};

static void ask(unsigned slot, unsigned channel, enum world_who who)
{
    open_as(0, slot, who);
    world_join(world, 0, slot, channel, ROWS);
}

static void read_both(void)
{
    assert_true(world_answer_rows(world, BOTH, 2));
}

static void look(void)
{
    assert_true(world_answer_look(world));
}

static struct note nth(unsigned slot, size_t i)
{
    const struct note *notes;
    assert_true(i < world_received(world, 0, slot, &notes));
    return notes[i];
}

static void test_rows_and_what_comes_after_them(void **state)
{
    static const struct world_row later = {.id = 3, .n = 1, .state = 'a', .owner = 34};
    (void)state;
    world_watch(world, 0, WORLD_OWNER, false);
    ask(0, 0, WHO_ANN);
    world_commit_row(world, 0, NULL, &BOTH[0], false); /* is in the rows */
    read_both();
    world_commit_row(world, 0, NULL, &later, false);
    assert_string_equal(kinds(0, 0), "");
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JSES");
    assert_int_equal(nth(0, 1).n, 1);
    assert_int_equal(nth(0, 2).offset, 2);
    assert_true(nth(0, 3).is_last && nth(0, 3).is_complete);
    assert_int_equal(nth(0, 3).offset, 2);
    check_rest();
}

static void test_who_asks_the_same_shares_a_read(void **state)
{
    (void)state;
    world_watch(world, 0, WORLD_OWNER, false);
    ask(0, 0, WHO_ANN);
    ask(1, 0, WHO_ANN);
    assert_int_equal(world_n_row_reads(world), 1);
    ask(2, 0, WHO_BEN);
    assert_int_equal(world_n_row_reads(world), 2);
    read_both();
    read_both();
    look();
    assert_string_equal(kinds(0, 0), "JSS");
    assert_string_equal(kinds(0, 1), "JSS");
    assert_string_equal(kinds(0, 2), "");
    look();
    assert_string_equal(kinds(0, 2), "JSS");
    check_rest();
}

/* The group is the same by its claims, and what it may see is not. */
static void test_rows_that_may_not_be_seen_any_more_are_read_anew(void **state)
{
    (void)state;
    world_watch(world, 0, WORLD_EVERYBODY, false);
    ask(0, 0, WHO_ANN);
    read_both();
    world_watch(world, 0, WORLD_NOBODY, false);
    ask(1, 0, WHO_ANN); /* not with rows of before */
    assert_int_equal(world_n_row_reads(world), 1);
    look();
    assert_string_equal(kinds(0, 0), "");
    read_both();
    look();
    assert_string_equal(kinds(0, 0), "JSS");
    assert_int_equal(nth(0, 1).n, 0);
    assert_string_equal(kinds(0, 1), "JSS");
    check_rest();
}

/* So are rows of which the judges had yet to say who may see them. */
static void test_rows_under_judgement_are_read_anew(void **state)
{
    (void)state;
    world_watch(world, 0, WORLD_POLICY, false);
    ask(0, 0, WHO_ANN);
    read_both();
    assert_int_equal(world_n_judging(world), 1);
    world_watch(world, 0, WORLD_POLICY, false);
    assert_true(world_judge(world, 0, WORLD_JUDGES)); /* late */
    assert_false(world_answer_look(world));
    assert_int_equal(world_n_row_reads(world), 1);
    read_both();
    assert_true(world_judge(world, 0, WORLD_JUDGES));
    look();
    assert_string_equal(kinds(0, 0), "JSS");
    assert_int_equal(nth(0, 1).n, 1);
    check_rest();
}

static void assert_refused(unsigned slot, const char *ref, uint32_t retry_after_ms)
{
    assert_int_equal(last_code(0, slot), ERROR_CODE_UNAVAILABLE);
    assert_string_equal(last_note(0, slot).ref, ref);
    assert_int_equal(last_note(0, slot).retry_after_ms, retry_after_ms);
}

static void test_a_read_that_fails(void **state)
{
    (void)state;
    world_watch(world, 0, WORLD_EVERYBODY, false);
    open_as(0, 0, WHO_ANN);
    world_refer(world, "a");
    join(0, 0, ROWS);
    assert_true(world_answer_rows(world, NULL, 0));
    assert_refused(0, "a", 2000);
    check_rest();
}

/* One begins, one waits for the next second, and the third comes back later; a share costs nothing. */
static void test_beyond_the_queue_it_is_refused(void **state)
{
    (void)state;
    new_world((struct world_options){.snapshot_reads = 1, .snapshot_queue = 1});
    for (unsigned channel = 0; channel < 3; channel++) {
        world_watch(world, channel, WORLD_EVERYBODY, false);
    }
    ask(0, 0, WHO_ANN);
    ask(1, 1, WHO_ANN);
    open_as(0, 2, WHO_ANN);
    world_refer(world, "c");
    world_join(world, 0, 2, 2, ROWS);
    assert_refused(2, "c", 3000);
    ask(3, 0, WHO_ANN);
    ask(4, 1, WHO_ANN);
    assert_int_equal(world_n_row_reads(world), 1);
    read_both();
    look();
    assert_string_equal(kinds(0, 0), "JSS");
    assert_string_equal(kinds(0, 3), "JSS");
    assert_string_equal(kinds(0, 1), "");
    world_tick(world, 1000);
    read_both();
    world_join(world, 0, 2, 2, ROWS); /* it has left, and there is room again */
    look();
    assert_string_equal(kinds(0, 1), "JSS");
    assert_string_equal(kinds(0, 4), "JSS");
    world_tick(world, 1000);
    read_both();
    look();
    assert_string_equal(kinds(0, 2), "OJSS");
    check_rest();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_rows_and_what_comes_after_them),
        T(test_who_asks_the_same_shares_a_read),
        T(test_rows_that_may_not_be_seen_any_more_are_read_anew),
        T(test_rows_under_judgement_are_read_anew),
        T(test_a_read_that_fails),
        T(test_beyond_the_queue_it_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
