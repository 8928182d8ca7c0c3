/* SPDX-License-Identifier: PostgreSQL */
/* Random identifiers: shape, and that they differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "base/id.h"

static void test_text(void **state)
{
    (void)state;
    char ids[1000][ID_TEXT_SIZE];
    bool is_seen[256] = {false};
    for (size_t i = 0; i < 1000; i++) {
        id_text(ids[i]);
        assert_int_equal(strlen(ids[i]), ID_TEXT_SIZE - 1);
        assert_int_equal(strspn(ids[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                        "0123456789-_"),
                         ID_TEXT_SIZE - 1);
        for (size_t j = 0; j < ID_TEXT_SIZE - 1; j++)
            is_seen[(unsigned char)ids[i][j]] = true;
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
    size_t n_letters = 0; /* one of 64 missing in 16000 draws: once in 10^107 runs */
    for (size_t i = 0; i < 256; i++)
        n_letters += is_seen[i] ? 1 : 0;
    assert_int_equal(n_letters, 64);
}

static void test_random_fills_all(void **state)
{
    (void)state;
    unsigned char bytes[4096] = {0};
    unsigned char sum[4096] = {0};
    for (int round = 0; round < 8; round++) {
        id_random(bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++)
            sum[i] |= bytes[i];
    }
    for (size_t i = 0; i < sizeof sum; i++)
        assert_int_not_equal(sum[i], 0); /* by chance: once in 10^15 runs */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_random_fills_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
