/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "auth/base64url.h"

static void test_both_ways(void **state)
{
    (void)state;
    static const struct {
        struct str bytes;
        const char *text;
    } cases[] = {
        {{"", 0}, ""},        {{"f", 1}, "Zg"},         {{"\x66o", 2}, "Zm8"},
        {{"foo", 3}, "Zm9v"}, {{"foob", 4}, "Zm9vYg"},  {{"\xff\xff\xff", 3}, "____"},
        {{"\0\0", 2}, "AAA"}, {{"\xfb\xff", 2}, "-_8"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf text = {0}, bytes = {0};
        base64url_encode(cases[i].bytes, &text);
        assert_string_equal(buf_text(&text), cases[i].text);
        assert_true(base64url_decode(str_of(cases[i].text), &bytes));
        assert_int_equal(bytes.len, cases[i].bytes.len);
        assert_int_equal(base64url_bytes(strlen(cases[i].text)), bytes.len);
        assert_true(bytes.len == 0 || memcmp(bytes.data, cases[i].bytes.ptr, bytes.len) == 0);
        buf_release(&text);
        buf_release(&bytes);
    }
}

static void test_what_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"A",    "AAAAA", "Zg==",  "Zh",         "Zm9", "Zm 8",
                                        "Zm+v", "Zm/v",  "Zm8\n", "\xc3\xa9gg", NULL};
    for (size_t i = 0; texts[i]; i++) {
        struct buf bytes = {0};
        buf_literal(&bytes, "before");
        assert_false(base64url_decode(str_of(texts[i]), &bytes));
        assert_string_equal(buf_text(&bytes), "before");
        buf_release(&bytes);
    }
}

static void test_every_length(void **state)
{
    (void)state;
    char data[70];
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (char)(i * 37 + 11);
    }
    for (size_t len = 0; len <= sizeof(data); len++) {
        struct buf text = {0}, bytes = {0};
        base64url_encode((struct str){data, len}, &text);
        assert_true(base64url_decode((struct str){text.data, text.len}, &bytes));
        assert_int_equal(bytes.len, len);
        assert_true(len == 0 || memcmp(bytes.data, data, len) == 0);
        buf_release(&text);
        buf_release(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_every_length),
    };
    return cmocka_run_group_tests_name("auth/base64url", tests, NULL, NULL);
}
