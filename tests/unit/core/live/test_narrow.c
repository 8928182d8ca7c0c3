/* SPDX-License-Identifier: PostgreSQL */
/* What of a filter is asked of the database: nothing that a row might pass without. */
#include "live_harness.h"

#include "core/identity.h"
#include "core/live/narrow.h"

static void check(const char *tree, enum filter_owner owner, const struct identity *who,
                  const char *expected)
{
    struct shape *shape = live_shape(TOLD("i", "int", "int") "," TOLD("t", "text", "text_c"));
    struct filter *filter = live_filter(tree, owner);
    struct buf out = {0};
    narrow_filter(&out, filter, shape, who);
    assert_string_equal(buf_text(&out), expected);
    buf_release(&out);
    filter_unref(filter);
    shape_unref(shape);
}

static void test_filters(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{}", ""},
        {"{\"i\":7}", "{\"column\":0,\"op\":\"eq\",\"values\":[\"7\"]}"},
        {"{\"t\":{\"gte\":\"a\\\"\"}}", "{\"column\":1,\"op\":\"gte\",\"values\":[\"a\\\"\"]}"},
        {"{\"i\":{\"in\":[]}}", "{\"column\":0,\"op\":\"in\",\"values\":[]}"},
        /* Of what does not hold alone, nothing. */
        {"{\"not\":{\"i\":7}}", ""},
        {"{\"or\":[{\"i\":7},{\"t\":\"a\"}]}", ""},
        {"{\"i\":{\"neq\":7}}", ""},
        {"{\"i\":{\"nin\":[7]}}", ""},
        {"{\"i\":{\"is\":null}}", ""},
        {"{\"i\":{\"isdistinct\":7}}", ""},
        {"{\"t\":{\"like\":\"a%\"}}", ""},
        {"{\"or\":[{\"i\":7},{\"t\":\"a\"}],\"t\":{\"lt\":\"b\"}}",
         "{\"column\":1,\"op\":\"lt\",\"values\":[\"b\"]}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check(cases[i][0], FILTER_CLIENT, NULL, cases[i][1]);
    }
}

static void test_claims(void **state)
{
    (void)state;
    static const char row_id[] = "{\"i\":{\"eq\":{\"identity\":\"row_id\",\"dbo_id\":12}}}";
    static const char teams[] = "{\"t\":{\"in\":{\"identity\":\"extras.teams\"}}}";
    static const char nobody[] = "{\"column\":0,\"op\":\"in\",\"values\":[]}";
    struct identity *who = identity_new(12, STR("34"), STR("{\"teams\":[\"a\",\"b\"]}"), 0);
    struct identity *other = identity_new(13, STR("34"), STR("{}"), 0);
    check(row_id, FILTER_VISIBLE, who, "{\"column\":0,\"op\":\"in\",\"values\":[\"34\"]}");
    check(row_id, FILTER_VISIBLE, other, nobody);
    check(row_id, FILTER_VISIBLE, NULL, nobody);
    check(teams, FILTER_VISIBLE, who, "{\"column\":1,\"op\":\"in\",\"values\":[\"a\",\"b\"]}");
    check(teams, FILTER_VISIBLE, other, "{\"column\":1,\"op\":\"in\",\"values\":[]}");
    identity_unref(who);
    identity_unref(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
