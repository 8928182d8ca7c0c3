/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "auth/json_text.h"

static void test_depth(void **state)
{
    (void)state;
    assert_int_equal(json_depth(STR("")), 0);
    assert_int_equal(json_depth(STR("1")), 0);
    assert_int_equal(json_depth(STR("{}")), 1);
    assert_int_equal(json_depth(STR("[{},[[]]]")), 3);
    assert_int_equal(json_depth(STR("[\"[[[\\\"[[[\"]")), 1);
    assert_int_equal(json_depth(STR("]]]]")), 0);
    assert_int_equal(json_depth(STR("[\"")), 1);
    assert_int_equal(json_depth(STR("[\"\\")), 1);
    char many[5000];
    memset(many, '[', sizeof(many));
    assert_int_equal(json_depth((struct str){many, sizeof(many)}), sizeof(many));
}

static void test_a_value_as_it_is_written(void **state)
{
    (void)state;
    static const struct {
        const char *text, *first, *second, *value;
    } cases[] = {
        {"{\"a\":1}", "a", NULL, "1"},
        {" { \"a\" : [ 1.10 , \"x y\" , { } ] } ", "a", NULL, "[1.10,\"x y\",{}]"},
        {"{\"b\":[\"}\",{\"a\":2}],\"a\":{\"a\":3}}", "a", "a", "3"},
        {"{\"b\":\"\\\"a\\\":1\",\"a\":12345678901234567890}", "a", NULL, "12345678901234567890"},
        {"{\"\\u0061\":true}", "a", NULL, "true"},
        {"{\"x\\\\\":null,\"a\":\"\\\\\"}", "a", NULL, "\"\\\\\""},
        {"{\"a\":{\"b\":{\"c\":[]}}}", "a", "b", "{\"c\":[]}"},
        {"{\"\":1,\"a\":\n\t-0.5e-3\r}", "a", NULL, "-0.5e-3"},
        {"{\"b\":1}", "a", NULL, ""},
        {"{}", "a", NULL, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = {0};
        struct json_path path = {.names = {str_of(cases[i].first), str_of(cases[i].second)},
                                 .n = cases[i].second ? 2 : 1};
        json_value_text(str_of(cases[i].text), &path, &out);
        assert_string_equal(buf_text(&out), cases[i].value);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_a_value_as_it_is_written),
    };
    return cmocka_run_group_tests_name("auth/json_text", tests, NULL, NULL);
}
