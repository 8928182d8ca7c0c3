/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "net/http/addresses.h"

static struct address address(const char *text)
{
    struct address parsed;
    assert_true(address_parse(str_of(text), &parsed));
    return parsed;
}

static void test_sessions_and_rate(void **state)
{
    (void)state;
    static const struct bucket_rate rate = {.n = 1, .period_ms = 1000, .burst = 3};
    struct addresses *addresses = addresses_new(2, &rate);
    struct address a = address("2001:db8::1"), same = address("2001:db8::2"),
                   b = address("10.0.0.1");
    assert_int_equal(addresses_judge(addresses, &a, 1000), ADMISSION_GRANTED);
    assert_int_equal(addresses_n(addresses), 0); /* who only asks leaves nothing behind */
    assert_int_equal(addresses_enter(addresses, &a, 1000), ADMISSION_GRANTED);
    assert_int_equal(addresses_enter(addresses, &same, 1000), ADMISSION_GRANTED);
    assert_int_equal(addresses_judge(addresses, &a, 1000), ADMISSION_SESSIONS);
    assert_int_equal(addresses_enter(addresses, &a, 1000), ADMISSION_SESSIONS);
    assert_int_equal(addresses_judge(addresses, &a, 1000), ADMISSION_RATE);
    assert_int_equal(addresses_enter(addresses, &a, 1000), ADMISSION_RATE);
    assert_int_equal(addresses_enter(addresses, &b, 1000), ADMISSION_GRANTED);
    addresses_leave(addresses, &same, 1500);
    assert_int_equal(addresses_enter(addresses, &a, 1999), ADMISSION_RATE);
    assert_int_equal(addresses_enter(addresses, &a, 2000), ADMISSION_GRANTED);
    addresses_free(addresses);
}

static void test_nothing_is_kept_for_long(void **state)
{
    (void)state;
    static const struct bucket_rate rate = {.n = 1, .period_ms = 1000, .burst = 3};
    struct addresses *addresses = addresses_new(0, &rate);
    struct address stays = address("10.0.0.1");
    assert_int_equal(addresses_enter(addresses, &stays, 1000), ADMISSION_GRANTED);
    for (uint8_t i = 0; i < 200; i++) {
        struct address from = address("10.0.1.0");
        from.bytes[15] = i;
        assert_int_equal(addresses_enter(addresses, &from, 1000), ADMISSION_GRANTED);
        addresses_leave(addresses, &from, 1000);
    }
    assert_int_equal(addresses_n(addresses), 201); /* their buckets are not full again */
    addresses_sweep(addresses, 1999);
    assert_int_equal(addresses_n(addresses), 201);
    addresses_sweep(addresses, 3000);
    assert_int_equal(addresses_n(addresses), 1);
    addresses_leave(addresses, &stays, 3000);
    assert_int_equal(addresses_n(addresses), 0);
    addresses_free(addresses);
}

static void test_no_limits(void **state)
{
    (void)state;
    static const struct bucket_rate none = {0};
    struct addresses *addresses = addresses_new(0, &none);
    struct address a = address("10.0.0.1");
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(addresses_enter(addresses, &a, 1), ADMISSION_GRANTED);
    }
    addresses_free(addresses);
    addresses_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sessions_and_rate),
        cmocka_unit_test(test_nothing_is_kept_for_long),
        cmocka_unit_test(test_no_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
