/* SPDX-License-Identifier: PostgreSQL */
/* The JSON of herald.shape.description: taken over whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "pg/shapes/shape_loader.h"

#define TABLE "\"watch\":\"a1\",\"schema\":\"s\",\"table\":\"t\""
#define LIMITS "\"numbers\":\"text\",\"max_bytes\":1048576"
#define COLUMN(type) "{\"name\":\"v\",\"type\":" type ",\"announced\":true,\"kept\":false}"
#define COLUMNS "\"columns\":[" COLUMN("\"int\"") "]"
#define TEMPLATE "\"template\":[\"a/\",0]"
#define KEY "\"key\":[0]"

static struct shape *load(const char *json)
{
    const char *reason;
    struct shape *shape = shape_load(-7, str_of(json), &reason);
    assert_int_equal(shape == NULL, reason != NULL);
    return shape;
}

static void test_a_whole_shape(void **state)
{
    (void)state;
    struct shape *shape =
        load("{" TABLE ",\"template\":[\"orders/\",2,\"\",\"/x\",\"\"],\"numbers\":\"native\","
             "\"max_bytes\":1000,\"key\":[3,0],\"more\":1,\"columns\":["
             "{\"name\":\"i\\\"d\",\"type\":\"bigint\",\"announced\":true,\"kept\":false,\"x\":1},"
             "{\"name\":\"kept\",\"type\":\"json\",\"announced\":false,\"kept\":true},"
             "{\"name\":\"in\",\"type\":\"text\",\"announced\":false,\"kept\":false},"
             "{\"name\":\"z\",\"type\":\"text\",\"announced\":true,\"kept\":true}]}");
    assert_non_null(shape);
    assert_int_equal(shape->f.number, -7);
    assert_string_equal(shape->f.watch, "a1");
    assert_string_equal(shape->f.schema, "s");
    assert_string_equal(shape->f.table, "t");
    assert_false(shape->f.are_numbers_text);
    assert_int_equal(shape->f.max_bytes, 1000);
    assert_int_equal(shape->f.n_template, 3);
    assert_string_equal(shape->f.template[0].literal, "orders/");
    assert_null(shape->f.template[1].literal);
    assert_int_equal(shape->f.template[1].column, 2);
    assert_string_equal(shape->f.template[2].literal, "/x");
    assert_int_equal(shape->f.n_columns, 4);
    assert_string_equal(shape->f.columns[0].field.name, "i\"d");
    const struct row_field *field = &shape->f.columns[0].field;
    assert_true(str_equals((struct str){field->label, field->label_len}, STR(",\"i\\\"d\":")));
    assert_int_equal(shape->f.columns[1].field.type->kind, ROW_KIND_JSON);
    assert_true(shape->f.columns[1].is_kept && !shape->f.columns[1].is_announced);
    assert_int_equal(shape->f.key.n, 2);
    assert_int_equal(shape->f.key.items[0], 3);
    assert_int_equal(shape->all.n, 4);
    assert_int_equal(shape->announced.n, 2);
    assert_int_equal(shape->kept.n, 2);
    assert_int_equal(shape->in_template.n, 1);
    assert_int_equal(shape->in_template.items[0], 2);
    assert_int_equal(shape->brief.n, 4);
    shape_unref(shape);
}

static void check_kind(const char *type, enum row_kind kind)
{
    struct buf json = {0};
    buf_printf(&json, "{" TABLE "," LIMITS "," TEMPLATE "," KEY ",\"columns\":[" COLUMN("%s") "]}",
               type);
    struct shape *shape = load(buf_text(&json));
    if (!shape || shape->f.columns[0].field.type->kind != kind) {
        fail_msg("%s", type);
    }
    shape_unref(shape);
    buf_release(&json);
}

static void test_types(void **state)
{
    static const struct {
        const char *type;
        enum row_kind kind;
    } cases[] = {
        {"\"text\"", ROW_KIND_TEXT},
        {"\"bool\"", ROW_KIND_BOOL},
        {"\"int\"", ROW_KIND_INT},
        {"\"bigint\"", ROW_KIND_BIGINT},
        {"\"numeric\"", ROW_KIND_NUMERIC},
        {"\"float\"", ROW_KIND_FLOAT},
        {"\"date\"", ROW_KIND_DATE},
        {"\"timestamp\"", ROW_KIND_TIMESTAMP},
        {"\"timestamptz\"", ROW_KIND_TIMESTAMPTZ},
        {"\"json\"", ROW_KIND_JSON},
        {"\"verbatim\"", ROW_KIND_JSON},
        {"\"hstore\"", ROW_KIND_HSTORE},
        {"{\"array\":\"int\"}", ROW_KIND_ARRAY},
        {"{\"array\":{\"array\":\"int\"},\"delimiter\":\";\"}", ROW_KIND_ARRAY},
        {"{\"vector\":\"int\"}", ROW_KIND_VECTOR},
        {"{\"range\":\"timestamptz\"}", ROW_KIND_TSTZ_RANGE},
        {"{\"multirange\":\"timestamptz\"}", ROW_KIND_TSTZ_MULTIRANGE},
        {"{\"composite\":[]}", ROW_KIND_COMPOSITE},
        {"{\"composite\":[[\"x\",\"int\"],[\"y\",{\"composite\":[[\"z\",\"text\"]]}]]}",
         ROW_KIND_COMPOSITE},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_kind(cases[i].type, cases[i].kind);
    }
}

/* Level 65 and what is in it is text. */
static void test_deep_types(void **state)
{
    struct buf json = {0};
    (void)state;
    buf_literal(&json, "{" TABLE "," LIMITS "," TEMPLATE
                       ",\"key\":[],\"columns\":[{\"name\":\"v\",\"type\":");
    for (int i = 0; i < 500; i++) {
        buf_literal(&json, "{\"array\":");
    }
    buf_literal(&json, "\"int\"");
    for (int i = 0; i < 500; i++) {
        buf_literal(&json, "}");
    }
    buf_literal(&json, ",\"announced\":true,\"kept\":false}]}");
    struct shape *shape = load(buf_text(&json));
    assert_non_null(shape);
    int depth = 0;
    const struct row_type *type = shape->f.columns[0].field.type;
    for (; type->kind == ROW_KIND_ARRAY; type = type->element) {
        depth++;
    }
    assert_int_equal(type->kind, ROW_KIND_TEXT);
    assert_int_equal(depth, ROW_DEPTH_MAX);
    shape_unref(shape);
    buf_release(&json);
}

#define WITH(columns, template, key)                                                               \
    "{" TABLE "," LIMITS ",\"columns\":" columns ",\"template\":" template ",\"key\":" key "}"
#define WITH_TYPE(type) WITH("[" COLUMN(type) "]", "[\"a\"]", "[]")
static const char *const wrong[] = {
    "",
    "null",
    "[]",
    "{",
    "{}",
    "{\"schema\":\"s\",\"table\":\"t\"," LIMITS "," COLUMNS "," TEMPLATE "," KEY "}",
    "{" TABLE ",\"max_bytes\":1," COLUMNS "," TEMPLATE "," KEY "}",
    "{" TABLE ",\"numbers\":\"some\",\"max_bytes\":1," COLUMNS "," TEMPLATE "," KEY "}",
    "{" TABLE ",\"numbers\":\"text\",\"max_bytes\":-1," COLUMNS "," TEMPLATE "," KEY "}",
    "{" TABLE ",\"numbers\":\"text\",\"max_bytes\":\"1\"," COLUMNS "," TEMPLATE "," KEY "}",
    "{" TABLE "," LIMITS "," TEMPLATE "," KEY "}",
    "{" TABLE "," LIMITS "," COLUMNS "," KEY "}",
    "{" TABLE "," LIMITS "," COLUMNS "," TEMPLATE "}",
    WITH("{}", "[\"a\"]", "[]"),
    WITH("[1]", "[\"a\"]", "[]"),
    WITH("[{\"type\":\"int\",\"announced\":true,\"kept\":false}]", "[\"a\"]", "[]"),
    WITH("[{\"name\":\"v\",\"announced\":true,\"kept\":false}]", "[\"a\"]", "[]"),
    WITH("[{\"name\":\"v\",\"type\":\"int\",\"kept\":false}]", "[\"a\"]", "[]"),
    WITH("[{\"name\":\"v\",\"type\":\"int\",\"announced\":true}]", "[\"a\"]", "[]"),
    WITH("[" COLUMN("\"int\"") "]", "[]", "[]"),
    WITH("[" COLUMN("\"int\"") "]", "[\"\"]", "[]"),
    WITH("[" COLUMN("\"int\"") "]", "\"a\"", "[]"),
    WITH("[" COLUMN("\"int\"") "]", "[1]", "[]"),
    WITH("[" COLUMN("\"int\"") "]", "[-1]", "[]"),
    WITH("[" COLUMN("\"int\"") "]", "[0.5]", "[]"),
    WITH("[" COLUMN("\"int\"") "]", "[null]", "[]"),
    WITH("[" COLUMN("\"int\"") "]", "[\"a\",\"b\"]", "[]"),
    WITH("[" COLUMN("\"int\"") "]", "[\"a*\"]", "[]"),
    WITH("[" COLUMN("\"int\"") "]", "[\"a\\n\"]", "[]"),
    WITH("[" COLUMN("\"int\"") "]", "[\"a\"]", "[1]"),
    WITH("[" COLUMN("\"int\"") "]", "[\"a\"]", "[\"v\"]"),
    WITH("[" COLUMN("\"int\"") "]", "[\"a\"]", "null"),
    WITH("[{\"name\":\"v\",\"type\":\"int\",\"announced\":false,\"kept\":true}]", "[\"a\"]", "[0]"),
    WITH_TYPE("\"no\""),
    WITH_TYPE("1"),
    WITH_TYPE("[]"),
    WITH_TYPE("{}"),
    WITH_TYPE("{\"array\":\"no\"}"),
    WITH_TYPE("{\"array\":\"int\",\"delimiter\":\"\"}"),
    WITH_TYPE("{\"array\":\"int\",\"delimiter\":\",;\"}"),
    WITH_TYPE("{\"array\":\"int\",\"delimiter\":\"}\"}"),
    WITH_TYPE("{\"array\":\"int\",\"delimiter\":null}"),
    WITH_TYPE("{\"vector\":1}"),
    WITH_TYPE("{\"range\":\"int\"}"),
    WITH_TYPE("{\"multirange\":null}"),
    WITH_TYPE("{\"composite\":{}}"),
    WITH_TYPE("{\"composite\":[[\"x\"]]}"),
    WITH_TYPE("{\"composite\":[[\"x\",\"int\"],[1,\"int\"]]}"),
    WITH_TYPE("{\"composite\":[[\"x\",\"int\"],[\"y\",\"no\"]]}"),
};

static void test_what_is_no_shape(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (load(wrong[i])) {
            fail_msg("%s", wrong[i]);
        }
    }
    assert_null(load(NULL));
    /* What is left out or wrong above is the reason each time. */
    struct shape *sound[] = {load("{" TABLE "," LIMITS "," COLUMNS "," TEMPLATE "," KEY "}"),
                             load(WITH_TYPE("\"int\""))};
    for (size_t i = 0; i < 2; i++) {
        assert_non_null(sound[i]);
        shape_unref(sound[i]);
    }
}

/* Such a watch announces nothing, but that is no fault of its shape's. */
static void test_a_template_that_is_too_long(void **state)
{
    struct buf json = {0};
    (void)state;
    buf_literal(&json, "{" TABLE "," LIMITS "," COLUMNS "," KEY ",\"template\":[\"");
    for (int i = 0; i < 256; i++) {
        buf_char(&json, 'a');
    }
    buf_literal(&json, "\"]}");
    struct shape *shape = load(buf_text(&json));
    assert_non_null(shape);
    shape_unref(shape);
    buf_release(&json);
}

#define COMPARED(compares, more)                                                                   \
    "{\"name\":\"v\",\"type\":\"text\",\"announced\":true,\"kept\":false,\"compares\":" compares   \
        more "}"

static void check_compares(const char *column, enum shape_compares compares, size_t n_labels)
{
    struct buf json = {0};
    buf_printf(&json, "{" TABLE "," LIMITS "," TEMPLATE "," KEY ",\"columns\":[%s]}", column);
    struct shape *shape = load(buf_text(&json));
    assert_non_null(shape);
    if (shape->f.columns[0].compares != compares || shape->f.columns[0].n_labels != n_labels) {
        fail_msg("%s", column);
    }
    shape_unref(shape);
    buf_release(&json);
}

static void test_how_columns_compare(void **state)
{
    static const char *const words[] = {
        [SHAPE_COMPARES_BOOL] = "bool",           [SHAPE_COMPARES_INT] = "int",
        [SHAPE_COMPARES_NUMERIC] = "numeric",     [SHAPE_COMPARES_FLOAT4] = "float4",
        [SHAPE_COMPARES_FLOAT8] = "float8",       [SHAPE_COMPARES_UUID] = "uuid",
        [SHAPE_COMPARES_DATE] = "date",           [SHAPE_COMPARES_TIME] = "time",
        [SHAPE_COMPARES_TIMESTAMP] = "timestamp", [SHAPE_COMPARES_TIMESTAMPTZ] = "timestamptz",
        [SHAPE_COMPARES_TEXT] = "text",           [SHAPE_COMPARES_TEXT_C] = "text_c",
        [SHAPE_COMPARES_CHAR] = "char",           [SHAPE_COMPARES_ENUM] = "enum",
    };
    (void)state;
    for (size_t i = 1; i < sizeof(words) / sizeof(words[0]); i++) {
        struct buf column = {0};
        buf_printf(&column, COMPARED("\"%s\"", ""), words[i]);
        check_compares(buf_text(&column), (enum shape_compares)i, 0);
        buf_release(&column);
    }
    check_compares(COLUMN("\"int\""), SHAPE_COMPARES_NOT, 0);
    check_compares(COMPARED("\"later\"", ""), SHAPE_COMPARES_NOT, 0);
    check_compares(COMPARED("1", ""), SHAPE_COMPARES_NOT, 0);
    check_compares(COMPARED("\"text\"", ",\"labels\":[\"a\"]"), SHAPE_COMPARES_TEXT, 0);
    check_compares(COMPARED("\"enum\"", ",\"labels\":[\"a\",\"\"]"), SHAPE_COMPARES_ENUM, 2);
    check_compares(COMPARED("\"enum\"", ",\"labels\":{}"), SHAPE_COMPARES_ENUM, 0);
    check_compares(COMPARED("\"enum\"", ",\"labels\":[\"a\",1]"), SHAPE_COMPARES_ENUM, 1);
}

static void check_visible(const char *visible, enum shape_visible by, const char *text)
{
    struct buf json = {0};
    buf_printf(&json, "{" TABLE "," LIMITS ",%s" TEMPLATE "," KEY "," COLUMNS "}", visible);
    struct shape *shape = load(buf_text(&json));
    assert_non_null(shape);
    if (shape->f.visible_by != by || !shape->f.visible != !text ||
        (text && strcmp(shape->f.visible, text) != 0)) {
        fail_msg("%s", visible);
    }
    shape_unref(shape);
    buf_release(&json);
}

static void test_who_may_see(void **state)
{
    (void)state;
    check_visible("", SHAPE_VISIBLE_EVERYBODY, NULL);
    check_visible("\"visible\": {} ,", SHAPE_VISIBLE_TREE, "{}");
    check_visible("\"visible\":{\"a\":{\"eq\": 1e400}},", SHAPE_VISIBLE_TREE,
                  "{\"a\":{\"eq\": 1e400}}");
    check_visible("\"visible\":{\"function\":{\"eq\":1}},", SHAPE_VISIBLE_TREE,
                  "{\"function\":{\"eq\":1}}");
    check_visible("\"visible\":{\"function\":\"s.f(t)\"},", SHAPE_VISIBLE_FUNCTION,
                  "{\"function\":\"s.f(t)\"}");
    check_visible("\"visible\":{\"function\":\"s\",\"a\":1},", SHAPE_VISIBLE_TREE,
                  "{\"function\":\"s\",\"a\":1}");
    check_visible("\"visible\":{\"a\":1,\"function\":\"s\"},", SHAPE_VISIBLE_TREE,
                  "{\"a\":1,\"function\":\"s\"}");
    check_visible("\"visible\":\"policy\",", SHAPE_VISIBLE_POLICY, NULL);
    check_visible("\"visible\":\"nobody\",", SHAPE_VISIBLE_NOBODY, NULL);
    check_visible("\"visible\":\"everybody\",", SHAPE_VISIBLE_NOBODY, NULL);
    check_visible("\"visible\":null,", SHAPE_VISIBLE_NOBODY, NULL);
    check_visible("\"visible\":[],", SHAPE_VISIBLE_NOBODY, NULL);
    check_visible("\"visible\":{},\"visible\":1,", SHAPE_VISIBLE_NOBODY, NULL);
}

/* What the scanner cannot read whole is not everybody's. */
static void test_who_may_see_what_is_deep(void **state)
{
    struct buf json = {0};
    (void)state;
    buf_literal(&json, "\"visible\":{},\"deep\":");
    for (int i = 0; i < 200; i++) {
        buf_char(&json, '[');
    }
    for (int i = 0; i < 200; i++) {
        buf_char(&json, ']');
    }
    buf_char(&json, ',');
    check_visible(buf_text(&json), SHAPE_VISIBLE_NOBODY, NULL);
    buf_release(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_shape),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_deep_types),
        cmocka_unit_test(test_what_is_no_shape),
        cmocka_unit_test(test_a_template_that_is_too_long),
        cmocka_unit_test(test_how_columns_compare),
        cmocka_unit_test(test_who_may_see),
        cmocka_unit_test(test_who_may_see_what_is_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
