/* SPDX-License-Identifier: PostgreSQL */
/* Who may see a row: values of an identity in the place of constants, and columns that are kept. */
#include "live_harness.h"

#define KEPT_ROW "{\"new\":{\"owner\":7,\"org\":\"a\"},\"old\":null}"
#define ROW_ID "{\"identity\":\"row_id\",\"dbo_id\":12}"
#define EXTRA(path) "{\"identity\":\"extras." path "\"}"

struct claim_case {
    const char *filter;
    int32_t dbo_id;
    const char *row_id;
    const char *extras; /* NULL: anonymous */
    enum verdict expected;
};

static const struct claim_case cases[] = {
    {"{\"owner\":{\"eq\":" ROW_ID "}}", 12, "7", "{}", VERDICT_YES},
    {"{\"owner\":{\"eq\":" ROW_ID "}}", 12, "8", "{}", VERDICT_NO},
    {"{\"owner\":{\"neq\":" ROW_ID "}}", 12, "8", "{}", VERDICT_YES},
    /* What nobody has is unknown, whatever the operator, the column and what is around it. */
    {"{\"owner\":{\"eq\":" ROW_ID "}}", 13, "7", "{}", VERDICT_UNKNOWN},
    {"{\"owner\":{\"neq\":" ROW_ID "}}", 13, "7", "{}", VERDICT_UNKNOWN},
    {"{\"owner\":{\"eq\":" ROW_ID "}}", 0, NULL, NULL, VERDICT_UNKNOWN},
    {"{\"owner\":{\"neq\":" ROW_ID "}}", 0, NULL, NULL, VERDICT_UNKNOWN},
    {"{\"not\":{\"owner\":{\"eq\":" ROW_ID "}}}", 0, NULL, NULL, VERDICT_UNKNOWN},
    {"{\"i\":{\"eq\":" ROW_ID "}}", 0, NULL, NULL, VERDICT_UNKNOWN}, /* i is lacking */
    {"{\"n\":{\"nin\":" EXTRA("x") "}}", 0, NULL, NULL, VERDICT_UNKNOWN},
    {"{\"t\":{\"like\":" EXTRA("x") "}}", 0, NULL, NULL, VERDICT_UNKNOWN},
    {"{\"org\":{\"eq\":" EXTRA("org") "}}", 1, "1", "{\"org\":\"a\"}", VERDICT_YES},
    {"{\"org\":{\"eq\":" EXTRA("org") "}}", 1, "1", "{\"org\":\"b\"}", VERDICT_NO},
    {"{\"org\":{\"eq\":" EXTRA("org") "}}", 1, "1", "{\"Org\":\"a\"}", VERDICT_UNKNOWN},
    {"{\"org\":{\"neq\":" EXTRA("org") "}}", 1, "1", "{\"org\":null}", VERDICT_UNKNOWN},
    {"{\"org\":{\"eq\":" EXTRA("my.org") "}}", 1, "1", "{\"my\":{\"org\":\"a\"}}", VERDICT_YES},
    /* Values that do not fit. */
    {"{\"owner\":{\"neq\":" ROW_ID "}}", 12, "seven", "{}", VERDICT_UNKNOWN},
    {"{\"owner\":{\"neq\":" ROW_ID "}}", 12, "", "{}", VERDICT_UNKNOWN},
    {"{\"org\":{\"neq\":" EXTRA("org") "}}", 1, "1", "{\"org\":1}", VERDICT_UNKNOWN},
    {"{\"org\":{\"neq\":" EXTRA("org") "}}", 1, "1", "{\"org\":{}}", VERDICT_UNKNOWN},
    {"{\"org\":{\"eq\":" EXTRA("org") "}}", 1, "1", "{\"org\":[\"a\"]}", VERDICT_UNKNOWN},
    {"{\"org\":{\"in\":" EXTRA("org") "}}", 1, "1", "{\"org\":\"a\"}", VERDICT_UNKNOWN},
    {"{\"owner\":{\"in\":" EXTRA("x") "}}", 1, "1", "{\"x\":[7,\"a\"]}", VERDICT_UNKNOWN},
    {"{\"owner\":{\"nin\":" EXTRA("x") "}}", 1, "1", "{\"x\":[8,null]}", VERDICT_UNKNOWN},
    {"{\"owner\":{\"neq\":" EXTRA("x") "}}", 1, "1", "{\"x\":\"1e1001\"}", VERDICT_UNKNOWN},
    /* Lists. */
    {"{\"owner\":{\"in\":" EXTRA("x") "}}", 1, "1", "{\"x\":[1,\"7\",9]}", VERDICT_YES},
    {"{\"owner\":{\"in\":" EXTRA("x") "}}", 1, "1", "{\"x\":[1]}", VERDICT_NO},
    {"{\"owner\":{\"in\":" EXTRA("x") "}}", 1, "1", "{\"x\":[]}", VERDICT_NO},
    {"{\"owner\":{\"nin\":" EXTRA("x") "}}", 1, "1", "{\"x\":[]}", VERDICT_YES},
    {"{\"owner\":{\"nin\":" EXTRA("x") "}}", 1, "1", "{\"x\":[8]}", VERDICT_YES},
    /* Patterns. */
    {"{\"org\":{\"prefix\":" EXTRA("x") "}}", 1, "1", "{\"x\":\"\"}", VERDICT_YES},
    {"{\"org\":{\"like\":" EXTRA("x") "}}", 1, "1", "{\"x\":\"_\"}", VERDICT_YES},
    {"{\"org\":{\"like\":" EXTRA("x") "}}", 1, "1", "{\"x\":\"a\\\\\"}", VERDICT_UNKNOWN},
    {"{\"or\":[{\"owner\":{\"eq\":" ROW_ID "}},{\"org\":\"a\"}]}", 0, NULL, NULL, VERDICT_YES},
    {"{\"mood\":{\"eq\":" EXTRA("x") "}}", 1, "1", "{\"x\":\"none\"}", VERDICT_UNKNOWN},
    /* Labels that the tree knows and the shape does not. */
    {"{\"mood\":\"later\"}", 0, NULL, NULL, VERDICT_UNKNOWN},
    {"{\"mood\":{\"neq\":\"later\"}}", 0, NULL, NULL, VERDICT_UNKNOWN},
    {"{\"mood\":{\"in\":[\"ok\",\"later\"]}}", 0, NULL, NULL, VERDICT_YES},
    {"{\"mood\":{\"in\":[\"sad\",\"later\"]}}", 0, NULL, NULL, VERDICT_UNKNOWN},
    {"{\"mood\":{\"nin\":[\"sad\",\"later\"]}}", 0, NULL, NULL, VERDICT_UNKNOWN},
    {"{\"mood\":{\"nin\":[\"ok\",\"later\"]}}", 0, NULL, NULL, VERDICT_NO},
    {"{\"mood\":{\"in\":[\"later\",\"latest\"]}}", 0, NULL, NULL, VERDICT_UNKNOWN},
};

static void test_claims(void **state)
{
    struct shape *shape = live_shape(ALL_COLUMNS);
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct claim_case *c = &cases[i];
        struct identity *identity =
            c->extras ? identity_new(c->dbo_id, str_of(c->row_id), str_of(c->extras), 0) : NULL;
        enum verdict got = live_verdict(c->filter, FILTER_VISIBLE, shape, identity,
                                        "{\"mood\":\"ok\",\"n\":1,\"t\":\"\"}", KEPT_ROW);
        if (got != c->expected) {
            fail_msg("%s for %s: %d", c->filter, c->extras ? c->extras : "nobody", (int)got);
        }
        identity_unref(identity);
    }
    shape_unref(shape);
}

/* A claim is no client's to name, and a column that is neither told nor kept is nobody's. */
static void test_columns(void **state)
{
    struct shape *shape = live_shape(ALL_COLUMNS);
    struct filter *filter = live_filter("{\"hidden\":1}", FILTER_VISIBLE);
    struct buf why = {0};
    (void)state;
    assert_null(judge_new(filter, shape, NULL, &why));
    assert_non_null(strstr(buf_text(&why), "\"mood\", \"owner\", \"org\""));
    buf_release(&why);
    filter_unref(filter);
    shape_unref(shape);
}

/* The columns that a client may name are those without the kept ones: whatever it asks, what is kept
 * changes nothing, neither in a verdict nor in an error. */
static void test_what_is_kept_tells_a_client_nothing(void **state)
{
    static const char *const conditions[] = {"7",
                                             "\"a\"",
                                             "{\"gt\":0}",
                                             "{\"is\":null}",
                                             "{\"in\":[7,\"a\"]}",
                                             "{\"like\":\"%\"}",
                                             "{\"isdistinct\":null}",
                                             "{\"nin\":[]}"};
    static const char *const names[] = {"owner", "org", "nothing"};
    struct shape *shape = live_shape(ALL_COLUMNS);
    (void)state;
    for (size_t i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
        struct buf errors[3] = {{0}};
        for (size_t n = 0; n < 3; n++) {
            struct buf json = {0};
            buf_printf(&json, "{\"%s\":%s}", names[n], conditions[i]);
            struct filter *filter = live_filter(buf_text(&json), FILTER_CLIENT);
            assert_null(judge_new(filter, shape, NULL, &errors[n]));
            filter_unref(filter);
            buf_release(&json);
        }
        for (size_t n = 0; n < 3; n++) {
            /* But for the name, which the client has written. */
            size_t n_same = strlen(names[n]);
            assert_string_equal(strchr(buf_text(&errors[n]) + n_same, ':'),
                                strchr(buf_text(&errors[2]) + strlen(names[2]), ':'));
        }
        for (size_t n = 0; n < 3; n++) {
            buf_release(&errors[n]);
        }
    }
    shape_unref(shape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_what_is_kept_tells_a_client_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
