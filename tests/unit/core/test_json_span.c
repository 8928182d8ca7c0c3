/* SPDX-License-Identifier: PostgreSQL */
/* The JSON scanner. The table of texts is the promise to the database: each verdict is the one of
 * `select text::json` on PostgreSQL 15 in a UTF8 database (only the depth limit is ours). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/json_span.h"

/* STR() is no constant expression; the tables need one. */
#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

/* From a heap copy of exactly its size, so that AddressSanitizer sees what reads over its end. */
static enum json_kind kind_of_copy(struct str text)
{
    char *copy = mem_alloc(text.len);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    enum json_kind kind = json_scan((struct str){copy, text.len}, NULL, 0);
    free(copy);
    return kind;
}

static const struct {
    struct str text;
    enum json_kind kind;
} cases[] = {
    /* Scalars are texts too. */
    {TEXT("null"), JSON_KIND_NULL},
    {TEXT("true"), JSON_KIND_TRUE},
    {TEXT("false"), JSON_KIND_FALSE},
    {TEXT(" \t\r\n1 \t\r\n"), JSON_KIND_NUMBER},
    {TEXT("\"\""), JSON_KIND_STRING},
    {TEXT(""), JSON_KIND_INVALID},
    {TEXT("  "), JSON_KIND_INVALID},
    {TEXT("\v1"), JSON_KIND_INVALID},
    {TEXT("\f1"), JSON_KIND_INVALID},
    {TEXT("\xc2\xa0"
          "1"),
     JSON_KIND_INVALID}, /* no-break space */
    {TEXT("\xef\xbb\xbf"
          "1"),
     JSON_KIND_INVALID}, /* byte order mark */
    {TEXT("1\0"), JSON_KIND_INVALID},
    {TEXT("\0"), JSON_KIND_INVALID},
    {TEXT("nul"), JSON_KIND_INVALID},
    {TEXT("nulls"), JSON_KIND_INVALID},
    {TEXT("Null"), JSON_KIND_INVALID},
    {TEXT("TRUE"), JSON_KIND_INVALID},
    {TEXT("tru"), JSON_KIND_INVALID},
    {TEXT("falsee"), JSON_KIND_INVALID},
    {TEXT("true false"), JSON_KIND_INVALID},
    {TEXT("NaN"), JSON_KIND_INVALID},
    {TEXT("Infinity"), JSON_KIND_INVALID},
    {TEXT("-Infinity"), JSON_KIND_INVALID},
    {TEXT("undefined"), JSON_KIND_INVALID},
    /* Numbers: the grammar counts, not the size. */
    {TEXT("0"), JSON_KIND_NUMBER},
    {TEXT("-0"), JSON_KIND_NUMBER},
    {TEXT("-0.0e-0"), JSON_KIND_NUMBER},
    {TEXT("1e400"), JSON_KIND_NUMBER},
    {TEXT("1E+99999999999999999999"), JSON_KIND_NUMBER},
    {TEXT("12345678901234567890123"), JSON_KIND_NUMBER},
    {TEXT("1.10"), JSON_KIND_NUMBER},
    {TEXT("0e1"), JSON_KIND_NUMBER},
    {TEXT("0.0"), JSON_KIND_NUMBER},
    {TEXT("00"), JSON_KIND_INVALID},
    {TEXT("01"), JSON_KIND_INVALID},
    {TEXT("-01"), JSON_KIND_INVALID},
    {TEXT("-"), JSON_KIND_INVALID},
    {TEXT("--1"), JSON_KIND_INVALID},
    {TEXT("+1"), JSON_KIND_INVALID},
    {TEXT(".5"), JSON_KIND_INVALID},
    {TEXT("-.5"), JSON_KIND_INVALID},
    {TEXT("1."), JSON_KIND_INVALID},
    {TEXT("1.e1"), JSON_KIND_INVALID},
    {TEXT("1e"), JSON_KIND_INVALID},
    {TEXT("1e+"), JSON_KIND_INVALID},
    {TEXT("1e1.5"), JSON_KIND_INVALID},
    {TEXT("1ee1"), JSON_KIND_INVALID},
    {TEXT("1.2.3"), JSON_KIND_INVALID},
    {TEXT("0x1"), JSON_KIND_INVALID},
    {TEXT("1_000"), JSON_KIND_INVALID},
    {TEXT("1a"), JSON_KIND_INVALID},
    {TEXT("1 2"), JSON_KIND_INVALID},
    {TEXT("- 1"), JSON_KIND_INVALID},
    {TEXT("1\xc3\xa9"), JSON_KIND_INVALID},
    {TEXT("\xd9\xa1"), JSON_KIND_INVALID}, /* an Arabic digit */
    /* Strings. */
    {TEXT("\"a\x7f\xc2\x80\xe2\x80\xa8\xf0\x9f\x98\x80\""), JSON_KIND_STRING},
    {TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uABCD\\uabcd\""), JSON_KIND_STRING},
    {TEXT("\"\\u0000\""), JSON_KIND_STRING},
    {TEXT("\"\\ud83d\\ude00\""), JSON_KIND_STRING},
    {TEXT("\"\\ud83d\""), JSON_KIND_STRING}, /* half pairs: type json does not look */
    {TEXT("\"\\ude00\\ud83d\""), JSON_KIND_STRING},
    {TEXT("\"\\ud83dx\""), JSON_KIND_STRING},
    {TEXT("\""), JSON_KIND_INVALID},
    {TEXT("\"a"), JSON_KIND_INVALID},
    {TEXT("\"\\\""), JSON_KIND_INVALID},
    {TEXT("\"\\"), JSON_KIND_INVALID},
    {TEXT("\"\\u12"), JSON_KIND_INVALID},
    {TEXT("\"\\u12\""), JSON_KIND_INVALID},
    {TEXT("\"\\u123g\""), JSON_KIND_INVALID},
    {TEXT("\"\\U0041\""), JSON_KIND_INVALID},
    {TEXT("\"\\x41\""), JSON_KIND_INVALID},
    {TEXT("\"\\a\""), JSON_KIND_INVALID},
    {TEXT("\"\\'\""), JSON_KIND_INVALID},
    {TEXT("\"\\\0\""), JSON_KIND_INVALID},
    {TEXT("\"\\\n\""), JSON_KIND_INVALID},
    {TEXT("\"\0\""), JSON_KIND_INVALID},
    {TEXT("\"\n\""), JSON_KIND_INVALID},
    {TEXT("\"\t\""), JSON_KIND_INVALID},
    {TEXT("\"\x1f\""), JSON_KIND_INVALID},
    {TEXT("'a'"), JSON_KIND_INVALID},
    {TEXT("\"a\"b"), JSON_KIND_INVALID},
    {TEXT("\"a\"\"b\""), JSON_KIND_INVALID},
    /* Arrays and objects. */
    {TEXT("[]"), JSON_KIND_ARRAY},
    {TEXT("[ ]"), JSON_KIND_ARRAY},
    {TEXT("[1,[2,{}],\"]\"]"), JSON_KIND_ARRAY},
    {TEXT("{}"), JSON_KIND_OBJECT},
    {TEXT("{ }"), JSON_KIND_OBJECT},
    {TEXT("{\"\":1}"), JSON_KIND_OBJECT},
    {TEXT("{\"a\":1,\"a\":2}"), JSON_KIND_OBJECT},
    {TEXT(" { \"a\" : [ { } , null ] , \"b\" : \"}\" } "), JSON_KIND_OBJECT},
    {TEXT("["), JSON_KIND_INVALID},
    {TEXT("]"), JSON_KIND_INVALID},
    {TEXT("{"), JSON_KIND_INVALID},
    {TEXT("}"), JSON_KIND_INVALID},
    {TEXT("[1"), JSON_KIND_INVALID},
    {TEXT("[1,"), JSON_KIND_INVALID},
    {TEXT("[1,]"), JSON_KIND_INVALID},
    {TEXT("[,1]"), JSON_KIND_INVALID},
    {TEXT("[,]"), JSON_KIND_INVALID},
    {TEXT("[1 2]"), JSON_KIND_INVALID},
    {TEXT("[1}"), JSON_KIND_INVALID},
    {TEXT("{]"), JSON_KIND_INVALID},
    {TEXT("[]]"), JSON_KIND_INVALID},
    {TEXT("[][]"), JSON_KIND_INVALID},
    {TEXT("[],"), JSON_KIND_INVALID},
    {TEXT("{\"a\"}"), JSON_KIND_INVALID},
    {TEXT("{\"a\":}"), JSON_KIND_INVALID},
    {TEXT("{\"a\" 1}"), JSON_KIND_INVALID},
    {TEXT("{\"a\":1,}"), JSON_KIND_INVALID},
    {TEXT("{,\"a\":1}"), JSON_KIND_INVALID},
    {TEXT("{\"a\":1 \"b\":2}"), JSON_KIND_INVALID},
    {TEXT("{\"a\"::1}"), JSON_KIND_INVALID},
    {TEXT("{\"a\":1:2}"), JSON_KIND_INVALID},
    {TEXT("{a:1}"), JSON_KIND_INVALID},
    {TEXT("{1:1}"), JSON_KIND_INVALID},
    {TEXT("{null:1}"), JSON_KIND_INVALID},
    {TEXT("{\"a\":1"), JSON_KIND_INVALID},
    {TEXT("{\"a\":1]"), JSON_KIND_INVALID},
    {TEXT("{\"a"), JSON_KIND_INVALID},
    {TEXT("{\"a\n\":1}"), JSON_KIND_INVALID},
    {TEXT("{}{}"), JSON_KIND_INVALID},
    {TEXT("[1]//x"), JSON_KIND_INVALID},
    {TEXT("/**/1"), JSON_KIND_INVALID},
    {TEXT("[1,\v2]"), JSON_KIND_INVALID},
};

static void test_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum json_kind kind = kind_of_copy(cases[i].text);
        if (kind != cases[i].kind)
            fail_msg("kind %d and not %d for: %s", (int)kind, (int)cases[i].kind,
                     cases[i].text.ptr);
    }
    assert_int_equal(json_scan((struct str){0}, NULL, 0), JSON_KIND_INVALID);
}

static enum json_kind nested(size_t depth, const char *open, const char *middle, char close)
{
    struct buf text = {0};
    for (size_t i = 0; i < depth; i++)
        buf_literal(&text, open);
    buf_literal(&text, middle);
    for (size_t i = 0; i < depth; i++)
        buf_char(&text, close);
    enum json_kind kind = kind_of_copy((struct str){text.data, text.len});
    buf_release(&text);
    return kind;
}

static void test_depth(void **state)
{
    (void)state;
    assert_int_equal(nested(JSON_SPAN_DEPTH_MAX, "[", "", ']'), JSON_KIND_ARRAY);
    assert_int_equal(nested(JSON_SPAN_DEPTH_MAX, "[", "1", ']'), JSON_KIND_ARRAY);
    assert_int_equal(nested(JSON_SPAN_DEPTH_MAX, "{\"a\":", "1", '}'), JSON_KIND_OBJECT);
    assert_int_equal(nested(JSON_SPAN_DEPTH_MAX + 1, "[", "", ']'), JSON_KIND_INVALID);
    assert_int_equal(nested(JSON_SPAN_DEPTH_MAX + 1, "[", "1", ']'), JSON_KIND_INVALID);
    assert_int_equal(nested(JSON_SPAN_DEPTH_MAX + 1, "{\"a\":", "1", '}'), JSON_KIND_INVALID);
    assert_int_equal(nested(100000, "[", "", ']'), JSON_KIND_INVALID);
}

static const struct {
    const char *text;
    const char *a; /* the value of "a", NULL: absent */
    const char *b;
} member_cases[] = {
    {"{\"a\":1,\"b\":2}", "1", "2"},
    {"{\"b\" : 2 , \"a\" : 1 }", "1", "2"},
    {"{}", NULL, NULL},
    {"{\"c\":1,\"A\":2,\"aa\":3,\"\":4}", NULL, NULL},
    {"{\"a\":[1, {\"b\":2}] ,\"c\":{\"b\":3}}", "[1, {\"b\":2}]", NULL},
    {"{\"a\":{ } ,\"b\":[ ]}", "{ }", "[ ]"},
    {"{\"a\":\" x\\\" \"}", "\" x\\\" \"", NULL},
    {"{\"a\":1.10,\"b\":1e400}", "1.10", "1e400"},
    {"{\"a\":null,\"b\":false}", "null", "false"},
    {"\n{\"a\"\t:\r-0\n}\n", "-0", NULL},
    /* The last of several counts. */
    {"{\"a\":1,\"a\":{\"a\":7},\"b\":3,\"a\":4}", "4", "3"},
    /* Keys are compared decoded. */
    {"{\"\\u0061\":1,\"\\u0062\":2}", "1", "2"},
    {"{\"a\":1,\"\\u0061\":2}", "2", NULL},
    {"{\"\\ud800\":1,\"a\\u0000\":2,\"\\\\a\":3,\"\\u00e9\":4}", NULL, NULL},
    /* Nothing is found in what is no object, or no JSON. */
    {"[{\"a\":1}]", NULL, NULL},
    {"\"a\"", NULL, NULL},
    {"{\"a\":1,\"b\":2", NULL, NULL},
    {"{\"a\":1}x", NULL, NULL},
};

static void assert_value(struct str value, const char *expected)
{
    if (expected == NULL) {
        assert_null(value.ptr);
        return;
    }
    assert_int_equal(value.len, strlen(expected));
    assert_memory_equal(value.ptr, expected, value.len);
}

static void test_members(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof member_cases / sizeof member_cases[0]; i++) {
        struct json_member members[] = {{.key = STR("a"), .value = STR("stale")},
                                        {.key = STR("b"), .value = STR("stale")}};
        json_scan(str_of(member_cases[i].text), members, 2);
        assert_value(members[0].value, member_cases[i].a);
        assert_value(members[1].value, member_cases[i].b);
    }
}

/* The longest key of the wire, each letter as an escape. */
static void test_long_escaped_key(void **state)
{
    (void)state;
    struct buf text = {0};
    buf_literal(&text, "{\"");
    for (const char *p = "authenticated"; *p != '\0'; p++)
        buf_printf(&text, "\\u%04X", (unsigned)*p);
    buf_literal(&text, "\":true,\"");
    for (int i = 0; i < 1000; i++)
        buf_literal(&text, "\\u0061"); /* too long for any key of ours */
    buf_literal(&text, "\":1}");
    struct json_member member = {.key = STR("authenticated")};
    json_scan((struct str){text.data, text.len}, &member, 1);
    assert_value(member.value, "true");
    buf_release(&text);
}

static void test_kind_of(void **state)
{
    (void)state;
    assert_int_equal(json_kind_of((struct str){0}), JSON_KIND_INVALID);
    assert_int_equal(json_kind_of(STR("-1")), JSON_KIND_NUMBER);
    assert_int_equal(json_kind_of(STR("[]")), JSON_KIND_ARRAY);
}

static void test_unquote(void **state)
{
    (void)state;
    static const struct {
        struct str value;
        struct str text; /* absent: it has no UTF-8 */
    } table[] = {
        {TEXT("\"\""), TEXT("")},
        {TEXT("\"room/1\""), TEXT("room/1")},
        {TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), TEXT("\"\\/\b\f\n\r\t")},
        {TEXT("\"a\\u0000b\""), TEXT("a\0b")},
        {TEXT("\"\\u007f\\u0080\\u07FF\\u0800\\uffff\""),
         TEXT("\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf")},
        {TEXT("\"\\ud800\\udc00\\uDBFF\\uDFFF\""), TEXT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")},
        {TEXT("\"\\ud83d\\ude00x\xc3\xa9\""), TEXT("\xf0\x9f\x98\x80x\xc3\xa9")},
        {TEXT("\"\\ud83d\""), {0}},
        {TEXT("\"\\ud83d\\n\""), {0}},
        {TEXT("\"\\ud83dude00\""), {0}},
        {TEXT("\"\\ud83d\\u0041\""), {0}},
        {TEXT("\"\\ud83d\\ud83d\\ude00\""), {0}},
        {TEXT("\"\\ude00\""), {0}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char out[100];
        size_t len = 0;
        assert_int_not_equal(kind_of_copy(table[i].value), JSON_KIND_INVALID);
        assert_true(json_unquote(table[i].value, out, &len) == (table[i].text.ptr != NULL));
        if (table[i].text.ptr == NULL)
            continue;
        assert_int_equal(len, table[i].text.len);
        assert_memory_equal(out, table[i].text.ptr, len);
    }
}

/* A string is looked at by eights, so a byte that does not stand for itself is tried at each place, alone
 * and behind others. */
static void test_every_place(void **state)
{
    (void)state;
    static const struct {
        struct str bytes;
        enum json_kind kind;
    } parts[] = {
        {TEXT("\\\""), JSON_KIND_STRING},  {TEXT("\\u0041"), JSON_KIND_STRING},
        {TEXT("\x7f"), JSON_KIND_STRING},  {TEXT("\xc2\x80\xff"), JSON_KIND_STRING},
        {TEXT("\x1f"), JSON_KIND_INVALID}, {TEXT("\0"), JSON_KIND_INVALID},
        {TEXT("\""), JSON_KIND_INVALID},   {TEXT("\\x"), JSON_KIND_INVALID},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        for (size_t before = 0; before < 20; before++) {
            for (size_t after = 0; after < 20; after++) {
                struct buf text = {0};
                buf_printf(&text, "\"%.*s", (int)before, "!#[]~ azAZ09!#[]~ az");
                buf_str(&text, parts[i].bytes);
                buf_printf(&text, "%.*s\"", (int)after, "~ azAZ09!#[]~ azAZ09");
                assert_int_equal(kind_of_copy(buf_span(&text)), parts[i].kind);
                text.data[text.len - 1] = 'x'; /* and it must end */
                assert_int_equal(kind_of_copy(buf_span(&text)), JSON_KIND_INVALID);
                buf_release(&text);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),       cmocka_unit_test(test_depth),
        cmocka_unit_test(test_members),     cmocka_unit_test(test_long_escaped_key),
        cmocka_unit_test(test_kind_of),     cmocka_unit_test(test_unquote),
        cmocka_unit_test(test_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
