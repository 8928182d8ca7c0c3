/* SPDX-License-Identifier: PostgreSQL */
/* What a join wants of a snapshot: its canonical text, and what is refused. */
#include "row_harness.h"

#include "core/hub/snapshot/wish.h"

static void check(const char *json, const char *expected)
{
    struct buf out = {0}, why = {0};
    bool is_good = wish_parse(str_of(json), &out, &why);
    assert_int_equal(is_good, expected != NULL);
    if (expected) {
        assert_string_equal(buf_text(&out), expected);
    } else {
        assert_true(why.len > 0);
    }
    buf_release(&out);
    buf_release(&why);
}

static void test_canonical(void **state)
{
    (void)state;
    check("true", "0");
    check("{}", "0");
    check("{\"limit\":200}", "200");
    check("{\"order\":[\"a\",\"b.desc\"],\"limit\":3}", "3 [\"a.asc\",\"b.desc\"]");
    check("{\"order\":[\"\\u0061.asc\"]}", "0 [\"a.asc\"]");
    assert_int_equal(wish_limit("3 [\"a.asc\"]"), 3);
    assert_int_equal(wish_limit("0"), 0);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "false",
        "null",
        "7",
        "[]",
        "\"yes\"",
        "{\"limit\":0}",
        "{\"limit\":-1}",
        "{\"limit\":1.5}",
        "{\"limit\":2147483648}",
        "{\"limit\":\"5\"}",
        "{\"order\":\"a\"}",
        "{\"order\":[7]}",
        "{\"order\":[null]}",
        "{\"order\":{}}",
        "{\"order\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        check(texts[i], NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
