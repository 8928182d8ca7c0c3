/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "core/hub/nodes/others.h"

static struct others *others;

static int setup(void **state)
{
    (void)state;
    others = others_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    others_free(others);
    return 0;
}

static uint64_t note(unsigned node, enum bus_news news)
{
    struct bus_peer peer = {.name = "somewhere"};
    snprintf(peer.id, sizeof(peer.id), "node-%u", node);
    return others_note(others, &peer, news);
}

static void test_each_has_a_number_of_its_own(void **state)
{
    (void)state;
    assert_int_equal(others_all(others), 0);
    assert_int_equal(note(1, BUS_NEWS_CAME), 0);
    assert_int_equal(note(2, BUS_NEWS_CAME), 0);
    uint64_t one = others_find(others, "node-1"), two = others_find(others, "node-2");
    assert_true(one && two && one != two);
    assert_int_equal(others_all(others), one | two);
    assert_int_equal(others_find(others, "node-3"), 0);
    assert_int_equal(note(1, BUS_NEWS_CAME), 0); /* once more: the same */
    assert_int_equal(others_all(others), one | two);
}

static void test_only_who_is_given_up_has_gone(void **state)
{
    (void)state;
    note(1, BUS_NEWS_CAME);
    note(2, BUS_NEWS_CAME);
    uint64_t one = others_find(others, "node-1"), two = others_find(others, "node-2");
    assert_int_equal(note(1, BUS_NEWS_STALE), 0);
    assert_int_equal(note(1, BUS_NEWS_BACK), 0);
    assert_int_equal(others_all(others), one | two);
    assert_int_equal(note(1, BUS_NEWS_DEAD), one);
    assert_int_equal(note(1, BUS_NEWS_DEAD), 0);
    assert_int_equal(note(2, BUS_NEWS_LEFT), two);
    assert_int_equal(others_all(others), 0);
}

static void test_more_than_there_are_numbers_for(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 65; i++) {
        note(i, BUS_NEWS_CAME);
    }
    assert_int_equal(others_all(others), UINT64_MAX);
    assert_int_equal(others_find(others, "node-63"), 0);
    assert_int_equal(note(63, BUS_NEWS_DEAD), 0);
    assert_int_equal(others_all(others), UINT64_MAX);
    assert_int_equal(note(64, BUS_NEWS_DEAD), 0);
    assert_int_equal(others_all(others), UINT64_MAX & ~OTHERS_UNNUMBERED);
    uint64_t gone = note(7, BUS_NEWS_DEAD); /* its number is used again */
    note(66, BUS_NEWS_CAME);
    assert_int_equal(others_find(others, "node-66"), gone);
}

#define O(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        O(test_each_has_a_number_of_its_own),
        O(test_only_who_is_given_up_has_gone),
        O(test_more_than_there_are_numbers_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
