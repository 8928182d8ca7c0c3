/* SPDX-License-Identifier: PostgreSQL */
/* The growing buffer: growth, numbers, JSON strings, dropping from the front. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/buf.h"

static void assert_holds(const struct buf *buf, struct str expected)
{
    assert_int_equal(buf->len, expected.len);
    assert_memory_equal(buf->data, expected.ptr, expected.len);
}

static void test_append(void **state)
{
    (void)state;
    struct buf buf = {0};
    buf_add(&buf, NULL, 0);
    assert_null(buf.data);
    buf_literal(&buf, "a");
    buf_str(&buf, STR("b\0c"));
    buf_str(&buf, (struct str){0});
    buf_char(&buf, 'd');
    buf_printf(&buf, "[%s:%d]", "e", -5);
    assert_holds(&buf, STR("ab\0cd[e:-5]"));
    buf_printf(&buf, "%0300d", 7);
    assert_int_equal(buf.len, 311);
    assert_memory_equal(buf.data + 308, "007", 3);
    buf_clear(&buf);
    assert_int_equal(buf.len, 0);
    assert_true(buf.cap > 0);
    buf_release(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.cap, 0);
}

static void test_growth_keeps_content(void **state)
{
    (void)state;
    struct buf buf = {0};
    for (int i = 0; i < 10000; i++)
        buf_char(&buf, (char)('a' + i % 26));
    assert_int_equal(buf.len, 10000);
    for (int i = 0; i < 10000; i++)
        assert_int_equal(buf.data[i], 'a' + i % 26);
    assert_true(buf.cap < 20000);
    buf_reserve(&buf, 50000);
    assert_true(buf.cap >= 60000);
    assert_int_equal(buf.data[9999], 'a' + 9999 % 26);
    buf_release(&buf);
}

static void test_text_is_terminated(void **state)
{
    (void)state;
    struct buf buf = {0};
    assert_string_equal(buf_text(&buf), "");
    for (int i = 0; i < 64; i++) /* to the edge of the first allocation */
        buf_char(&buf, 'x');
    assert_int_equal(strlen(buf_text(&buf)), 64);
    assert_int_equal(buf.len, 64);
    buf_release(&buf);
}

static void test_u64(void **state)
{
    (void)state;
    struct buf buf = {0};
    buf_u64(&buf, 0);
    buf_char(&buf, ' ');
    buf_u64(&buf, 9);
    buf_char(&buf, ' ');
    buf_u64(&buf, 10);
    buf_char(&buf, ' ');
    buf_u64(&buf, UINT64_MAX);
    assert_string_equal(buf_text(&buf), "0 9 10 18446744073709551615");
    buf_release(&buf);
}

static void test_json_string(void **state)
{
    (void)state;
    static const struct {
        struct str text;
        const char *json;
    } cases[] = {
        {{"", 0}, "\"\""},
        {{"room/1", 6}, "\"room/1\""},
        {{"a\"b\\c", 5}, "\"a\\\"b\\\\c\""},
        {{"\b\f\n\r\t", 5}, "\"\\b\\f\\n\\r\\t\""},
        {{"\0\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\x7f\""},
        {{"/ é 😀", 9}, "\"/ é 😀\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf buf = {0};
        buf_json_string(&buf, cases[i].text);
        assert_string_equal(buf_text(&buf), cases[i].json);
        buf_release(&buf);
    }
}

/* Every byte at every place of a word, among bytes that lie next to those that are escaped. */
static void test_json_string_every_byte(void **state)
{
    (void)state;
    static const char around[] = "! #[]\x7f\xff !#\x80[] #!]";
    char text[sizeof around - 1];
    for (unsigned byte = 0; byte < 256 * sizeof text; byte++) {
        struct buf buf = {0}, expected = {0};
        size_t at = byte / 256;
        memcpy(text, around, sizeof text);
        text[at] = (char)(byte % 256);
        buf_char(&expected, '"');
        for (size_t i = 0; i < sizeof text; i++) {
            char escaped[BUF_JSON_ESCAPE_MAX];
            buf_add(&expected, escaped, buf_json_escape((unsigned char)text[i], escaped));
        }
        buf_char(&expected, '"');
        buf_json_string(&buf, (struct str){text, sizeof text});
        assert_true(str_equals(buf_span(&buf), buf_span(&expected)));
        buf_release(&buf);
        buf_release(&expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_growth_keeps_content),
        cmocka_unit_test(test_text_is_terminated),
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_json_string),
        cmocka_unit_test(test_json_string_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
