/* SPDX-License-Identifier: PostgreSQL */
/* The readers of record, array and hstore literals: tokens are compared as one text, in which each
 * is in angle brackets and NULL is a minus. */
#include "row_harness.h"

#include "core/row/array.h"
#include "core/row/hstore.h"
#include "core/row/record.h"

struct literal_case {
    const char *text;
    const char *tokens; /* NULL: none of that kind */
};

static void put_token(struct buf *out, struct str token)
{
    buf_printf(out, token.ptr ? "<%.*s>" : "-", (int)token.len, token.ptr);
}

static bool read_record(struct str text, struct buf *out)
{
    struct buf unescaped = {0};
    struct record_reader reader;
    struct str field;
    bool is_record = record_open(&reader, text);
    while (is_record && !reader.is_over) {
        buf_clear(&unescaped);
        is_record = record_next(&reader, &unescaped, &field);
        if (is_record) {
            put_token(out, field);
        }
    }
    buf_release(&unescaped);
    return is_record;
}

static bool read_array(struct str text, struct buf *out)
{
    struct buf unescaped = {0};
    struct array_reader reader = array_open(text, ',');
    struct str element;
    enum array_token token = ARRAY_TOKEN_OPEN;
    while (token != ARRAY_TOKEN_END && token != ARRAY_TOKEN_BAD) {
        buf_clear(&unescaped);
        token = array_next(&reader, &unescaped, &element);
        if (token == ARRAY_TOKEN_ELEMENT) {
            put_token(out, element);
        } else if (token == ARRAY_TOKEN_OPEN || token == ARRAY_TOKEN_CLOSE) {
            buf_char(out, token == ARRAY_TOKEN_OPEN ? '[' : ']');
        }
    }
    buf_release(&unescaped);
    return token == ARRAY_TOKEN_END;
}

static bool read_hstore(struct str text, struct buf *out)
{
    struct buf unescaped = {0};
    bool is_hstore = hstore_put_json(out, text, &unescaped);
    buf_release(&unescaped);
    return is_hstore;
}

static void check(const struct literal_case *cases, size_t n,
                  bool (*read)(struct str, struct buf *))
{
    for (size_t i = 0; i < n; i++) {
        struct buf tokens = {0};
        /* Of the exact size: a read behind it is seen by the sanitizer. */
        size_t len = strlen(cases[i].text);
        char *copy = malloc(len > 0 ? len : 1);
        memcpy(copy, cases[i].text, len);
        bool is_read = read((struct str){copy, len}, &tokens);
        if (is_read != (cases[i].tokens != NULL)) {
            fail_msg("%s: %s", cases[i].text, is_read ? "was read" : "was not read");
        }
        if (is_read) {
            assert_string_equal(buf_text(&tokens), cases[i].tokens);
        }
        buf_release(&tokens);
        free(copy);
    }
}

#define CHECK(cases, read) check(cases, sizeof(cases) / sizeof((cases)[0]), read)

static void test_record(void **state)
{
    static const struct literal_case cases[] = {
        {"()", "-"},
        {"(,)", "--"},
        {"(1)", "<1>"},
        {"(1,,\"\")", "<1>-<>"},
        {"(\"a b\",\"c,d\")", "<a b><c,d>"},
        {"(\"\"\"\",\"a\"\"b\",\"\\\\\")", "<\"><a\"b><\\>"},
        {"(\"0123456789\"\"012345678901234567\"\"\"\"0\")",
         "<0123456789\"012345678901234567\"\"0>"},
        {"(\"(1,\"\"a b\"\")\")", "<(1,\"a b\")>"},
        {"(\"\\a\")", "<a>"},
        {"(NULL)", "<NULL>"},
        {"(\xc3\xbc)", "<\xc3\xbc>"},
        {"", NULL},
        {"(", NULL},
        {")", NULL},
        {"1", NULL},
        {"(1", NULL},
        {"1)", NULL},
        {" (1)", NULL},
        {"(1) ", NULL},
        {"(\")", NULL},
        {"(\"\\\")", NULL},
        {"(\"a)", NULL},
        {"(\"a\\)", NULL},
        {"(\"a\"b)", NULL},
        {"(a\"b\")", NULL},
        {"(a\\b)", NULL},
        {"((1))", NULL},
        {"(1),(2)", NULL},
    };
    (void)state;
    CHECK(cases, read_record);
}

/* How many fields there must be decides what an empty record is. */
static void test_record_without_columns(void **state)
{
    struct buf unescaped = {0};
    struct record_reader reader;
    struct str field;
    (void)state;
    assert_true(record_open(&reader, STR("()")));
    assert_true(record_is_over(&reader, 0));
    assert_true(record_next(&reader, &unescaped, &field));
    assert_null(field.ptr);
    assert_true(record_is_over(&reader, 1));
    assert_false(record_next(&reader, &unescaped, &field));
    assert_true(record_open(&reader, STR("(,)")));
    assert_false(record_is_over(&reader, 0));
    assert_true(record_next(&reader, &unescaped, &field));
    assert_false(record_is_over(&reader, 1));
}

/* What was unescaped before stays where it is, if there was room for all of it. */
static void test_record_fields_stay(void **state)
{
    struct buf unescaped = {0};
    struct record_reader reader;
    struct str text = STR("(\"a\"\"b\",\"c\"\"d\",e)");
    struct str fields[3];
    (void)state;
    assert_true(record_open(&reader, text));
    buf_reserve(&unescaped, text.len);
    for (size_t i = 0; i < 3; i++) {
        assert_true(record_next(&reader, &unescaped, &fields[i]));
    }
    assert_span(fields[0], "a\"b");
    assert_span(fields[1], "c\"d");
    assert_span(fields[2], "e");
    buf_release(&unescaped);
}

/* A quote or a backslash at every place of a word is found, and nothing that only looks like one. */
static void test_record_every_place(void **state)
{
    static const char marks[] = "\"\\!#[]\xa2\xdc";
    (void)state;
    for (size_t i = 0; i < 20 * (sizeof(marks) - 1); i++) {
        struct buf record = {0}, unescaped = {0};
        struct record_reader reader;
        struct str field;
        char text[] = "aaaaaaaaaaaaaaaaaaaa";
        size_t place = i / (sizeof(marks) - 1);
        text[place] = marks[i % (sizeof(marks) - 1)];
        bool is_special = text[place] == '"' || text[place] == '\\';
        buf_printf(&record, "(\"%.*s%c%s\")", (int)place, text, text[place],
                   text + place + (is_special ? 0 : 1));
        assert_true(record_open(&reader, buf_span(&record)));
        assert_true(record_next(&reader, &unescaped, &field));
        assert_span(field, text);
        buf_release(&record);
        buf_release(&unescaped);
    }
}

static void test_array(void **state)
{
    static const struct literal_case cases[] = {
        {"{}", "[]"},
        {"{1}", "[<1>]"},
        {"{1,NULL,\"NULL\",null}", "[<1>-<NULL><null>]"},
        {"{\"\",\"a \\\"b\\\" \\\\\",\"{}\"}", "[<><a \"b\" \\><{}>]"},
        {"{{1,2},{3,4}}", "[[<1><2>][<3><4>]]"},
        {"[2:3]={1,2}", "[<1><2>]"},
        {"[-1:0][+2:2]={{1},{2}}", "[[<1>][<2>]]"},
        {"{a b}", "[<a b>]"},
        {"{(1,2)}", "[<(1><2)>]"},
        {"", NULL},
        {"{", NULL},
        {"}", NULL},
        {"1", NULL},
        {"{1", NULL},
        {"{1,", NULL},
        {"{1,}", NULL},
        {"{,1}", NULL},
        {"{,}", NULL},
        {"{1}}", NULL},
        {"{1} ", NULL},
        {"{1}{2}", NULL},
        {"{1},{2}", NULL},
        {"{{1}2}", NULL},
        {"{\"a}", NULL},
        {"{\"a\\\"}", NULL},
        {"{\"a\"b}", NULL},
        {"{a\"b\"}", NULL},
        {"{a\\b}", NULL},
        {"{a{b}}", NULL},
        {"[1:2]", NULL},
        {"[1:2]=", NULL},
        {"={1}", NULL},
        {"[x:2]={1,2}", NULL},
    };
    (void)state;
    CHECK(cases, read_array);
}

static void test_hstore(void **state)
{
    static const struct literal_case cases[] = {
        {"", "{}"},
        {"\"a\"=>\"1\"", "{\"a\": \"1\"}"},
        {"\"a\"=>NULL, \"b\"=>\"NULL\"", "{\"a\": null, \"b\": \"NULL\"}"},
        {"\"\"=>\"\"", "{\"\": \"\"}"},
        {"\"q\\\"k\\\\\"=>\"v, \\\"=>\\\\\"", "{\"q\\\"k\\\\\": \"v, \\\"=>\\\\\"}"},
        {"\"a\"", NULL},
        {"\"a\"=>", NULL},
        {"\"a\"=>1", NULL},
        {"\"a\"=>\"1", NULL},
        {"\"a\"=>\"1\\", NULL},
        {"\"a\"=>\"1\",", NULL},
        {"\"a\"=>\"1\", ", NULL},
        {"\"a\"=>\"1\",\"b\"=>\"2\"", NULL},
        {"\"a\"=>\"1\" ", NULL},
        {"a=>1", NULL},
        {" ", NULL},
    };
    (void)state;
    CHECK(cases, read_hstore);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_record_without_columns),
        cmocka_unit_test(test_record_fields_stay),
        cmocka_unit_test(test_record_every_place),
        cmocka_unit_test(test_array),
        cmocka_unit_test(test_hstore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
