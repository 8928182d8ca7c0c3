/* SPDX-License-Identifier: PostgreSQL */
/* What is JSON, and what is a number: as type json of Postgres has it. */
#include "row_harness.h"

#include "core/json_span.h"

struct check_case {
    const char *text;
    bool is_json;
    bool is_number;
};

static const struct check_case cases[] = {
    {"0", true, true},
    {"-0", true, true},
    {"-12.50", true, true},
    {"1e400", true, true},
    {"1E+2", true, true},
    {"0.0e-0", true, true},
    {"123456789012345678901234567890", true, true},
    {" 1", true, false},
    {"1\n", true, false},
    {"", false, false},
    {" ", false, false},
    {"-", false, false},
    {"+1", false, false},
    {"01", false, false},
    {"-01", false, false},
    {".5", false, false},
    {"1.", false, false},
    {"1.e5", false, false},
    {"1e", false, false},
    {"1e+", false, false},
    {"1e+-1", false, false},
    {"1 2", false, false},
    {"0x10", false, false},
    {"NaN", false, false},
    {"Infinity", false, false},
    {"null", true, false},
    {"true", true, false},
    {"false", true, false},
    {"nul", false, false},
    {"True", false, false},
    {"null1", false, false},
    {"\"\"", true, false},
    {"\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00Ff\x7f\"", true, false},
    {"\"\\u0000\\ud800\"", true, false},
    {"\"", false, false},
    {"\"\\\"", false, false},
    {"\"\\", false, false},
    {"\"\\a\"", false, false},
    {"\"\\u00g0\"", false, false},
    {"\"\\u00", false, false},
    {"\"\t\"", false, false},
    {"'a'", false, false},
    {"[]", true, false},
    {"[ ]", true, false},
    {"{}", true, false},
    {"{ }", true, false},
    {" [ 1 , \"a\" , [ ] , { } ] ", true, false},
    {"{\"a\":1,\"a\":{\"b\":[null]}}", true, false},
    {"{ \"a\" : 1 , \"b\" : 2 }", true, false},
    {"[", false, false},
    {"]", false, false},
    {"[1", false, false},
    {"[1,", false, false},
    {"[1,]", false, false},
    {"[,1]", false, false},
    {"[1 2]", false, false},
    {"[1}", false, false},
    {"{]", false, false},
    {"{\"a\"}", false, false},
    {"{\"a\":}", false, false},
    {"{\"a\":1,}", false, false},
    {"{\"a\":1 \"b\":2}", false, false},
    {"{a:1}", false, false},
    {"{1:1}", false, false},
    {"{\"a\":1]", false, false},
    {"[[{\"a\":[1]}]", false, false},
    {"[{\"a\":[1]}]]", false, false},
    {"{\"a\":[1}]", false, false},
    {"[1]//", false, false},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i].text);
        char *copy = malloc(len > 0 ? len : 1); /* a read behind it is seen by the sanitizer */
        memcpy(copy, cases[i].text, len);
        struct str text = {copy, len};
        if (json_check(text) != cases[i].is_json || json_check_number(text) != cases[i].is_number) {
            fail_msg("%s", cases[i].text);
        }
        free(copy);
    }
}

/* A zero byte ends nothing. */
static void test_zero_bytes(void **state)
{
    (void)state;
    assert_false(json_check(STR("1\0")));
    assert_false(json_check_number(STR("1\0")));
    assert_false(json_check(STR("\"\\\0\"")));
    assert_false(json_check(STR("\"\\u00\0000\"")));
    assert_false(json_check(STR("\"\0\"")));
}

/* Objects and arrays take turns, so that each bit is another one than its neighbour. */
static void test_depth(void **state)
{
    (void)state;
    for (size_t depth = JSON_CHECK_DEPTH_MAX - 1; depth <= JSON_CHECK_DEPTH_MAX + 1; depth++) {
        struct buf text = {0};
        for (size_t i = 0; i < depth; i++) {
            buf_literal(&text, i % 2 == 0 ? "[" : "{\"a\":");
        }
        buf_char(&text, '1');
        for (size_t i = depth; i > 0; i--) {
            buf_char(&text, i % 2 == 1 ? ']' : '}');
        }
        assert_int_equal(json_check(buf_span(&text)), depth <= JSON_CHECK_DEPTH_MAX);
        text.data[text.len - 1] = '}';
        assert_false(json_check(buf_span(&text)));
        buf_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_zero_bytes),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
