/* SPDX-License-Identifier: PostgreSQL */
/* Leaves of every type, what is NULL or lacking, logic, and who is told what about columns. */
#include "live_harness.h"

enum { NO = VERDICT_NO, UNKNOWN = VERDICT_UNKNOWN, YES = VERDICT_YES, LACKING = VERDICT_LACKING };

struct leaf_case {
    const char *column;
    const char *condition; /* what stands behind the column */
    const char *value;     /* in the row; NULL: it is lacking */
    int expected;
};

static void check_leaf(const struct shape *shape, const struct leaf_case *c)
{
    struct buf filter = {0}, row = {0};
    buf_printf(&filter, "{\"%s\":%s}", c->column, c->condition);
    buf_printf(&row, c->value ? "{\"%s\":%s}" : "{}", c->column, c->value);
    int got =
        (int)live_verdict(buf_text(&filter), FILTER_CLIENT, shape, NULL, buf_text(&row), NULL);
    if (got != c->expected) {
        fail_msg("%s of %s: %d", buf_text(&filter), buf_text(&row), got);
    }
    buf_release(&filter);
    buf_release(&row);
}

static const struct leaf_case leaves[] = {
    /* bool */
    {"b", "true", "true", YES},
    {"b", "true", "false", NO},
    {"b", "{\"neq\":true}", "false", YES},
    {"b", "{\"gt\":false}", "true", YES},
    {"b", "{\"is\":true}", "true", YES},
    {"b", "{\"is\":true}", "false", NO},
    {"b", "{\"is\":false}", "false", YES},
    {"b", "{\"is\":false}", "null", NO},
    {"b", "{\"is\":true}", "null", NO},
    {"b", "{\"is\":null}", "null", YES},
    {"b", "{\"is\":null}", "true", NO},
    {"b", "true", "\"t\"", LACKING}, /* stale: it was no bool */
    /* numbers */
    {"i", "5", "5", YES},
    {"i", "\"5\"", "5", YES},
    {"i", "5.0", "5", YES},
    {"i", "50e-1", "5", YES},
    {"i", "{\"gt\":4.5}", "5", YES},
    {"i", "{\"lt\":-4}", "-5", YES},
    {"i", "{\"lt\":-5}", "-4", NO},
    {"i", "{\"lt\":1e400}", "2147483647", YES},
    {"i", "{\"gt\":-1e400}", "-2147483648", YES},
    {"i", "0", "-0", YES},
    {"i", "{\"in\":[1,2,3]}", "2", YES},
    {"i", "{\"in\":[1,2,3]}", "4", NO},
    {"i", "{\"nin\":[1,2,3]}", "4", YES},
    {"i", "{\"nin\":[1,2,3]}", "null", UNKNOWN},
    {"i", "{\"in\":[]}", "null", NO},
    {"i", "{\"nin\":[]}", "null", YES},
    {"i", "{\"in\":[]}", NULL, NO},
    {"i", "{\"gt\":1,\"lt\":3}", "2", YES},
    {"i", "{\"gt\":1,\"lt\":3}", "3", NO},
    {"big", "9223372036854775807", "\"9223372036854775807\"", YES},
    {"big", "9223372036854775807", "9223372036854775806", NO},
    {"big", "{\"gte\":\"-9223372036854775808\"}", "\"-9223372036854775808\"", YES},
    {"n", "1.10", "\"1.1000\"", YES},
    {"n", "{\"gt\":1.1}", "\"1.1000000000000000000000000000000000000001\"", YES},
    {"n", "{\"lt\":-1.1}", "\"-1.1000000000000000000000000000000000000001\"", YES},
    {"n", "{\"lt\":-1.1}", "\"-1.09\"", NO},
    {"n", "{\"gt\":9}", "\"10\"", YES},
    {"n", "{\"gt\":0}", "\"0.00000000000000000001\"", YES},
    {"n", "{\"lt\":0}", "\"-0.00000000000000000001\"", YES},
    {"n", "{\"lt\":0.1}", "\"0.01\"", YES},
    {"n", "0", "\"0.000\"", YES},
    {"n", "\"NaN\"", "\"NaN\"", YES},
    {"n", "{\"gt\":\"Infinity\"}", "\"NaN\"", YES},
    {"n", "{\"gt\":1e999}", "\"Infinity\"", YES},
    {"n", "{\"lt\":-1e999}", "\"-Infinity\"", YES},
    {"n", "{\"lt\":\"NaN\"}", "\"5\"", YES},
    {"r", "0.1", "0.1", YES},
    {"r", "0.100000001", "0.1", YES}, /* the same float4 */
    {"r", "{\"lt\":0.2}", "0.1", YES},
    {"d", "0.1", "0.1", YES},
    {"d", "0.100000001", "0.1", NO},
    {"d", "0", "-0", YES},
    {"d", "{\"gt\":\"Infinity\"}", "\"NaN\"", YES},
    {"d", "\"NaN\"", "\"NaN\"", YES},
    {"d", "{\"lt\":-1.5}", "-2.5e100", YES},
    {"d", "{\"lt\":-1e308}", "\"-Infinity\"", YES},
    {"d", "{\"gt\":0}", "5e-324", YES},
    /* uuid */
    {"u", "\"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11\"", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
     YES},
    {"u", "\"a0eebc999c0b4ef8bb6d6bb9bd380a11\"", "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"", YES},
    {"u", "{\"gt\":\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"}",
     "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12\"", YES},
    {"u", "\"a0eebc999c0b4ef8bb6d6bb9bd380a11\"", "\"a0\"", LACKING},
    /* dates and times */
    {"day", "\"2024-02-29\"", "\"2024-02-29\"", YES},
    {"day", "{\"lt\":\"2024-02-29\"}", "\"0044-03-15 BC\"", YES},
    {"day", "{\"lt\":\"0043-03-15 BC\"}", "\"0044-03-15 BC\"", YES},
    {"day", "\"0005-02-29 BC\"", "\"0005-02-29 BC\"", YES}, /* the year -4 */
    {"day", "{\"gt\":\"9999-12-31\"}", "\"10000-01-01\"", YES},
    {"day", "{\"gt\":\"9999-12-31\"}", "\"infinity\"", YES},
    {"day", "{\"lt\":\"4714-11-24 BC\"}", "\"-infinity\"", YES},
    {"day", "\"infinity\"", "\"infinity\"", YES},
    {"clock", "\"10:30\"", "\"10:30:00\"", YES},
    {"clock", "{\"lt\":\"24:00:00\"}", "\"23:59:59.999999\"", YES},
    {"clock", "{\"gt\":\"10:30:00.1\"}", "\"10:30:00.100001\"", YES},
    {"at", "\"2024-02-29T10:30:05\"", "\"2024-02-29T10:30:05\"", YES},
    {"at", "\"2024-02-29 10:30:05.000\"", "\"2024-02-29T10:30:05\"", YES},
    {"at", "\"2024-02-29\"", "\"2024-02-29T00:00:00\"", YES},
    {"at", "\"2024-02-28T24:00\"", "\"2024-02-29T00:00:00\"", YES},
    {"atz", "\"2024-02-28T24:00:00-23:00\"", "\"2024-02-29T23:00:00+00:00\"", YES},
    {"at", "{\"lt\":\"2024-02-29\"}", "\"2024-02-28T23:59:59.999999\"", YES},
    {"at", "{\"lt\":\"-infinity\"}", "\"-infinity\"", NO},
    {"at", "{\"lt\":\"0001-01-01\"}", "\"0044-03-15T10:00:00 BC\"", YES},
    {"atz", "\"2024-02-29T12:30:05+02:00\"", "\"2024-02-29T10:30:05+00:00\"", YES},
    {"atz", "\"2024-03-01T00:30:05+0200\"", "\"2024-02-29T22:30:05+00:00\"", YES},
    {"atz", "\"2024-02-29T22:30:05Z\"", "\"2024-02-29T22:30:05+00:00\"", YES},
    {"atz", "\"2023-12-31T22:30:05-02\"", "\"2024-01-01T00:30:05+00:00\"", YES},
    {"atz", "{\"gt\":\"0044-03-15T10:00:00Z BC\"}", "\"0044-03-15T10:00:00.1+00:00 BC\"", YES},
    {"atz", "{\"gt\":\"294276-12-31T23:59:59.999999Z\"}", "\"infinity\"", YES},
    /* texts */
    {"t", "\"a\"", "\"a\"", YES},
    {"t", "\"\\u00e9\"", "\"\xc3\xa9\"", YES},
    {"t", "\"a\\\"b\\n\"", "\"a\\\"b\\n\"", YES},
    {"t", "\"a\"", "\"a \"", NO},
    {"t", "\"\"", "\"\"", YES},
    {"t", "\"\"", "null", UNKNOWN},
    {"t", "{\"neq\":\"a\"}", "null", UNKNOWN},
    {"t", "{\"isdistinct\":\"a\"}", "null", YES},
    {"t", "{\"isdistinct\":\"a\"}", "\"a\"", NO},
    {"t", "{\"isdistinct\":null}", "\"a\"", YES},
    {"t", "{\"isdistinct\":null}", "null", NO},
    {"t", "{\"isdistinct\":null}", NULL, LACKING},
    {"t", "{\"is\":null}", NULL, LACKING},
    {"t", "{\"prefix\":\"ab\"}", "\"abc\"", YES},
    {"t", "{\"prefix\":\"ab\"}", "\"a\"", NO},
    {"t", "{\"prefix\":\"\"}", "\"\"", YES},
    {"t", "{\"prefix\":\"\"}", "null", UNKNOWN},
    {"t", "{\"like\":\"a%c\"}", "\"abc\"", YES},
    {"t", "{\"like\":\"a_c\"}",
     "\"a\xc3\xa9"
     "c\"",
     YES},
    {"t", "{\"like\":\"a\\\\%c\"}", "\"a%c\"", YES},
    {"t", "{\"like\":\"a\\\\%c\"}", "\"abc\"", NO},
    {"t", "{\"in\":[\"x\",\"\",\"y\"]}", "\"\"", YES},
    {"c", "{\"lt\":\"b\"}", "\"a\xc3\xa9\"", YES},
    {"c", "{\"lt\":\"Z\"}", "\"a\"", NO},
    {"c", "{\"gt\":\"a\"}", "\"aa\"", YES},
    {"f", "\"a\"", "\"a   \"", YES},
    {"f", "\"a \"", "\"a\"", YES},
    {"f", "\"\"", "\"   \"", YES},
    {"f", "{\"in\":[\"b \",\"a  \"]}", "\"a\"", YES},
    {"f", "\"a\"", "\" a\"", NO},
    /* enums */
    {"mood", "\"ok\"", "\"ok\"", YES},
    {"mood", "{\"gt\":\"sad\"}", "\"glad\"", YES},
    {"mood", "{\"gt\":\"ok\"}", "\"glad\"", YES},
    {"mood", "{\"gt\":\"ok\"}", "\"new\"", UNKNOWN},
    {"mood", "{\"neq\":\"ok\"}", "\"new\"", UNKNOWN},
    {"mood", "{\"isdistinct\":\"ok\"}", "\"new\"", UNKNOWN},
    {"mood", "{\"is\":null}", "\"new\"", NO},
    {"mood", "{\"isdistinct\":null}", "\"new\"", YES},
    {"mood", "{\"in\":[\"ok\",\"sad\"]}", "\"new\"", UNKNOWN},
};

static void test_leaves(void **state)
{
    struct shape *shape = live_shape(ALL_COLUMNS);
    (void)state;
    for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
        check_leaf(shape, &leaves[i]);
    }
    shape_unref(shape);
}

/* Every operator meets NULL and what is lacking, on every type that takes it. */
static void test_null_and_lacking_everywhere(void **state)
{
    static const char *const columns[] = {"b",     "i",  "n",   "r", "d", "u", "day",
                                          "clock", "at", "atz", "t", "c", "f", "mood"};
    static const char *const values[] = {"true",
                                         "1",
                                         "1",
                                         "1",
                                         "1",
                                         "\"a0eebc999c0b4ef8bb6d6bb9bd380a11\"",
                                         "\"2024-01-01\"",
                                         "\"10:00\"",
                                         "\"2024-01-01\"",
                                         "\"2024-01-01T00:00Z\"",
                                         "\"a\"",
                                         "\"a\"",
                                         "\"a\"",
                                         "\"ok\""};
    struct shape *shape = live_shape(ALL_COLUMNS);
    (void)state;
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        static const char *const around[][2] = {
            {"", ""}, {"{\"neq\":", "}"}, {"{\"in\":[", "]}"}, {"{\"nin\":[", "]}"}};
        for (size_t f = 0; f < 4; f++) {
            char condition[100];
            snprintf(condition, sizeof condition, "%s%s%s", around[f][0], values[i], around[f][1]);
            check_leaf(shape, &(struct leaf_case){columns[i], condition, "null", UNKNOWN});
            check_leaf(shape, &(struct leaf_case){columns[i], condition, NULL, LACKING});
            check_leaf(shape, &(struct leaf_case){columns[i], condition, "[]", LACKING});
        }
        check_leaf(shape, &(struct leaf_case){columns[i], "{\"is\":null}", "null", YES});
        check_leaf(shape, &(struct leaf_case){columns[i], "{\"is\":null}", "{}", LACKING});
    }
    shape_unref(shape);
}

static const struct {
    const char *filter; /* of i (lacking), n (NULL), t ("x") */
    int expected;
} trees[] = {
    {"{}", YES},
    {"{\"and\":[]}", YES},
    {"{\"or\":[]}", NO},
    {"{\"not\":{}}", NO},
    {"{\"t\":\"x\",\"i\":1}", LACKING},
    {"{\"t\":\"y\",\"i\":1}", NO},
    {"{\"n\":1,\"i\":1}", UNKNOWN}, /* whatever i is */
    {"{\"or\":[{\"t\":\"x\"},{\"i\":1}]}", YES},
    {"{\"or\":[{\"t\":\"y\"},{\"i\":1}]}", LACKING},
    {"{\"or\":[{\"n\":1},{\"i\":1}]}", LACKING},
    {"{\"or\":[{\"n\":1},{\"t\":\"x\"}]}", YES},
    {"{\"or\":[{\"n\":1},{\"t\":\"y\"}]}", UNKNOWN},
    {"{\"not\":{\"n\":1}}", UNKNOWN},
    {"{\"not\":{\"i\":1}}", LACKING},
    {"{\"not\":{\"t\":\"y\"}}", YES},
    {"{\"not\":{\"n\":1,\"i\":1}}", LACKING}, /* yes if i is 2 */
    {"{\"not\":{\"or\":[{\"n\":1},{\"i\":1}]}}", UNKNOWN},
    {"{\"not\":{\"not\":{\"t\":\"x\"}}}", YES},
    {"{\"and\":[{\"or\":[{\"i\":1},{\"t\":\"x\"}]},{\"not\":{\"t\":{\"is\":null}}}]}", YES},
};

static void test_logic(void **state)
{
    struct shape *shape = live_shape(ALL_COLUMNS);
    (void)state;
    for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
        int got = (int)live_verdict(trees[i].filter, FILTER_CLIENT, shape, NULL,
                                    "{\"n\":null,\"t\":\"x\"}", NULL);
        if (got != trees[i].expected) {
            fail_msg("%s: %d", trees[i].filter, got);
        }
    }
    shape_unref(shape);
}

/* ---- errors ---- */

#define ALL_TOLD                                                                                   \
    "the columns that a filter may name are \"b\", \"i\", \"big\", \"n\", \"r\", \"d\", \"u\", "   \
    "\"day\", \"clock\", \"at\", \"atz\", \"t\", \"c\", \"f\", \"mood\""

static const struct {
    const char *filter;
    const char *why;
} errors[] = {
    {"{\"or\":[{},{\"nix\":{\"gt\":1}}]}", "or[1].nix.gt: there is no such column; " ALL_TOLD},
    {"{\"hidden\":1}", "hidden: there is no such column; " ALL_TOLD},
    {"{\"owner\":1}", "owner: there is no such column; " ALL_TOLD},
    {"{\"owner\":\"\"}", "owner: there is no such column; " ALL_TOLD},
    {"{\"owner\":{\"like\":\"\"}}", "owner.like: there is no such column; " ALL_TOLD},
    {"{\"j\":1}", "j: this column's type cannot be compared here; " ALL_TOLD},
    {"{\"t\":{\"lt\":\"a\"}}",
     "t.lt: the type of column \"t\" takes eq, neq, in, nin, is, isdistinct, prefix, like"},
    {"{\"f\":{\"like\":\"a\"}}",
     "f.like: the type of column \"f\" takes eq, neq, in, nin, is, isdistinct"},
    {"{\"i\":{\"like\":\"1%\"}}",
     "i.like: the type of column \"i\" takes eq, neq, lt, lte, gt, gte, in, nin, is, isdistinct"},
    {"{\"not\":{\"i\":{\"in\":[1,\"a\"]}}}", "not.i.in: column \"i\" is compared with a number"},
    {"{\"i\":{\"is\":true}}", "i.is: column \"i\" is compared with a number"},
    {"{\"mood\":\"no\"}", "mood: column \"mood\" is compared with one of the type's labels"},
    {"{\"t\":{\"like\":\"%_0123456789012345678901234567890123456789012345678901234567890123%\"}}",
     "t.like: a piece with _ between two % has at most 64 characters"},
};

static void test_errors(void **state)
{
    struct shape *shape = live_shape(ALL_COLUMNS);
    (void)state;
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct buf why = {0};
        struct filter *filter = live_filter(errors[i].filter, FILTER_CLIENT);
        assert_null(judge_new(filter, shape, NULL, &why));
        assert_string_equal(buf_text(&why), errors[i].why);
        filter_unref(filter);
        buf_release(&why);
    }
    shape_unref(shape);
}

static const struct {
    const char *column;
    const char *value;
} misfits[] = {
    {"b", "1"},
    {"b", "\"true\""},
    {"i", "\"\""},
    {"i", "true"},
    {"i", "\"NaN\""},
    {"i", "\"1 \""},
    {"i", "\"+1\""},
    {"i", "\"0x1\""},
    {"i", "\"1e1001\""},
    {"n", "\"inf\""},
    {"n", "\"nan\""},
    {"r", "1e39"},
    {"r", "1e-60"},
    {"d", "1e309"},
    {"d", "1e-400"},
    {"d", "\"1e309\""},
    {"u", "\"\""},
    {"u", "\"a0eebc99\""},
    {"u", "1"},
    {"u", "\"a0eebc999c0b4ef8bb6d6bb9bd380a1g\""},
    {"u", "\"a0eebc999c0b4ef8bb6d6bb9bd380a111\""},
    {"day", "\"2023-02-29\""},
    {"day", "\"2024-13-01\""},
    {"day", "\"2024-1-1\""},
    {"day", "\"0000-01-01\""},
    {"day", "\"today\""},
    {"day", "\"2024-01-01T00:00:00\""},
    {"day", "20240101"},
    {"day", "\"2024-01-01 AD\""},
    {"day", "\"0005-02-29\""},
    {"day", "\"0004-02-29 BC\""},
    {"clock", "\"25:00\""},
    {"clock", "\"24:00:01\""},
    {"clock", "\"10\""},
    {"clock", "\"10:60\""},
    {"clock", "\"10:00:00.1234567\""},
    {"clock", "\"infinity\""},
    {"clock", "\"10:00:00.\""},
    {"at", "\"2024-01-01T10:00:00Z\""},
    {"at", "\"2024-01-01T24:00:01\""},
    {"at", "\"now\""},
    {"at", "\"2024-01-01T\""},
    {"atz", "\"2024-01-01T10:00:00\""},
    {"atz", "\"2024-01-01\""},
    {"atz", "\"2024-01-01T10:00:00+24:00\""},
    {"atz", "\"2024-01-01T10:00:00 UTC\""},
    {"t", "1"},
    {"t", "true"},
    {"c", "1"},
    {"f", "1"},
    {"mood", "\"Ok\""},
    {"mood", "1"},
};

static void test_values_of_another_type(void **state)
{
    struct shape *shape = live_shape(ALL_COLUMNS);
    (void)state;
    for (size_t i = 0; i < sizeof(misfits) / sizeof(misfits[0]); i++) {
        struct buf why = {0}, json = {0};
        buf_printf(&json, "{\"%s\":%s}", misfits[i].column, misfits[i].value);
        struct filter *filter = live_filter(buf_text(&json), FILTER_CLIENT);
        if (judge_new(filter, shape, NULL, &why)) {
            fail_msg("%s", buf_text(&json));
        }
        assert_non_null(strstr(buf_text(&why), "is compared with"));
        filter_unref(filter);
        buf_release(&json);
        buf_release(&why);
    }
    shape_unref(shape);
}

static void test_many_columns_are_not_all_told(void **state)
{
    struct buf columns = {0}, why = {0};
    (void)state;
    for (int i = 0; i < 1700; i++) {
        buf_printf(&columns, "%s" TOLD("c%d", "int", "int"), i > 0 ? "," : "", i);
    }
    struct shape *shape = live_shape(buf_text(&columns));
    struct filter *filter = live_filter("{\"x\":1}", FILTER_CLIENT);
    assert_null(judge_new(filter, shape, NULL, &why));
    assert_non_null(strstr(buf_text(&why), "\"c39\" and 1560 more"));
    filter_unref(filter);
    /* No table has so many; they could be in no set. */
    filter = live_filter("{\"c1600\":1}", FILTER_CLIENT);
    assert_null(judge_new(filter, shape, NULL, &why));
    filter_unref(filter);
    assert_int_equal(
        live_verdict("{\"c1599\":1}", FILTER_CLIENT, shape, NULL, "{\"c1599\":1}", NULL),
        VERDICT_YES);
    shape_unref(shape);
    buf_release(&columns);
    buf_release(&why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leaves),
        cmocka_unit_test(test_null_and_lacking_everywhere),
        cmocka_unit_test(test_logic),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_values_of_another_type),
        cmocka_unit_test(test_many_columns_are_not_all_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
