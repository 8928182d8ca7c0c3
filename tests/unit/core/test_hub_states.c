/* SPDX-License-Identifier: PostgreSQL */
/* What members show of themselves: who is told, how often, and how long it is kept. */
#include "hub_harness.h"

static const struct world_join STATES = {.state = true};
static const struct rule LISTING = {
    .anonymous_clients = true, .public_messaging = true, .presence = true};

static int setup_listing(void **state)
{
    setup(state);
    world_rule(world, LISTING);
    return 0;
}

#define L(test) cmocka_unit_test_setup_teardown(test, setup_listing, teardown)

static void set(unsigned worker, unsigned slot, const char *text)
{
    world_set_state(world, worker, slot, 0, text);
}

static void check_last(unsigned worker, unsigned slot, enum note_kind kind, const char *text)
{
    struct note note = last_note(worker, slot);
    assert_int_equal(note.kind, kind);
    assert_string_equal(note.text, text);
}

static size_t n_notes(unsigned worker, unsigned slot)
{
    const struct note *notes;
    return world_received(world, worker, slot, &notes);
}

static void test_a_list_and_its_news_with_states(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANYBODY, PRESENCE);
    set(0, 0, "{\"a\":1}"); /* nobody is told, but whoever comes */
    assert_int_equal(n_notes(0, 0), 0);
    open_as(1, 0, WHO_ANYBODY);
    join(1, 0, STATES);
    world_settle(world);
    assert_string_equal(kinds(1, 0), "JF");
    check_last(1, 0, NOTE_FULL, "{\"a\":1} null");
    check_last(0, 0, NOTE_UPDATES, ""); /* the join, without a state */
    world_tick(world, 200);
    set(0, 0, "{\"a\":2}");
    check_last(1, 0, NOTE_UPDATES, "{\"a\":2}");
    assert_int_equal(last_note(1, 0).n_changed, 1);
    assert_string_equal(last_note(1, 0).socket, world_socket_id(world, 0, 0));
    set(1, 0, "{\"b\":1}"); /* one hears one's own */
    check_last(1, 0, NOTE_UPDATES, "{\"b\":1}");
    enter(0, 1, WHO_ANYBODY, PLAIN);
    check_last(1, 0, NOTE_UPDATES, "null");
    world_tick(world, 200);
    set(0, 0, "null");
    check_last(1, 0, NOTE_UPDATES, "null");
    set(0, 1, "{\"c\":1}");
    world_leave(world, 0, 1, 0);
    check_last(1, 0, NOTE_UPDATES, "{\"c\":1}"); /* with its leave */
    assert_int_equal(last_note(1, 0).n_changed, 0);
    assert_string_equal(kinds(0, 0), "UUU"); /* two joins and a leave */
    check_rest();
}

static void test_of_many_the_newest_is_told(void **state)
{
    (void)state;
    char text[20] = "";
    enter(0, 0, WHO_ANYBODY, PLAIN);
    enter(1, 0, WHO_ANYBODY, STATES);
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof(text), "{\"n\":%d}", i);
        set(0, 0, text);
    }
    assert_int_equal(n_notes(1, 0), 1);
    check_last(1, 0, NOTE_UPDATES, "{\"n\":0}");
    world_tick(world, 199);
    assert_int_equal(n_notes(1, 0), 1);
    open_as(1, 1, WHO_ANYBODY);
    join(1, 1, STATES); /* meanwhile: what it is sent and what is told agree in the end */
    world_settle(world);
    world_tick(world, 1);
    check_last(1, 0, NOTE_UPDATES, "{\"n\":99}");
    check_last(1, 1, NOTE_UPDATES, "{\"n\":99}");
    world_take(world, 1, 0);
    for (int ms = 0; ms < 1000; ms += 10) {
        set(0, 0, ms % 20 ? "{\"x\":1}" : "{\"x\":2}");
        world_tick(world, 10);
    }
    assert_in_range(n_notes(1, 0), 4, 6);
    check_rest();
}

static void test_what_is_refused(void **state)
{
    (void)state;
    char text[1026];
    memset(text, ' ', sizeof(text));
    text[0] = '{';
    text[1023] = '}';
    text[1024] = '\0';
    open_as(0, 0, WHO_ANYBODY);
    set(0, 0, "{}");
    assert_int_equal(last_code(0, 0), ERROR_CODE_NOT_JOINED);
    enter(0, 0 + 1, WHO_ANYBODY, STATES);
    set(0, 1, text);
    assert_int_equal(last_note(0, 1).kind, NOTE_UPDATES);
    text[1023] = ' ';
    text[1024] = '}';
    text[1025] = '\0';
    set(0, 1, text);
    assert_int_equal(last_code(0, 1), ERROR_CODE_TOO_LARGE);
    world_rule(world, (struct rule){.anonymous_clients = true});
    set(0, 1, "{}");
    assert_int_equal(last_code(0, 1), ERROR_CODE_SEND_REFUSED);
    world_rule(world, LISTING); /* the list begins anew, and whoever wished for states has them */
    check_last(0, 1, NOTE_FULL, "null");
    check_rest();
}

/* A channel has room for so many bytes; what a member takes back is there for others. */
static void test_the_states_of_a_channel_have_a_bound(void **state)
{
    (void)state;
    enum { SESSIONS = 300, FIT = 256 };
    char text[1025];
    memset(text, ' ', sizeof(text));
    text[0] = '{';
    text[1023] = '}';
    text[1024] = '\0';
    new_world((struct world_options){.slots = SESSIONS});
    world_rule(world, LISTING);
    for (unsigned slot = 0; slot < SESSIONS; slot++) {
        enter(0, slot, WHO_ANYBODY, PLAIN);
    }
    for (unsigned slot = 0; slot < SESSIONS; slot++) {
        set(0, slot, text);
        assert_int_equal(n_notes(0, slot), slot < FIT ? 0 : 1);
    }
    assert_int_equal(last_code(0, SESSIONS - 1), ERROR_CODE_CHANNEL_FULL);
    set(0, 0, text); /* in the place of the same */
    assert_int_equal(n_notes(0, 0), 0);
    set(0, 0, "null");
    set(0, SESSIONS - 1, text);
    assert_int_equal(n_notes(0, SESSIONS - 1), 1);
    world_leave(world, 0, 1, 0);
    world_tick(world, 1000);
    set(0, SESSIONS - 2, text);
    assert_int_equal(n_notes(0, SESSIONS - 2), 1);
    check_rest();
}

/* News of n members go to n members: a large channel gathers them, for as long as that takes. */
static void test_a_large_channel_is_told_later(void **state)
{
    (void)state;
    enum { SESSIONS = 300 };
    char text[1025];
    memset(text, ' ', sizeof(text));
    text[0] = '{';
    text[1000] = '}';
    text[1001] = '\0';
    new_world((struct world_options){.slots = SESSIONS});
    world_rule(world, LISTING);
    for (unsigned slot = 0; slot < SESSIONS; slot++) {
        open_as(0, slot, WHO_ANYBODY);
        join(0, slot, STATES);
        world_settle(world);
        world_tick(world, 1000);
    }
    world_take(world, 0, 0);
    for (unsigned slot = 0; slot < 250; slot++) {
        set(0, slot, text);
    }
    assert_int_equal(n_notes(0, 0), 1); /* and now one for 300 is on its way */
    world_tick(world, 7);
    assert_int_equal(n_notes(0, 0), 2);
    assert_int_equal(last_note(0, 0).n_changed, 249);
    set(0, 299, text);
    world_tick(world, 100); /* which the fake's frames, without the states, are worth twice */
    assert_int_equal(n_notes(0, 0), 2);
    world_tick(world, 400);
    assert_int_equal(n_notes(0, 0), 3);
    check_rest();
}

static void test_who_wishes_for_more_gets_it(void **state)
{
    (void)state;
    enter(0, 0, WHO_ANYBODY, PRESENCE);
    set(0, 0, "{\"a\":1}");
    join(0, 0, STATES);
    world_settle(world);
    check_last(0, 0, NOTE_FULL, "{\"a\":1}");
    join(0, 0, PRESENCE); /* and not less */
    world_settle(world);
    check_last(0, 0, NOTE_FULL, "{\"a\":1}");
    enter(0, 1, WHO_ANYBODY, PLAIN);
    set(0, 1, "{\"b\":1}");
    check_last(0, 0, NOTE_UPDATES, "{\"b\":1}");
    check_rest();
}

static void test_a_list_is_never_behind_the_news(void **state)
{
    (void)state;
    enter(1, 0, WHO_ANYBODY, STATES);
    enter(0, 0, WHO_ANYBODY, STATES);
    set(0, 0, "{\"a\":1}");
    check_last(1, 0, NOTE_UPDATES, "{\"a\":1}");
    join(1, 0, STATES); /* once more: nobody comes, nobody goes */
    world_settle(world);
    check_rest();
    check_last(1, 0, NOTE_FULL, "null {\"a\":1}");
}

/* The entry goes on, and so does what it shows; with the entry it ends. */
static void test_a_state_lives_as_long_as_its_entry(void **state)
{
    (void)state;
    new_world((struct world_options){.presence_grace_ms = 1000});
    world_rule(world, LISTING);
    enter(1, 0, WHO_ANYBODY, STATES);
    enter(0, 0, WHO_ANN, STATES);
    set(0, 0, "{\"a\":1}");
    world_take(world, 1, 0);
    world_close(world, 0, 0);
    world_tick(world, 500);
    open_as(0, 0, WHO_ANN);
    join(0, 0, STATES);
    world_settle(world);
    check_last(0, 0, NOTE_FULL, "null {\"a\":1}");
    assert_int_equal(n_notes(1, 0), 0);
    world_close(world, 0, 0);
    open_as(0, 0, WHO_ANN_NEW); /* with other extras: another entry */
    join(0, 0, STATES);
    world_settle(world);
    check_last(0, 0, NOTE_FULL, "null null");
    world_close(world, 0, 0);
    world_tick(world, 1001);
    check_rest();
}

/* While it waits for the flush that lists it, in a large channel. */
static void test_one_that_arrives_brings_it_along(void **state)
{
    (void)state;
    new_world((struct world_options){.presence_at_once = 1});
    world_rule(world, LISTING);
    enter(1, 0, WHO_ANYBODY, STATES);
    world_tick(world, 1000);
    world_take(world, 1, 0);
    open_as(0, 0, WHO_ANYBODY);
    join(0, 0, PLAIN);
    set(0, 0, "{\"a\":1}");
    world_settle(world);
    assert_int_equal(n_notes(1, 0), 0);
    world_tick(world, 1000);
    check_last(1, 0, NOTE_UPDATES, "{\"a\":1}");
    assert_int_equal(last_note(1, 0).n_joins, 1);
    assert_int_equal(n_notes(1, 0), 1);
    check_rest();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        L(test_a_list_and_its_news_with_states),
        L(test_of_many_the_newest_is_told),
        L(test_what_is_refused),
        L(test_the_states_of_a_channel_have_a_bound),
        L(test_a_large_channel_is_told_later),
        L(test_who_wishes_for_more_gets_it),
        L(test_a_list_is_never_behind_the_news),
        L(test_a_state_lives_as_long_as_its_entry),
        L(test_one_that_arrives_brings_it_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
