/* SPDX-License-Identifier: PostgreSQL */
/* The clocks, against libc's own idea of the time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "base/clock.h"

static void test_monotonic(void **state)
{
    (void)state;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    uint64_t now = clock_ms();
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(now >= (uint64_t)before.tv_sec * 1000 + (uint64_t)before.tv_nsec / 1000000);
    assert_true(now <= (uint64_t)after.tv_sec * 1000 + (uint64_t)after.tv_nsec / 1000000);
}

static void test_wall_seconds(void **state)
{
    (void)state;
    time_t before = time(NULL);
    int64_t now = clock_wall_s();
    time_t after = time(NULL);
    /* time() may lag a tick behind clock_gettime(). */
    assert_true(now >= before && now <= after + 1);
}

static void test_wall_text(void **state)
{
    (void)state;
    char text[CLOCK_TEXT_SIZE];
    time_t before = time(NULL);
    clock_wall_text(text);
    time_t after = time(NULL);
    assert_int_equal(strlen(text), CLOCK_TEXT_SIZE - 1);
    assert_int_equal(text[19], '.');
    assert_int_equal(text[23], 'Z');
    for (int i = 20; i < 23; i++)
        assert_in_range(text[i], '0', '9');

    struct tm utc = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &utc);
    assert_ptr_equal(rest, text + 19);
    time_t told = timegm(&utc);
    /* time() may lag a tick behind clock_gettime(). */
    assert_true(told >= before - 1 && told <= after + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_monotonic),
        cmocka_unit_test(test_wall_seconds),
        cmocka_unit_test(test_wall_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
