/* SPDX-License-Identifier: PostgreSQL */
/* Templates: the names that they give, and which names they may have given. */
#include "row_harness.h"

#include <jansson.h>

#include "core/channel_name.h"
#include "core/row/channel.h"

_Static_assert(ROW_CHANNEL_MAX == CHANNEL_NAME_MAX, "one limit");

static void check_name(const char *template, const char *type, const char *record,
                       const char *expected, enum change_fault expected_fault)
{
    struct buf column = {0};
    struct change_scratch scratch = {0};
    struct change_event events[2];
    enum change_fault fault;
    buf_printf(&column, HIDDEN("v", "%s") "," COLUMN("w", "\"text\""), type);
    struct shape *shape = shape_make(template, "text", 1000000, "[]", buf_text(&column));
    struct change_row row = {.action = 'i', .new = str_of(record)};
    size_t n = change_events(shape, &row, &scratch, events, &fault);
    assert_int_equal(n, expected ? 1 : 0);
    assert_int_equal(fault, expected_fault);
    if (expected) {
        assert_span(events[0].channel, expected);
        assert_true(channel_name_is_valid(events[0].channel));
        assert_true(shape_matches(shape, events[0].channel));
        assert_true(str_starts(events[0].channel, shape_channel_prefix(shape)));
    }
    change_scratch_release(&scratch);
    buf_release(&column);
    shape_unref(shape);
}

static void check_value(const char *type, const char *record, const char *expected)
{
    char name[300];
    snprintf(name, sizeof(name), "x/%s", expected);
    check_name("[\"x/\",0]", type, record, name, CHANGE_FAULT_NONE);
}

static void test_values(void **state)
{
    (void)state;
    check_value("\"bool\"", "(t,)", "true");
    check_value("\"int\"", "(-5,)", "-5");
    check_value("\"bigint\"", "(9223372036854775807,)", "9223372036854775807");
    check_value("\"numeric\"", "(1.10,)", "1%2E10");
    check_value("\"float\"", "(1e+20,)", "1e+20");
    check_value("\"float\"", "(NaN,)", "NaN");
    check_value("\"date\"", "(\"0044-03-15 BC\",)", "0044-03-15 BC");
    check_value("\"timestamp\"", "(\"2020-01-01 10:00:00.5\",)", "2020-01-01T10:00:00%2E5");
    check_value("\"timestamptz\"", "(\"2020-01-01 10:00:00+02\",)", "2020-01-01T08:00:00+00:00");
    check_value("\"json\"", "(\"{\"\"a\"\": 1}\",)", "%7B\"a\": 1%7D");
    check_value("\"hstore\"", "(\"\"\"a\"\"=>\"\"1\"\"\",)", "\"a\"=>\"1\"");
    check_value("{\"array\":\"int\"}", "(\"{1,NULL}\",)", "%7B1,NULL%7D");
    check_value("{\"composite\":[[\"x\",\"int\"]]}", "(\"(1)\",)", "(1)");
    check_value("{\"range\":\"timestamptz\"}", "(\"[\"\"2020-01-01 10:00:00+02\"\",)\",)",
                "[\"2020-01-01 08:00:00+00\",)");
    check_value("\"text\"", "(\"\",)", "");
    check_value("\"text\"", "(\"a\"\"b\\\\\",)", "a\"b\\");
    check_value("\"text\"", "(10.0.0.0/8,)", "10%2E0%2E0%2E0%2F8");
    check_value("\"text\"", "(%/.*{},)", "%25%2F%2E%2A%7B%7D");
    check_value("\"text\"", "(\x01\x1f\x7f,)", "%01%1F%7F");
    check_value("\"text\"", "(\xc2\x80\xc2\x9f\xc2\xa0\xc3\xbc\xf0\x9f\x98\x80,)",
                "%C2%80%C2%9F\xc2\xa0\xc3\xbc\xf0\x9f\x98\x80");
}

/* "a/{v}/b" as a description has it. */
static void put_template(struct buf *out, struct str template)
{
    const char *end = template.ptr + template.len;
    buf_char(out, '[');
    for (const char *p = template.ptr; p < end;) {
        const char *brace = memmem(p, (size_t)(end - p), "{v}", 3);
        const char *stop = brace ? brace : end;
        if (p > template.ptr) {
            buf_char(out, ',');
        }
        if (stop == p) {
            buf_char(out, '0');
            p += 3;
        } else {
            buf_json_string(out, (struct str){p, (size_t)(stop - p)});
            p = stop;
        }
    }
    buf_char(out, ']');
}

/* As record_out prints it: everything in quotes, but NULL. */
static void put_record(struct buf *out, const char *printed)
{
    buf_char(out, '(');
    if (printed) {
        buf_char(out, '"');
        for (const char *p = printed; *p; p++) {
            if (*p == '"' || *p == '\\') {
                buf_char(out, *p);
            }
            buf_char(out, *p);
        }
        buf_char(out, '"');
    }
    buf_literal(out, ",)");
}

static void check_case(json_t *one)
{
    struct buf template = {0}, record = {0};
    const char *expected = json_string_value(json_object_get(one, "channel"));
    const char *printed = json_string_value(json_object_get(one, "printed"));
    char *type = json_dumps(json_object_get(one, "type"), JSON_ENCODE_ANY | JSON_COMPACT);
    put_template(&template, str_of(json_string_value(json_object_get(one, "template"))));
    put_record(&record, printed);
    check_name(buf_text(&template), type, buf_text(&record), expected,
               expected || !printed ? CHANGE_FAULT_NONE : CHANGE_FAULT_CHANNEL);
    free(type);
    buf_release(&template);
    buf_release(&record);
}

/* The cases that herald.channel_name() and the browser's client are held to as well. */
static void test_cases(void **state)
{
    json_error_t error;
    json_t *cases = json_load_file("tests/channel-names.json", JSON_DECODE_INT_AS_REAL, &error);
    size_t i;
    json_t *one;
    (void)state;
    if (!cases) {
        fail_msg("tests/channel-names.json: %s", error.text);
    }
    assert_true(json_array_size(cases) > 30);
    json_array_foreach(cases, i, one)
    {
        check_case(one);
    }
    json_decref(cases);
}

static void test_none(void **state)
{
    (void)state;
    check_name("[\"x/\",0]", "\"int\"", "(,a)", NULL, CHANGE_FAULT_NONE);
    check_name("[\"x/\",0]", "\"int\"", "(a,a)", NULL, CHANGE_FAULT_STALE);
    check_name("[\"x/\",0]", "\"bool\"", "(true,a)", NULL, CHANGE_FAULT_STALE);
    check_name("[\"x/\",0]", "\"timestamptz\"", "(2020,a)", NULL, CHANGE_FAULT_STALE);
    check_name("[0]", "\"text\"", "(\"\",a)", NULL, CHANGE_FAULT_CHANNEL);
    check_name("[0,1]", "\"text\"", "(\"\",a)", "a", CHANGE_FAULT_NONE);
    check_name("[\"x\"]", "\"text\"", "(,)", "x", CHANGE_FAULT_NONE);
}

static void test_length(void **state)
{
    struct buf value = {0}, name = {0}, record = {0};
    (void)state;
    for (size_t i = 0; i < 253; i++) {
        buf_char(&value, 'v');
    }
    buf_printf(&name, "x/%s", buf_text(&value));
    buf_printf(&record, "(%s,)", buf_text(&value));
    check_name("[\"x/\",0]", "\"text\"", buf_text(&record), buf_text(&name), CHANGE_FAULT_NONE);
    buf_clear(&record);
    buf_printf(&record, "(%sv,)", buf_text(&value));
    check_name("[\"x/\",0]", "\"text\"", buf_text(&record), NULL, CHANGE_FAULT_CHANNEL);
    buf_clear(&record);
    buf_printf(&record, "(%.251s.,)", buf_text(&value)); /* 251 + 3 with its escape */
    check_name("[\"x/\",0]", "\"text\"", buf_text(&record), NULL, CHANGE_FAULT_CHANNEL);
    buf_release(&value);
    buf_release(&name);
    buf_release(&record);
}

static void test_matches(void **state)
{
    static const struct {
        const char *template;
        const char *name;
        bool matches;
    } cases[] = {
        {"[\"a\"]", "a", true},
        {"[\"a\"]", "ab", false},
        {"[\"a\"]", "", false},
        {"[\"a/\",0]", "a/", true},
        {"[\"a/\",0]", "a/1%2F", true},
        {"[\"a/\",0]", "a/1/2", false},
        {"[\"a/\",0]", "a/1.2", false},
        {"[\"a/\",0]", "b/1", false},
        {"[\"a/\",0]", "a", false},
        {"[0]", "x", true},
        {"[0]", "x*", false},
        {"[0,\"/b\"]", "x/b", true},
        {"[0,\"/b\"]", "/b", true},
        {"[0,\"/b\"]", "x/b/b", false},
        {"[0,\"/b\"]", "x/bc", false},
        {"[0,1]", "xy", true},
        {"[\"a\",0,\"a\"]", "a", false},
        {"[\"a\",0,\"a\"]", "aa", true},
        {"[\"a\",0,\"a\"]", "aba", true},
        {"[0,\"-\",1,\"-/z\"]", "a-b-c-/z", true},
        {"[0,\"-\",1,\"-/z\"]", "a-/z", false},
        {"[0,\"a/\",1,\"/\"]", "aa/a/", true},
        {"[0,\"a/\",1,\"/\"]", "aa/a", false},
        {"[0,\"-\",1]", "a-b-c", true},
        {"[0,\"-\",1]", "ab", false},
        {"[\"s.\",0,\".\",1]", "s.a.b", true},
        {"[\"s.\",0,\".\",1]", "s.a", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct shape *shape = shape_make(cases[i].template, "text", 1000, "[]",
                                         COLUMN("v", "\"text\"") "," COLUMN("w", "\"text\""));
        if (shape_matches(shape, str_of(cases[i].name)) != cases[i].matches) {
            fail_msg("%s and %s", cases[i].template, cases[i].name);
        }
        shape_unref(shape);
    }
}

static void test_prefix(void **state)
{
    (void)state;
    struct shape *shape =
        shape_make("[\"a/b\",0,\"/c\"]", "text", 1000, "[]", COLUMN("v", "\"int\""));
    assert_span(shape_channel_prefix(shape), "a/b");
    shape_unref(shape);
    shape = shape_make("[0,\"/c\"]", "text", 1000, "[]", COLUMN("v", "\"int\""));
    assert_span(shape_channel_prefix(shape), "");
    shape_unref(shape);
}

/* expected: of the column in that part; NULL: it cannot be told. */
static void check_taken(const char *template, const char *name, size_t part, const char *expected)
{
    struct shape *shape = shape_make(template, "text", 1000, "[]",
                                     COLUMN("v", "\"text\"") "," COLUMN("w", "\"text\""));
    struct buf value = {0};
    assert_true(shape_matches(shape, str_of(name)));
    bool is_told = shape_channel_value(shape, str_of(name), part, &value);
    assert_int_equal(is_told, expected != NULL);
    if (expected) {
        assert_string_equal(buf_text(&value), expected);
    }
    buf_release(&value);
    shape_unref(shape);
}

static void test_taken_apart(void **state)
{
    (void)state;
    check_taken("[\"r/\",0]", "r/7", 1, "7");
    check_taken("[\"r/\",0]", "r/", 1, "");
    check_taken("[\"r/\",0]", "r/a%2Fb%25", 1, "a/b%");
    check_taken("[\"r/\",0,\"/\",1]", "r/a/b", 1, "a");
    check_taken("[\"r/\",0,\"/\",1]", "r/a/b", 3, "b");
    check_taken("[0,\"/end\"]", "x/end", 0, "x");
    /* Where one ends and the other begins, nobody can say; nor what is no text. */
    check_taken("[0,1]", "ab", 0, NULL);
    check_taken("[\"r/\",0]", "r/a%2", 1, NULL);
    check_taken("[\"r/\",0]", "r/%zz", 1, NULL);
    check_taken("[\"r/\",0]", "r/%FF", 1, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),      cmocka_unit_test(test_cases),
        cmocka_unit_test(test_none),        cmocka_unit_test(test_length),
        cmocka_unit_test(test_matches),     cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_taken_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
