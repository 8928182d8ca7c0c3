/* SPDX-License-Identifier: PostgreSQL */
/* What typescript_put_watch() makes of the kinds that a column can have, alone and inside others. The
 * compiler's opinion of it is asked in tests/integration/49-types.test.js. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/tables/typescript.h"
#include "pg/shapes/shape_loader.h"

static void check(const char *type, const char *numbers, const char *not_null, const char *expected)
{
    struct buf json = {0}, out = {0}, line = {0};
    const char *reason;
    buf_printf(&json,
               "{\"watch\":\"w\",\"schema\":\"s\",\"table\":\"t\",\"numbers\":\"%s\",\"max_bytes\":"
               "1000,\"template\":[\"a/\",0],\"key\":[],\"columns\":[{\"name\":\"v\",\"type\":%s,"
               "\"announced\":true,\"kept\":false}]}",
               numbers, type);
    struct shape *shape = shape_load(1, str_of(buf_text(&json)), &reason);
    assert_non_null(shape);
    typescript_put_watch(&out, &shape->f, not_null);
    buf_printf(&line, "      v: %s;\n", expected);
    if (!strstr(buf_text(&out), buf_text(&line))) {
        fail_msg("%s: %s", type, buf_text(&out));
    }
    shape_unref(shape);
    buf_release(&json);
    buf_release(&out);
    buf_release(&line);
}

static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        const char *type, *as_text, *native;
    } cases[] = {
        {"\"text\"", "string", "string"},
        {"\"bool\"", "boolean", "boolean"},
        {"\"int\"", "number", "number"},
        {"\"bigint\"", "string", "number"},
        {"\"numeric\"", "string", "number | \"NaN\" | \"Infinity\" | \"-Infinity\""},
        {"\"float\"", "number | \"NaN\" | \"Infinity\" | \"-Infinity\"",
         "number | \"NaN\" | \"Infinity\" | \"-Infinity\""},
        {"\"timestamptz\"", "string", "string"},
        {"\"json\"", "unknown", "unknown"},
        {"\"hstore\"", "Record<string, string | null>", "Record<string, string | null>"},
        {"{\"array\":\"bigint\"}", "Array<string | null>", "Array<number | null>"},
        {"{\"vector\":\"int\"}", "Array<number>", "Array<number>"},
        {"{\"range\":\"timestamptz\"}", "string", "string"},
        {"{\"composite\":[[\"a-b\",\"int\"],[\"n\",\"bigint\"]]}",
         "{ \"a-b\": number | null; n: string | null; }",
         "{ \"a-b\": number | null; n: number | null; }"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check(cases[i].type, "text", "1", cases[i].as_text);
        check(cases[i].type, "native", "1", cases[i].native);
    }
}

static void test_what_is_not_known_to_be_there_can_be_null(void **state)
{
    (void)state;
    check("\"int\"", "text", "0", "number | null");
    check("\"int\"", "text", "", "number | null");
    check("\"json\"", "text", "0", "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_what_is_not_known_to_be_there_can_be_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
