/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"

static struct address address(const char *text)
{
    struct address parsed;
    assert_true(address_parse(str_of(text), &parsed));
    return parsed;
}

static bool is_same(struct address a, struct address b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

static void test_parse(void **state)
{
    (void)state;
    struct address ignored;
    static const char *const bad[] = {
        "",     "a",   "127.0.0",  "127.0.0.1:80", "1.2.3.256", "localhost",    "[::1",
        "::1]", "::g", "[::1]:80", "127.0.0.1 ",   "[]",        "fe80::1%eth0", "1.2.3.4.5"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(address_parse(str_of(bad[i]), &ignored));
    }
    assert_false(address_parse(STR("127.0.0.1\0"), &ignored));
    assert_true(is_same(address("10.1.2.3"), address("::ffff:10.1.2.3")));
    assert_true(is_same(address("[::1]"), address("0:0:0:0:0:0:0:1")));
    assert_false(is_same(address("10.1.2.3"), address("::10.1.2.3")));
}

static void test_who_is_one_client(void **state)
{
    (void)state;
    struct address a = address("2001:db8:1:2:3::4"), b = address("2001:db8:1:2:ffff::1");
    struct address c = address("2001:db8:1:3::1");
    assert_true(is_same(address_owner(&a), address_owner(&b)));
    assert_false(is_same(address_owner(&a), address_owner(&c)));
    struct address d = address("10.0.0.1"), e = address("10.0.0.2");
    assert_false(is_same(address_owner(&d), address_owner(&e)));
}

static void test_as_text(void **state)
{
    (void)state;
    static const char *const texts[] = {"10.1.2.3", "2001:db8::1", "::1", "255.255.255.255",
                                        "2001:db8:1111:2222:3333:4444:5555:6666"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        char text[ADDRESS_TEXT_SIZE];
        struct address parsed = address(texts[i]);
        address_write(&parsed, text);
        assert_string_equal(text, texts[i]);
    }
}

static void test_loopback(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is;
    } cases[] = {{"127.0.0.1", true},        {"127.9.9.9", true},  {"::1", true},
                 {"::ffff:127.0.0.1", true}, {"128.0.0.1", false}, {"::2", false},
                 {"127::1", false},          {"10.0.0.1", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address parsed = address(cases[i].text);
        assert_int_equal(address_is_loopback(&parsed), cases[i].is);
    }
}

static void test_ranges(void **state)
{
    (void)state;
    struct address_range *ranges;
    size_t n;
    struct str bad;
    assert_true(
        address_ranges_parse(" 10.0.0.0/9,192.168.1.7 ,\t2001:db8::/33 , ::1", &ranges, &n, &bad));
    assert_int_equal(n, 4);
    static const struct {
        const char *text;
        bool is;
    } cases[] = {{"10.127.255.255", true},
                 {"10.128.0.0", false},
                 {"192.168.1.7", true},
                 {"192.168.1.6", false},
                 {"2001:db8:7fff::", true},
                 {"2001:db8:8000::", false},
                 {"::1", true},
                 {"::2", false},
                 {"::", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address parsed = address(cases[i].text);
        assert_int_equal(address_is_in(&parsed, ranges, n), cases[i].is);
    }
    free(ranges);
    assert_true(address_ranges_parse("0.0.0.0/0", &ranges, &n, &bad));
    struct address v4 = address("203.0.113.9"), v6 = address("2001:db8::1");
    assert_true(address_is_in(&v4, ranges, n));
    assert_false(address_is_in(&v6, ranges, n));
    free(ranges);
    assert_true(address_ranges_parse(" ", &ranges, &n, &bad));
    assert_null(ranges);
    assert_false(address_is_in(&v4, ranges, n));
}

static void test_bad_ranges(void **state)
{
    (void)state;
    static const char *const lists[] = {"10.0.0.0/33", "::/129",       "10.0.0.0/",   "10.0.0.0/-1",
                                        "/8",          "10.0.0.0/8/8", "example.com", "10.0.0.0/a"};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        struct address_range *ranges;
        size_t n;
        struct str bad = {0};
        char list[64] = "127.0.0.1, ";
        strncat(list, lists[i], 32);
        assert_false(address_ranges_parse(list, &ranges, &n, &bad));
        assert_true(str_equals(bad, str_of(lists[i])));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),   cmocka_unit_test(test_who_is_one_client),
        cmocka_unit_test(test_as_text), cmocka_unit_test(test_loopback),
        cmocka_unit_test(test_ranges),  cmocka_unit_test(test_bad_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
