/* SPDX-License-Identifier: PostgreSQL */
/* Spans: comparison, UTF-8 after RFC 3629, decimal numbers, and first lines of files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

static void test_compare(void **state)
{
    (void)state;
    assert_true(str_equals(STR("abc"), str_of("abc")));
    assert_false(str_equals(STR("abc"), STR("abd")));
    assert_false(str_equals(STR("abc"), STR("ab")));
    assert_true(str_equals(STR("a\0b"), (struct str){"a\0b", 3}));
    assert_false(str_equals(STR("a\0b"), STR("a\0c")));
    assert_true(str_equals((struct str){0}, STR("")));
    assert_null(str_of(NULL).ptr);
    assert_true(str_starts(STR("room/1"), STR("room/")));
    assert_true(str_starts(STR("room/"), STR("room/")));
    assert_true(str_starts((struct str){0}, (struct str){0}));
    assert_false(str_starts(STR("room"), STR("room/")));
}

static void test_dup(void **state)
{
    (void)state;
    assert_null(str_dup((struct str){0}));
    char *copy = str_dup((struct str){"abcdef", 3});
    assert_string_equal(copy, "abc");
    free(copy);
    copy = str_dup(STR(""));
    assert_string_equal(copy, "");
    free(copy);
}

static const struct {
    struct str text;
    bool is_valid;
} utf8_cases[] = {
    {{"", 0}, true},
    {{"plain text of more than eight bytes", 35}, true},
    {{"\0", 1}, true},
    {{"\x7f", 1}, true},
    {{"\x80", 1}, false},
    {{"\xbf", 1}, false},
    {{"\xc0\x80", 2}, false}, /* overlong NUL */
    {{"\xc1\xbf", 2}, false},
    {{"\xc2\x80", 2}, true},
    {{"\xc2", 1}, false},
    {{"\xc2\xc0", 2}, false},
    {{"\xdf\xbf", 2}, true},
    {{"\xe0\x9f\xbf", 3}, false}, /* overlong */
    {{"\xe0\xa0\x80", 3}, true},
    {{"\xe0\xa0", 2}, false},
    {{"\xed\x9f\xbf", 3}, true},
    {{"\xed\xa0\x80", 3}, false}, /* surrogates */
    {{"\xed\xbf\xbf", 3}, false},
    {{"\xee\x80\x80", 3}, true},
    {{"\xef\xbf\xbf", 3}, true},
    {{"\xef\xbf\x41", 3}, false},
    {{"\xf0\x8f\xbf\xbf", 4}, false}, /* overlong */
    {{"\xf0\x90\x80\x80", 4}, true},
    {{"\xf0\x90\x80", 3}, false},
    {{"\xf4\x8f\xbf\xbf", 4}, true},
    {{"\xf4\x90\x80\x80", 4}, false}, /* over U+10FFFF */
    {{"\xf5\x80\x80\x80", 4}, false},
    {{"\xff", 1}, false},
};

/* Each case also at every offset of the eight-byte steps, with text on both sides. */
static void test_utf8(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof utf8_cases / sizeof utf8_cases[0]; i++) {
        for (size_t before = 0; before <= 17; before++) {
            for (size_t after = 0; after <= 9; after++) {
                char text[64];
                size_t len = utf8_cases[i].text.len;
                memset(text, 'x', sizeof text);
                memcpy(text + before, utf8_cases[i].text.ptr, len);
                bool got = str_is_utf8((struct str){text, before + len + after});
                if (got != utf8_cases[i].is_valid)
                    fail_msg("case %zu with %zu before and %zu after", i, before, after);
            }
        }
    }
}

static void test_to_u64(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_number;
        uint64_t number;
    } cases[] = {
        {"0", true, 0},
        {"007", true, 7},
        {"42", true, 42},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"99999999999999999999", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"1a", false, 0},
        {"1.0", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t number = 12345;
        if (str_to_u64(str_of(cases[i].text), &number) != cases[i].is_number)
            fail_msg("'%s'", cases[i].text);
        assert_true(number == (cases[i].is_number ? cases[i].number : 12345));
    }
}

static void test_first_line(void **state)
{
    (void)state;
    const struct {
        const char *text, *line;
    } cases[] = {
        {"", ""},      {"\n", ""}, {"word", "word"}, {"word\n", "word"}, {"word\r\nx", "word"},
        {"\nword", ""}};
    char path[] = "/tmp/pgherald-line-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len = strlen(cases[i].text);
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, cases[i].text, len, 0), len);
        char *line = str_first_line(path);
        assert_string_equal(line, cases[i].line);
        free(line);
    }
    close(fd);
    unlink(path);
    assert_null(str_first_line(path));
    assert_int_equal(errno, ENOENT);
    assert_null(str_first_line("/tmp")); /* opens, but has no lines */
    assert_int_equal(errno, EISDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),    cmocka_unit_test(test_dup),
        cmocka_unit_test(test_utf8),       cmocka_unit_test(test_to_u64),
        cmocka_unit_test(test_first_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
