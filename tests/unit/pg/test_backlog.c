/* SPDX-License-Identifier: PostgreSQL */
/* What is said of a backlog: rate and time that is left, and nothing where there is nothing to say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pg/backlog.h"

static void expect(struct backlog *backlog, uint64_t n_rows, uint64_t now_ms, const char *words)
{
    struct buf said = {0};
    backlog_look(backlog, n_rows, now_ms);
    backlog_say(backlog, &said);
    assert_string_equal(buf_text(&said), words);
    buf_release(&said);
}

static void test_a_backlog_that_goes_down(void **state)
{
    (void)state;
    struct backlog backlog = {0};
    expect(&backlog, 500000, 1000, "");
    expect(&backlog, 400000, 11000,
           "catching up: 400000 changes wait, 10000 fewer a second, about 41 s to go");
    expect(&backlog, 399000, 21000,
           "catching up: 399000 changes wait, 100 fewer a second, about 67 min to go");
    expect(&backlog, 398999, 31000,
           "catching up: 398999 changes wait, 0 fewer a second, about 1108 h to go");
    expect(&backlog, 0, 41000, "");
}

static void test_nothing_to_say(void **state)
{
    (void)state;
    struct backlog backlog = {0};
    expect(&backlog, 0, 1000, "");
    expect(&backlog, 10, 2000, "");
    expect(&backlog, 10, 3000, "");
    expect(&backlog, 11, 4000, "");
    expect(&backlog, 5, 4000, ""); /* the same millisecond */
    expect(&backlog, UINT64_MAX - 1, 5000, "");
    struct backlog huge = {.n_rows = UINT64_MAX, .at_ms = 1000};
    backlog_look(&huge, UINT64_MAX - 1, 2000); /* does not overflow */
    assert_true(huge.is_draining);
    assert_int_equal(huge.left_s, UINT64_MAX / 1000 + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_backlog_that_goes_down),
        cmocka_unit_test(test_nothing_to_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
