/* SPDX-License-Identifier: PostgreSQL */
/* Rows: views, who may see what, and groups that change. The fake world judges each frame anew. */
#include "hub_harness.h"

static const struct world_row ROW = {.id = 3, .n = 1, .state = 'a', .owner = 34, .name = 1};

static struct world_join viewing(enum world_filter filter)
{
    return (struct world_join){.filter = filter};
}

static struct world_row with_owner(int owner)
{
    struct world_row row = ROW;
    row.owner = owner;
    return row;
}

static struct world_row with_state(char state)
{
    struct world_row row = ROW;
    row.state = state;
    return row;
}

static void commit_insert(struct world_row row)
{
    world_commit_row(world, 0, NULL, &row, false);
}

static void commit_update(struct world_row old, struct world_row new)
{
    world_commit_row(world, 0, &old, &new, false);
}

static void deliver_all(void)
{
    while (world_deliver(world)) {
    }
}

static size_t n_of_view(unsigned worker, unsigned slot, bool is_plain)
{
    const struct note *notes;
    size_t n = world_received(world, worker, slot, &notes), count = 0;
    for (size_t i = 0; i < n; i++) {
        count += notes[i].kind == NOTE_EVENT && (notes[i].view[0] == '\0') == is_plain;
    }
    return count;
}

/* ---- who sees what ---- */

static void test_each_is_told_of_his_rows(void **state)
{
    (void)state;
    world_watch(world, 0, WORLD_OWNER, false);
    enter(0, 0, WHO_ANN, PLAIN);
    enter(0, 1, WHO_BEN, PLAIN);
    enter(1, 0, WHO_CLEO, PLAIN);
    enter(1, 1, WHO_ANYBODY, PLAIN);
    commit_insert(ROW);
    commit_update(ROW, with_owner(35));
    commit_update(with_owner(35), with_owner(36));
    world_commit_row(world, 0, NULL, NULL, false);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "EEE"); /* insert, leave, truncate */
    assert_string_equal(kinds(0, 1), "EEE"); /* enter, leave, truncate */
    assert_string_equal(kinds(1, 0), "E");
    assert_string_equal(kinds(1, 1), "E");
    check_rest();
}

static void test_two_views_and_a_plain_membership(void **state)
{
    (void)state;
    world_watch(world, 0, WORLD_EVERYBODY, false);
    enter(0, 0, WHO_ANN, PLAIN);
    join(0, 0, viewing(WORLD_A));
    join(0, 0, viewing(WORLD_BOTH));
    world_settle(world);
    world_take(world, 0, 0);
    commit_insert(with_state('b'));                  /* plain, both */
    commit_update(with_state('b'), with_state('a')); /* plain, a: enter, both: n is 1 */
    commit_update(with_state('a'), with_state('c')); /* plain, a: leave, both */
    world_commit(world, 0);                          /* no row: plain */
    world_settle(world);
    assert_int_equal(n_of_view(0, 0, true), 4);
    assert_int_equal(n_of_view(0, 0, false), 5);
    world_leave_view(world, 0, 0, 0, WORLD_A);
    assert_int_equal(last_note(0, 0).kind, NOTE_LEFT);
    world_take(world, 0, 0);
    commit_insert(ROW);
    world_settle(world);
    assert_int_equal(n_of_view(0, 0, false), 1);
    world_leave(world, 0, 0, 0);
    world_take(world, 0, 0);
    commit_insert(ROW);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "E"); /* of the view that is left */
    world_leave_view(world, 0, 0, 0, WORLD_A);
    assert_int_equal(last_code(0, 0), ERROR_CODE_NOT_JOINED);
    world_close(world, 0, 0);
    commit_insert(ROW);
    check_rest();
}

static void test_views_are_limited(void **state)
{
    (void)state;
    new_world((struct world_options){.max_channel_members = 2});
    world_watch(world, 0, WORLD_EVERYBODY, false);
    enter(0, 0, WHO_ANN, PLAIN);
    join(0, 0, viewing(WORLD_A));
    join(0, 0, viewing(WORLD_FEW));
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JJ");
    join(0, 0, viewing(WORLD_BOTH)); /* three subscriptions a session */
    assert_int_equal(last_code(0, 0), ERROR_CODE_TOO_MANY_CHANNELS);
    enter(0, 1, WHO_BEN, PLAIN); /* views and plain members are counted apart */
    join(0, 1, viewing(WORLD_A));
    assert_int_equal(last_code(0, 1), ERROR_CODE_CHANNEL_FULL);
    join(0, 0, viewing(WORLD_A)); /* who is in joins again */
    world_settle(world);
    assert_int_equal(last_note(0, 0).kind, NOTE_JOINED);
    check_rest();
}

/* ---- groups that change ---- */

/* Held, with frames aside, when the watch says another thing: what was held is not let through. */
static void test_who_is_held_is_grouped_anew(void **state)
{
    (void)state;
    new_world((struct world_options){.recent_rows = 0});
    world_watch(world, 0, WORLD_EVERYBODY, false);
    enter(1, 0, WHO_BEN, PLAIN);
    open_as(0, 0, WHO_BEN);
    commit_insert(ROW);
    deliver_all();
    join(0, 0, HISTORY);
    commit_insert(ROW);
    commit_insert(with_owner(35));
    deliver_all(); /* held */
    world_watch(world, 0, WORLD_OWNER, false);
    commit_insert(with_owner(34));
    commit_insert(with_owner(35));
    deliver_all(); /* held, in another group */
    assert_string_equal(kinds(0, 0), "");
    assert_true(world_answer(world, true, false)); /* as it was when it was asked: one row */
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JHEE"); /* Ben's of before and after */
    commit_insert(with_owner(35));
    check_rest();
    assert_string_equal(kinds(0, 0), "JHEEE");
}

static void test_who_is_replayed_is_grouped_anew(void **state)
{
    (void)state;
    new_world((struct world_options){.page_rows = 2});
    world_watch(world, 0, WORLD_EVERYBODY, false);
    open_as(0, 0, WHO_BEN);
    for (int i = 0; i < 3; i++) {
        commit_insert(with_owner(34));
        commit_insert(with_owner(35));
    }
    deliver_all();
    join(0, 0, (struct world_join){.has_since = true});
    assert_true(world_answer(world, false, false));
    assert_string_equal(kinds(0, 0), "JEE"); /* the first page */
    world_watch(world, 0, WORLD_OWNER, false);
    commit_insert(with_owner(35));
    deliver_all();
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JEEEEE"); /* of the others Ben's */
    world_watch(world, 0, WORLD_EVERYBODY, true);
    check_rest();
}

static void test_a_watch_that_says_the_same_groups_nobody_anew(void **state)
{
    (void)state;
    world_watch(world, 0, WORLD_OWNER, false);
    enter(0, 0, WHO_ANN, PLAIN);
    enter(0, 1, WHO_BEN, PLAIN);
    for (int i = 0; i < 3; i++) {
        world_watch(world, 0, i == 1 ? WORLD_NOBODY : WORLD_OWNER, false);
        commit_insert(ROW);
        deliver_all();
    }
    assert_string_equal(kinds(0, 0), "EE");
    assert_string_equal(kinds(0, 1), "");
    check_rest();
}

/* Two have no name, and by that they are one group. They are not by whose rows they are. */
static void test_a_group_does_not_outlive_what_made_it(void **state)
{
    (void)state;
    world_watch(world, 0, WORLD_NAME, false);
    enter(0, 0, WHO_BEN, PLAIN);
    enter(0, 1, WHO_CLEO, PLAIN);
    world_watch(world, 0, WORLD_OWNER, false);
    commit_insert(with_owner(35));
    world_settle(world);
    assert_string_equal(kinds(0, 0), "E");
    assert_string_equal(kinds(0, 1), "");
    check_rest();
}

/* It was told of a head that others are yet to be told of. */
static void test_who_is_grouped_anew_is_told_nothing_twice(void **state)
{
    (void)state;
    world_watch(world, 0, WORLD_EVERYBODY, false);
    commit_insert(ROW);
    commit_insert(ROW);
    open_as(0, 0, WHO_ANN);
    join(0, 0, HISTORY);
    assert_true(world_answer(world, false, false));
    assert_string_equal(kinds(0, 0), "JH");
    world_watch(world, 0, WORLD_OWNER, false);
    deliver_all();
    assert_string_equal(kinds(0, 0), "JH");
    commit_insert(ROW);
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JHE");
    check_rest();
}

static void test_a_gap_that_was_held_is_not_told_after_what_followed(void **state)
{
    (void)state;
    world_watch(world, 0, WORLD_NAME, false);
    enter(1, 0, WHO_ANN, PLAIN);
    world_commit(world, 0);
    deliver_all();
    open_as(0, 0, WHO_ANN);
    join(0, 0, HISTORY);
    world_commit_row(world, 0, NULL, &ROW, true); /* by its key: nobody knows whose it is */
    commit_insert(ROW);
    deliver_all(); /* held */
    assert_true(world_answer(world, false, false));
    world_settle(world);
    assert_string_equal(kinds(0, 0), "JH");
    assert_string_equal(kinds(1, 0), "EJE");
    assert_true(last_note(0, 0).n == 1);
    check_rest();
}

/* ---- what was ---- */

/* By today's word all are one group. */
static void check_old_rows(struct world_join how)
{
    world_watch(world, 0, WORLD_OWNER, false);
    commit_insert(ROW);
    commit_insert(with_owner(35));
    deliver_all();
    world_watch(world, 0, WORLD_EVERYBODY, false);
    for (unsigned who = 0; who < WHO_TABLE; who++) {
        open_as(who % 2, who, (enum world_who)who);
        join(who % 2, who, how);
        world_settle(world);
    }
    check_rest();
}

static void test_old_rows_are_judged_for_who_comes_back(void **state)
{
    (void)state;
    for (uint32_t rows = 0; rows < 2; rows++) {
        new_world((struct world_options){.recent_rows = rows * 100});
        check_old_rows((struct world_join){.has_since = true});
        assert_string_equal(kinds(1, WHO_ANN), "JE");
        assert_string_equal(kinds(0, WHO_BEN), "JE");
        assert_string_equal(kinds(0, WHO_ANYBODY), "J");
    }
}

static void test_a_history_is_shared_by_those_only_who_see_the_same(void **state)
{
    (void)state;
    for (uint32_t rows = 0; rows < 2; rows++) {
        new_world((struct world_options){.recent_rows = rows * 100});
        check_old_rows(HISTORY);
        assert_int_equal(last_note(1, WHO_ANN).first, 1);
        assert_int_equal(last_note(0, WHO_BEN).first, 2);
        assert_int_equal(last_note(0, WHO_ANYBODY).n, 0);
    }
}

/* Frames that are kept with their rows were made while everybody saw these. */
static void test_what_was_kept_for_all_is_not_sent_when_it_is_no_more_for_all(void **state)
{
    (void)state;
    new_world((struct world_options){.recent_rows = 100});
    world_watch(world, 0, WORLD_EVERYBODY, false);
    commit_insert(ROW);
    commit_insert(with_owner(35));
    deliver_all();
    for (int i = 0; i < 2; i++) {
        open_as(0, 0, WHO_BEN);
        join(0, 0, (struct world_join){.has_since = true});
        open_as(1, 0, WHO_BEN);
        join(1, 0, HISTORY);
        world_settle(world);
        assert_string_equal(kinds(0, 0), i == 0 ? "JEE" : "JE");
        assert_int_equal(last_note(1, 0).n, i == 0 ? 2 : 1);
        world_close(world, 0, 0);
        world_close(world, 1, 0);
        world_watch(world, 0, WORLD_OWNER, false);
    }
}

static void test_unwatched_rows_are_shown_to_nobody(void **state)
{
    (void)state;
    new_world((struct world_options){.recent_rows = 100});
    world_watch(world, 0, WORLD_OWNER, false);
    enter(0, 0, WHO_ANN, PLAIN);
    commit_insert(ROW);
    world_unwatch(world, 0);
    deliver_all();
    assert_string_equal(kinds(0, 0), "");
    world_history(world, 0, 0, 0);
    world_settle(world);
    assert_int_equal(last_note(0, 0).n, 0);
    join(0, 0, viewing(WORLD_A));
    assert_int_equal(last_code(0, 0), ERROR_CODE_BAD_FILTER);
    check_rest();
}

/* ---- anything ---- */

static uint32_t seed;

static uint32_t chance(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static struct world_row any_row(void)
{
    return (struct world_row){.id = (int)chance(5),
                              .n = (int)chance(5),
                              .state = (char)('a' + chance(3)),
                              .owner = chance(3) > 0 ? 34 + (int)chance(2) : 0,
                              .name = (int)chance(3)};
}

static void any_change(unsigned channel)
{
    struct world_row old = any_row(), new = chance(3) ? old : any_row();
    unsigned which = chance(8);
    if (chance(2)) {
        new.owner = 34 + (int)chance(2);
    }
    if (chance(2)) {
        new.state = (char)('a' + chance(3));
    }
    world_commit_row(world, channel, which > 1 ? &old : NULL, which > 2 || which == 1 ? &new : NULL,
                     chance(6) == 0);
}

static struct world_join any_join(unsigned channel)
{
    uint64_t head = world_head(world, channel), back = chance(6);
    return (struct world_join){.filter = (enum world_filter)chance(WORLD_FILTERS),
                               .history = chance(3) == 0,
                               .has_since = chance(2),
                               .since = head > back ? head - back : 0};
}

static void any_command(unsigned worker, unsigned slot, unsigned channel)
{
    unsigned what = chance(10);
    enum world_filter filter = (enum world_filter)chance(WORLD_FILTERS);
    if (!world_is_open(world, worker, slot)) {
        open_as(worker, slot, (enum world_who)chance(WHO_COUNT));
    } else if (what < 5) {
        world_join(world, worker, slot, channel, any_join(channel));
    } else if (what < 7) {
        world_history_view(world, worker, slot, channel, filter);
    } else if (what < 9) {
        world_leave_view(world, worker, slot, channel, filter);
    } else if (chance(3) == 0) {
        world_close(world, worker, slot);
    }
}

static void judge_any(size_t nth)
{
    bool is_shared = nth < world_n_judging(world) && world_n_parties(world, nth) > 1;
    world_judge(world, nth,
                chance(3) > 0                ? WORLD_JUDGES
                : is_shared && chance(2) > 0 ? WORLD_LATE
                                             : WORLD_SLOWLY);
}

static void any_move(unsigned channel)
{
    if (chance(8) == 0) {
        world_watch(world, channel, (enum world_visible)chance(WORLD_VISIBLES), chance(4) == 0);
    } else if (chance(60) == 0) {
        world_unwatch(world, channel);
    }
    switch (chance(5)) {
    case 4:
        judge_any(chance(4));
        break;
    case 0:
        world_answer(world, chance(2), chance(30) == 0);
        break;
    case 1:
        world_drain(world);
        break;
    case 2:
        world_tick(world, 10);
        break;
    default:
        world_deliver(world);
        break;
    }
}

static void run_anything(uint32_t start)
{
    seed = start;
    new_world((struct world_options){
        .recent_rows = chance(2) ? 0 : 4 + chance(100),
        .page_rows = chance(2) ? 0 : 1 + chance(4),
        .max_reads = chance(2) ? 0 : 1,
        .max_channels = 8,
        .keeps_no_notes = true,
    });
    world_watch(world, 0, WORLD_OWNER, false);
    world_watch(world, 1, WORLD_EVERYBODY, false);
    for (int i = 0; i < 400; i++) {
        unsigned channel = chance(2);
        switch (chance(3)) {
        case 0:
            any_command(chance(2), chance(WORLD_SLOTS), channel);
            break;
        case 1:
            any_change(channel);
            break;
        default:
            any_move(channel);
            break;
        }
    }
    world_rest(world);
    world_check_complete(world);
    world_check_rights(world);
}

/* Who is moved to a group that waits for its judges, and has more than that was told, names what he has. */
static void test_what_was_found_by_chance(void **state)
{
    (void)state;
    run_anything(252);
}

static void test_anything(void **state)
{
    (void)state;
    const char *rounds = getenv("HUB_LIVE_ROUNDS"), *first = getenv("HUB_LIVE_SEED");
    uint32_t n = rounds ? (uint32_t)strtoul(rounds, NULL, 10) : 150;
    uint32_t start = first ? (uint32_t)strtoul(first, NULL, 10) : 1;
    for (uint32_t i = start; i < start + n; i++) {
        if (first) {
            print_message("seed %u\n", i);
        }
        run_anything(i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_each_is_told_of_his_rows),
        T(test_two_views_and_a_plain_membership),
        T(test_views_are_limited),
        T(test_who_is_held_is_grouped_anew),
        T(test_who_is_replayed_is_grouped_anew),
        T(test_a_watch_that_says_the_same_groups_nobody_anew),
        T(test_a_group_does_not_outlive_what_made_it),
        T(test_who_is_grouped_anew_is_told_nothing_twice),
        T(test_a_gap_that_was_held_is_not_told_after_what_followed),
        T(test_old_rows_are_judged_for_who_comes_back),
        T(test_a_history_is_shared_by_those_only_who_see_the_same),
        T(test_what_was_kept_for_all_is_not_sent_when_it_is_no_more_for_all),
        T(test_unwatched_rows_are_shown_to_nobody),
        T(test_what_was_found_by_chance),
        T(test_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
