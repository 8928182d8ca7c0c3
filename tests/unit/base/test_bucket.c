/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/bucket.h"

static const struct bucket_rate ten = {.n = 10, .period_ms = 1000, .burst = 5};

static unsigned take_all(struct bucket *bucket, const struct bucket_rate *rate, uint64_t now_ms)
{
    unsigned n = 0;
    while (n < 1000 && bucket_take(bucket, rate, 1, now_ms)) {
        n++;
    }
    return n;
}

static void test_a_burst_then_the_rate(void **state)
{
    (void)state;
    struct bucket bucket = {0};
    assert_int_equal(take_all(&bucket, &ten, 5000), 5);
    assert_int_equal(take_all(&bucket, &ten, 5099), 0);
    assert_int_equal(take_all(&bucket, &ten, 5100), 1);
    assert_int_equal(take_all(&bucket, &ten, 5300), 2);
    assert_false(bucket_is_full(&bucket, &ten, 5799));
    assert_true(bucket_is_full(&bucket, &ten, 5800));
    assert_int_equal(take_all(&bucket, &ten, 1000000), 5);
}

/* No rate loses to rounding: a minute of a bucket that is looked at each millisecond. */
static void test_the_rate_is_exact(void **state)
{
    (void)state;
    static const struct bucket_rate rates[] = {
        {7, 1000, 1}, {600, 60000, 1}, {1, 60000, 1}, {999, 1000, 3}, {1000000, 1000, 5000}};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct bucket bucket = {0};
        uint64_t taken = 0, expected = rates[i].n * (UINT64_C(60000) / rates[i].period_ms);
        for (uint64_t now_ms = 1; now_ms <= 60000; now_ms++) {
            uint32_t at_once = rates[i].n / rates[i].period_ms;
            at_once = at_once > 0 ? at_once : 1;
            taken += bucket_take(&bucket, &rates[i], at_once, now_ms) ? at_once : 0;
        }
        assert_in_range(taken, expected - 1, expected + rates[i].burst + 1);
    }
}

static void test_more_than_it_holds(void **state)
{
    (void)state;
    struct bucket bucket = {0};
    assert_true(bucket_take(&bucket, &ten, 50, 1000)); /* from a full one, on credit */
    assert_false(bucket_take(&bucket, &ten, 1, 5599));
    assert_true(bucket_take(&bucket, &ten, 1, 5600)); /* 46 units are refilled, 5 may be used */
    assert_true(bucket_take(&bucket, &ten, UINT32_MAX, UINT64_MAX));
}

/* What it says is the very millisecond at which it gives again. */
static void test_how_long_to_wait(void **state)
{
    (void)state;
    static const struct bucket_rate rates[] = {
        {10, 1000, 5}, {7, 1000, 1}, {3, 60000, 3}, {1, 60000, 0}, {0}};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct bucket bucket = {0};
        assert_int_equal(bucket_wait_ms(&bucket, &rates[i], 1, 5000), 0);
        take_all(&bucket, &rates[i], 5000);
        uint64_t wait_ms = bucket_wait_ms(&bucket, &rates[i], 1, 5000);
        assert_true(wait_ms > 0 || rates[i].n == 0);
        struct bucket early = bucket;
        assert_true(wait_ms == 0 || !bucket_take(&early, &rates[i], 1, 5000 + wait_ms - 1));
        assert_true(bucket_take(&bucket, &rates[i], 1, 5000 + wait_ms));
    }
    struct bucket owing = {0};
    bucket_take(&owing, &ten, 50, 1000);
    assert_int_equal(bucket_wait_ms(&owing, &ten, 1, 1000), 4600);
    assert_int_equal(bucket_wait_ms(&owing, &ten, 50, 1000), 5000);
}

static void test_no_limit_and_odd_clocks(void **state)
{
    (void)state;
    struct bucket bucket = {0};
    static const struct bucket_rate none = {0};
    assert_int_equal(take_all(&bucket, &none, 1), 1000);
    assert_true(bucket_is_full(&bucket, &none, 1));
    assert_int_equal(take_all(&bucket, &ten, 10000), 5);
    assert_int_equal(take_all(&bucket, &ten, 9000), 0); /* a clock that went back refills nothing */
    static const struct bucket_rate no_burst = {.n = 1, .period_ms = 1000, .burst = 0};
    struct bucket other = {0};
    assert_int_equal(take_all(&other, &no_burst, 1000), 1);
    assert_int_equal(take_all(&other, &no_burst, 2000), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_burst_then_the_rate),   cmocka_unit_test(test_the_rate_is_exact),
        cmocka_unit_test(test_more_than_it_holds),      cmocka_unit_test(test_how_long_to_wait),
        cmocka_unit_test(test_no_limit_and_odd_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
