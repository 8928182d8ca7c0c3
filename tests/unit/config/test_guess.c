/* SPDX-License-Identifier: PostgreSQL */
/* How far apart words are, and which one is guessed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "config/guess.h"

static void test_distances(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        size_t distance;
    } cases[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"status", "status", 0},
        {"statsu", "status", 1},
        {"stats", "status", 1},
        {"status2", "status", 1},
        {"stutas", "status", 2},
        {"ca", "abc", 3},
        {"kitten", "sitting", 3},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str a = str_of(cases[i].a), b = str_of(cases[i].b);
        assert_int_equal(guess_distance(a, b), cases[i].distance);
        assert_int_equal(guess_distance(b, a), cases[i].distance);
    }
}

static void test_long_words_are_far(void **state)
{
    (void)state;
    char word[GUESS_MAX + 2];
    memset(word, 'x', sizeof(word) - 1);
    word[GUESS_MAX + 1] = '\0';
    struct str whole = str_of(word), fits = {word, GUESS_MAX};
    assert_true(guess_distance(whole, str_of("x")) == SIZE_MAX);
    assert_true(guess_distance(str_of("x"), whole) == SIZE_MAX);
    assert_int_equal(guess_distance(fits, fits), 0);
}

static void test_guesses(void **state)
{
    (void)state;
    static const char *const words[] = {"watch",    "unwatch", "watches",
                                        "rule set", "rules",   "status"};
    static const struct {
        const char *typed, *guessed;
    } cases[] = {
        {"wacth", "watch"}, {"watch", "watch"}, {"watche", "watch"},
        {"stat", "status"}, {"st", NULL},       {"unwtach", "unwatch"},
        {"rulez", "rules"}, {"bogus", NULL},    {"", NULL},
        {"x", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct guess guess;
        guess_init(&guess, str_of(cases[i].typed));
        for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
            guess_try(&guess, words[w]);
        }
        if (cases[i].guessed) {
            assert_non_null(guess.best);
            assert_string_equal(guess.best, cases[i].guessed);
        } else {
            assert_null(guess.best);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distances),
        cmocka_unit_test(test_long_words_are_far),
        cmocka_unit_test(test_guesses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
