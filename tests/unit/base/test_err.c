/* SPDX-License-Identifier: PostgreSQL */
/* A struct err: filled, cut, or not wanted at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/err.h"

static void test_set(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(err_set(&err, EXIT_CODE_PORT, "port %d is in use", 80), STATUS_FAILED);
    assert_int_equal(err.code, 75);
    assert_string_equal(err.text, "port 80 is in use");
    assert_int_equal(err_set(NULL, EXIT_CODE_PORT, "nobody reads this"), STATUS_FAILED);
}

static void test_long_sentence_is_cut(void **state)
{
    (void)state;
    struct err err = {0};
    char text[3000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(err_set(&err, EXIT_CODE_CONFIG, "%s", text), STATUS_FAILED);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_long_sentence_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
