/* SPDX-License-Identifier: PostgreSQL */
/* Members and elements, one after another; and texts that are no JSON, which are walked to an end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "core/json_walk.h"

/* key=value| of each, from a copy of exactly its size. */
static char *walk_all(const char *text)
{
    char *copy = str_dup(str_of(text));
    size_t len = str_of(text).len;
    char *exact = malloc(len + 1);
    struct buf out = {0};
    struct str key, value;
    for (size_t i = 0; i < len; i++) {
        exact[i] = copy[i];
    }
    exact = realloc(exact, len > 0 ? len : 1);
    struct json_walk walk = json_walk_open((struct str){exact, len});
    for (size_t n = 0; json_walk_next(&walk, &key, &value); n++) {
        assert_true(n < len && value.len > 0);
        if (key.ptr) {
            buf_str(&out, key);
            buf_char(&out, '=');
        }
        buf_str(&out, value);
        buf_char(&out, '|');
    }
    free(copy);
    free(exact);
    buf_text(&out);
    return out.data;
}

static const char *const cases[][2] = {
    {"{}", ""},
    {"[]", ""},
    {"[ ]", ""},
    {"{\"a\":1}", "\"a\"=1|"},
    {"[1,2]", "1|2|"},
    {" [1]", ""}, /* blanks around are the caller's */
    {"{ \"a\" :\t1 , \"b\"\n: [ 2 , {} ] }", "\"a\"=1|\"b\"=[ 2 , {} ]|"},
    {"[\"]\",\"\\\"]\",\"\\\\\",{\"}\":\"{\"},[[],[]]]",
     "\"]\"|\"\\\"]\"|\"\\\\\"|{\"}\":\"{\"}|[[],[]]|"},
    {"{\"a\":true,\"a\":null,\"\":-1e5}", "\"a\"=true|\"a\"=null|\"\"=-1e5|"},
    {"[{\"a\":\"\\\\\\\"\"}]", "{\"a\":\"\\\\\\\"\"}|"},
    /* nothing to walk */
    {"", ""},
    {"1", ""},
    {"\"[1]\"", ""},
    {"{", ""},
    {"[", ""},
    /* no JSON: it ends, and does not leave the text */
    {"{1:2}", ""},
    {"{\"a\"}", ""},
    {"{\"a\":}", ""},
    {"[,]", ""},
    {"[1 2]", "1|2|"},
    {"[[[[]", "[[[|"},
    {"[\"a]", "\"a|"},
    {"[\"a\\]", "\"a\\|"},
    {"[}]", ""},
    {"[]]]", ""},
};

static void test_walks(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *got = walk_all(cases[i][0]);
        if (!str_equals(str_of(got), str_of(cases[i][1]))) {
            fail_msg("%s: %s", cases[i][0], got);
        }
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
