/* SPDX-License-Identifier: PostgreSQL */
/* Rows that the database judges: what waits for it and what does not, in which order, and what becomes
 * of it when it cannot tell. The fake world judges each frame anew. */
#include "hub_harness.h"

static const struct world_row ROW = {.id = 3, .n = 1, .state = 'a', .owner = 34, .name = 1};
static const struct world_row BENS = {.id = 3, .n = 1, .state = 'a', .owner = 35, .name = 1};

static void commit_insert(struct world_row row)
{
    world_commit_row(world, 0, NULL, &row, false);
}

static void deliver_all(void)
{
    while (world_deliver(world)) {
    }
}

static void judge_all(enum world_judging how)
{
    while (world_judge(world, 0, how)) {
    }
}

static size_t n_gaps(unsigned worker, unsigned slot)
{
    const struct note *notes;
    size_t n = world_received(world, worker, slot, &notes), count = 0;
    for (size_t i = 0; i < n; i++) {
        count += notes[i].kind == NOTE_JOINED && notes[i].is_gap;
    }
    return count;
}

/* Ann and Ben, in channel 0. */
static void start(void)
{
    world_watch(world, 0, WORLD_POLICY, false);
    enter(0, 0, WHO_ANN, PLAIN);
    enter(0, 1, WHO_BEN, PLAIN);
}

static void test_each_is_told_of_his_rows(void **state)
{
    (void)state;
    start();
    enter(1, 0, WHO_CLEO, PLAIN);
    commit_insert(ROW);
    world_commit_row(world, 0, &ROW, &BENS, false);
    world_commit_row(world, 0, &BENS, NULL, false);
    world_commit_row(world, 0, NULL, NULL, false);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "EEE"); /* insert, leave, truncate */
    assert_string_equal(kinds(0, 1), "EEE"); /* enter, delete, truncate */
    assert_string_equal(kinds(1, 0), "E");
    check_rest();
}

/* One question at a time; it has all that waits. Publishes keep their place behind the rows before
 * them, messages do not wait, nor do other channels. */
static void test_a_channel_waits_in_order(void **state)
{
    (void)state;
    start();
    world_site(world, 0, true, true);
    world_join(world, 0, 0, 1, PLAIN);
    world_settle(world);
    world_take(world, 0, 0);
    for (int i = 0; i < 5; i++) {
        commit_insert(ROW);
        world_commit(world, 0);
    }
    world_commit(world, 1);
    deliver_all();
    assert_int_equal(world_n_judging(world), 1);
    assert_int_equal(world_n_parties(world, 0), 2);
    assert_int_equal(world_n_images(world, 0), 1);
    assert_string_equal(kinds(0, 0), "E"); /* of the other channel */
    world_message(world, 0, 1, 0, "m");
    world_flush(world);
    assert_string_equal(kinds(0, 0), "EM");
    assert_true(world_judge(world, 0, WORLD_JUDGES));
    assert_string_equal(kinds(0, 0), "EME");
    assert_int_equal(world_n_images(world, 0), 4); /* the rest */
    assert_true(world_judge(world, 0, WORLD_JUDGES));
    assert_string_equal(kinds(0, 0), "EMEEEEEEEEEE");
    assert_int_equal(world_n_judging(world), 0);
    check_rest();
}

/* Equal parties are asked for once, though they are in different views. */
static void test_a_party_is_asked_for_once(void **state)
{
    (void)state;
    start();
    enter(1, 0, WHO_ANN, PLAIN);
    join(1, 0, (struct world_join){.filter = WORLD_A});
    world_settle(world);
    commit_insert(ROW);
    deliver_all();
    assert_int_equal(world_n_parties(world, 0), 2);
    check_rest();
}

static void test_what_cannot_be_told_is_a_gap(void **state)
{
    (void)state;
    start();
    commit_insert(ROW);
    world_doubt(world);
    deliver_all();
    judge_all(WORLD_UNCLEAR);
    assert_int_equal(n_gaps(0, 0), 1);
    assert_int_equal(n_gaps(0, 1), 1);
    commit_insert(ROW);
    world_doubt(world);
    deliver_all();
    judge_all(WORLD_FAILS);
    assert_int_equal(n_gaps(0, 0), 2);
    commit_insert(ROW);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JJE");
    assert_string_equal(kinds(0, 1), "JJ");
    check_rest();
}

/* Those of whom nothing is asked do not wait for those of whom something is. */
static void test_who_is_not_asked_for_does_not_wait(void **state)
{
    static const struct world_row b = {.id = 3, .n = 1, .state = 'b', .owner = 34, .name = 1};
    (void)state;
    start();
    open_as(1, 0, WHO_ANN);
    join(1, 0, (struct world_join){.filter = WORLD_A});
    world_settle(world);
    world_take(world, 1, 0);
    commit_insert(b); /* which her filter does not let pass, whatever the judges say */
    world_commit_row(world, 0, NULL, NULL, false);
    deliver_all();
    assert_int_equal(world_n_judging(world), 1);
    assert_string_equal(kinds(1, 0), "E"); /* truncate */
    assert_string_equal(kinds(0, 0), "");
    world_judge(world, 0, WORLD_JUDGES);
    assert_string_equal(kinds(0, 0), "EE");
    check_rest();
}

/* Who is to blame for a question that came to no end is found out by asking for each alone. */
static void test_who_is_late_delays_himself(void **state)
{
    (void)state;
    start();
    commit_insert(ROW);
    deliver_all();
    assert_int_equal(world_rank(world, 0), STORE_JUDGE_LIVE);
    world_judge(world, 0, WORLD_LATE);
    assert_int_equal(world_n_judging(world), 2);
    assert_int_equal(world_n_parties(world, 0), 1);
    assert_int_equal(world_rank(world, 0), STORE_JUDGE_SLOW);
    world_judge(world, 0, WORLD_JUDGES);
    assert_int_equal(world_n_judging(world), 1); /* nobody alone is asked for again */
    judge_all(WORLD_JUDGES);
    assert_string_equal(kinds(0, 0), "E");
    assert_string_equal(kinds(0, 1), "");
    check_rest();
}

static bool judge(const char *row_id, enum world_judging how)
{
    return world_judge(world, world_find_judging(world, row_id), how);
}

/* Ben's judges take long each time; Ann is told of what comes, also of what comes before he is. */
static void test_a_slow_group_delays_itself_alone(void **state)
{
    (void)state;
    start();
    commit_insert(ROW);
    deliver_all();
    world_judge(world, 0, WORLD_LATE);
    judge("34", WORLD_JUDGES);
    judge("35", WORLD_SLOWLY);
    for (int i = 0; i < 3; i++) {
        commit_insert(BENS);
        commit_insert(ROW);
        deliver_all();
        while (judge("34", WORLD_JUDGES)) {
        }
    }
    assert_string_equal(kinds(0, 0), "EEEE");
    assert_string_equal(kinds(0, 1), "");
    assert_int_equal(world_n_judging(world), 1);
    assert_int_equal(world_rank(world, 0), STORE_JUDGE_SLOW);
    judge("35", WORLD_SLOWLY);
    assert_string_equal(kinds(0, 1), "E");
    assert_int_equal(world_n_images(world, 0), 5);
    judge("35", WORLD_JUDGES);
    assert_string_equal(kinds(0, 1), "EEE");
    commit_insert(ROW);
    deliver_all();
    assert_int_equal(world_n_parties(world, 0), 2); /* he is quick again */
    check_rest();
}

/* One whose judges never answer has a gap at some time; others are told of everything. */
static void test_of_what_waits_too_long_there_is_a_gap(void **state)
{
    (void)state;
    for (int by_bytes = 0; by_bytes < 2; by_bytes++) {
        new_world((struct world_options){.max_waiting = by_bytes ? 0 : 4,
                                         .max_waiting_bytes = by_bytes ? 2000 : 0,
                                         .expects_gaps = true});
        start();
        commit_insert(BENS);
        deliver_all();
        world_judge(world, 0, WORLD_LATE);
        for (int i = 0; n_gaps(0, 1) == 0; i++) {
            assert_true(i < 100);
            commit_insert(ROW);
            commit_insert(BENS);
            deliver_all();
            while (judge("34", WORLD_JUDGES)) {
            }
        }
        judge("35", WORLD_JUDGES); /* to nobody */
        assert_string_equal(kinds(0, 1), "J");
        assert_int_equal(n_gaps(0, 0), 0);
        commit_insert(BENS);
        world_settle(world);
        assert_string_equal(kinds(0, 1), "JE");
        check_rest();
    }
}

static void fail_times(int n)
{
    for (int i = 0; i < n; i++) {
        commit_insert(ROW);
        world_doubt(world);
        deliver_all();
        judge_all(WORLD_FAILS);
    }
}

static void test_after_three_failures_in_a_row_it_is_over(void **state)
{
    (void)state;
    start();
    fail_times(2);
    commit_insert(ROW);
    world_settle(world);
    fail_times(2);
    assert_int_equal(n_gaps(0, 0), 4);
    assert_int_equal(last_note(0, 0).kind, NOTE_JOINED);
    fail_times(1);
    assert_string_equal(kinds(0, 0), "JJEJJJOO"); /* hook_failed, and removed */
    assert_int_equal(last_code(0, 0), ERROR_CODE_REMOVED);
    assert_int_equal(last_code(0, 1), ERROR_CODE_REMOVED);
    commit_insert(ROW);
    deliver_all();
    assert_int_equal(world_n_judging(world), 0);
    join(0, 0, PLAIN);
    world_settle(world);
    commit_insert(ROW);
    world_settle(world);
    assert_int_equal(last_note(0, 0).kind, NOTE_EVENT);
    check_rest();
}

/* Who joins while rows are judged has them by his answer, and gets what follows. */
static void test_who_joins_meanwhile(void **state)
{
    (void)state;
    start();
    commit_insert(BENS);
    commit_insert(ROW);
    deliver_all();
    enter(1, 0, WHO_CLEO, PLAIN); /* settles */
    commit_insert(ROW);
    deliver_all();
    open_as(1, 1, WHO_ANN_NEW);
    join(1, 1, PLAIN);
    world_leave(world, 0, 1, 0);
    commit_insert(ROW);
    world_settle(world);
    assert_string_equal(kinds(1, 1), "JE");
    assert_int_equal(n_gaps(1, 1), 0);
    check_rest();
}

/* A member that joins again is where it was told to, not where the log is. */
static void test_who_joins_again_loses_nothing(void **state)
{
    (void)state;
    start();
    commit_insert(ROW);
    commit_insert(ROW);
    deliver_all();
    join(0, 0, PLAIN);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JEE");
    check_rest();
}

static void test_a_watch_that_changes_meanwhile(void **state)
{
    (void)state;
    start();
    commit_insert(ROW);
    deliver_all();
    world_watch(world, 0, WORLD_EITHER, false);
    assert_string_equal(kinds(0, 0), "J"); /* nobody waits for it any more */
    assert_true(world_judge(world, 0, WORLD_JUDGES));
    assert_int_equal(world_n_judging(world), 0);
    commit_insert(ROW);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JE");
    assert_string_equal(kinds(0, 1), "JE");
    world_take(world, 0, 1);
    commit_insert(ROW);
    deliver_all();
    assert_int_equal(world_n_judging(world), 0);
    world_watch(world, 0, WORLD_POLICY, false);
    commit_insert(ROW);
    deliver_all();
    world_watch(world, 0, WORLD_EVERYBODY, true);
    world_settle(world);
    assert_string_equal(kinds(0, 1), "EJ"); /* of EITHER */
    check_rest();
}

/* Another rule, and the same table: what waits is asked again. */
static void test_a_site_that_changes_meanwhile(void **state)
{
    (void)state;
    start();
    commit_insert(ROW);
    deliver_all();
    world_site(world, 0, true, true);
    assert_true(world_judge(world, 0, WORLD_JUDGES)); /* thrown away */
    assert_string_equal(kinds(0, 0), "");
    assert_int_equal(world_n_judging(world), 1);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "E");
    check_rest();
}

static void test_what_was_missed_and_what_was_before(void **state)
{
    (void)state;
    for (int recent = 0; recent < 2; recent++) {
        new_world((struct world_options){.recent_rows = recent ? 0 : 100, .page_rows = 2});
        start();
        for (int i = 0; i < 4; i++) {
            commit_insert(i % 2 ? ROW : BENS);
        }
        world_settle(world);
        open_as(1, 0, WHO_ANN);
        join(1, 0, (struct world_join){.has_since = true});
        world_settle(world);
        assert_string_equal(kinds(1, 0), "JEE");
        world_history(world, 1, 0, 0);
        world_answer(world, false, false);
        assert_int_equal(world_n_judging(world), 1);
        assert_string_equal(kinds(1, 0), "JEE");
        world_settle(world);
        assert_string_equal(kinds(1, 0), "JEEH");
        assert_int_equal(last_note(1, 0).n, 2);
        check_rest();
    }
}

/* The watch that comes meanwhile has the database asked about a row that it was not asked about. */
static void test_a_history_of_who_is_grouped_anew(void **state)
{
    (void)state;
    new_world((struct world_options){.recent_rows = 0});
    world_watch(world, 0, WORLD_EVERYBODY, false);
    commit_insert(ROW);
    world_watch(world, 0, WORLD_POLICY, false);
    commit_insert(ROW);
    world_watch(world, 0, WORLD_EITHER, false);
    enter(0, 0, WHO_ANN, PLAIN);
    world_history(world, 0, 0, 0);
    world_answer(world, false, false);
    assert_int_equal(world_n_judging(world), 1);
    world_watch(world, 0, WORLD_POLICY, false);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "H");
    assert_int_equal(last_note(0, 0).n, 2);
    check_rest();
}

static void test_who_resumes_what_cannot_be_judged_has_a_gap(void **state)
{
    (void)state;
    start();
    commit_insert(ROW);
    world_settle(world);
    open_as(1, 0, WHO_ANN);
    world_doubt(world);
    join(1, 0, (struct world_join){.has_since = true});
    world_answer(world, false, false);
    assert_int_equal(world_n_judging(world), 1);
    judge_all(WORLD_FAILS);
    world_settle(world);
    assert_int_equal(n_gaps(1, 0), 1);
    commit_insert(ROW);
    world_settle(world);
    assert_int_equal(last_note(1, 0).kind, NOTE_EVENT);
    world_rest(world); /* Ben was told of nothing when the judges could tell */
}

/* Closed, gone or out of the channel while something is asked for it. */
static void test_who_goes_meanwhile(void **state)
{
    (void)state;
    start();
    commit_insert(ROW);
    world_settle(world);
    for (unsigned slot = 0; slot < 3; slot++) {
        open_as(1, slot, WHO_ANN);
        join(1, slot, (struct world_join){.has_since = slot != 1, .history = slot == 1});
    }
    while (world_answer(world, false, false)) {
    }
    assert_int_equal(world_n_judging(world), 3);
    world_close(world, 1, 0);
    world_close(world, 1, 1);
    world_disconnect(world, (struct directive){.kind = DIRECTIVE_DISCONNECT,
                                               .has_dbo_id = true,
                                               .dbo_id = 12,
                                               .channel = str_of(world_channel_name(0))});
    judge_all(WORLD_JUDGES);
    check_rest();
}

/* He may see other rows of tables that the database judges, and of those alone. */
static void test_who_is_to_read_anew_is_told(void **state)
{
    (void)state;
    start();
    enter(1, 0, WHO_ANN, PLAIN);
    world_watch(world, 1, WORLD_OWNER, false);
    world_site(world, 1, true, true);
    world_join(world, 1, 0, 1, PLAIN);
    world_settle(world);
    world_commit_reread(world, WHO_ANN);
    world_commit_reread(world, WHO_ANN);
    deliver_all();
    assert_int_equal(n_gaps(0, 0), 2); /* each in a turn of its own */
    assert_int_equal(n_gaps(1, 0), 2);
    assert_int_equal(n_gaps(0, 1), 0);
    world_commit_reread(world, WHO_BEN);
    deliver_all();
    assert_int_equal(n_gaps(0, 0), 2);
    assert_int_equal(n_gaps(0, 1), 1);
    check_rest();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_each_is_told_of_his_rows),
        T(test_a_channel_waits_in_order),
        T(test_a_party_is_asked_for_once),
        T(test_what_cannot_be_told_is_a_gap),
        T(test_who_is_not_asked_for_does_not_wait),
        T(test_who_is_late_delays_himself),
        T(test_a_slow_group_delays_itself_alone),
        T(test_of_what_waits_too_long_there_is_a_gap),
        T(test_after_three_failures_in_a_row_it_is_over),
        T(test_who_joins_meanwhile),
        T(test_who_joins_again_loses_nothing),
        T(test_a_watch_that_changes_meanwhile),
        T(test_a_site_that_changes_meanwhile),
        T(test_what_was_missed_and_what_was_before),
        T(test_a_history_of_who_is_grouped_anew),
        T(test_who_resumes_what_cannot_be_judged_has_a_gap),
        T(test_who_goes_meanwhile),
        T(test_who_is_to_read_anew_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
