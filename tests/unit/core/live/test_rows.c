/* SPDX-License-Identifier: PostgreSQL */
/* What is taken out of an event: from the payload, from what is kept, and where nothing is. */
#include "live_harness.h"

enum { I = 1, T = 11, OWNER = 16, ORG = 17 }; /* columns of ALL_COLUMNS */

struct bed {
    struct shape *shape;
    struct live_rows rows;
    struct column_set columns;
};

static int set_up(void **state)
{
    struct bed *bed = calloc(1, sizeof(*bed));
    static const size_t columns[] = {I, T, OWNER, ORG};
    bed->shape = live_shape(ALL_COLUMNS);
    for (size_t i = 0; i < 4; i++) {
        column_set_add(&bed->columns, columns[i]);
    }
    *state = bed;
    return 0;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;
    live_rows_release(&bed->rows);
    shape_unref(bed->shape);
    free(bed);
    return 0;
}

static void check_state(const struct bed *bed, enum live_side side, size_t column,
                        enum live_state expected)
{
    struct str key;
    assert_int_equal(live_rows_value(&bed->rows, side, column, &key), expected);
}

static void check_text(const struct bed *bed, enum live_side side, size_t column,
                       const char *expected)
{
    struct str key;
    assert_int_equal(live_rows_value(&bed->rows, side, column, &key), LIVE_VALUE);
    assert_true(str_equals(key, str_of(expected)));
}

static void read_payload(struct bed *bed, const char *payload, const char *kept)
{
    live_rows_read(&bed->rows, bed->shape, &bed->columns, str_of(payload), str_of(kept));
}

static void test_both_rows(void **state)
{
    struct bed *bed = *state;
    live_read(&bed->rows, bed->shape, &bed->columns, "{\"i\":1,\"t\":\"old\"}",
              "{\"i\":null,\"t\":\"n\\u0065w\",\"b\":true}",
              "{\"new\":{\"owner\":5,\"org\":\"x\"},\"old\":{\"owner\":4,\"org\":null}}");
    assert_true(bed->rows.has[LIVE_OLD] && bed->rows.has[LIVE_NEW]);
    check_text(bed, LIVE_OLD, T, "old");
    check_text(bed, LIVE_NEW, T, "new");
    check_state(bed, LIVE_OLD, I, LIVE_VALUE);
    check_state(bed, LIVE_NEW, I, LIVE_NULL);
    check_text(bed, LIVE_NEW, ORG, "x");
    check_state(bed, LIVE_OLD, ORG, LIVE_NULL);
    check_state(bed, LIVE_OLD, OWNER, LIVE_VALUE);
    check_state(bed, LIVE_NEW, 0, LIVE_LACKING); /* nobody asked for b */
}

static void test_what_is_not_there(void **state)
{
    struct bed *bed = *state;
    live_read(&bed->rows, bed->shape, &bed->columns, "null", "{\"t\":\"a\"}", NULL);
    assert_true(!bed->rows.has[LIVE_OLD] && bed->rows.has[LIVE_NEW]);
    check_state(bed, LIVE_NEW, I, LIVE_LACKING);
    check_state(bed, LIVE_NEW, OWNER, LIVE_LACKING);
    check_state(bed, LIVE_OLD, T, LIVE_LACKING);
    /* Nothing is left of the row before. */
    live_read(&bed->rows, bed->shape, &bed->columns, "null", "null", NULL);
    assert_true(!bed->rows.has[LIVE_OLD] && !bed->rows.has[LIVE_NEW]);
    check_state(bed, LIVE_NEW, T, LIVE_LACKING);
}

static void test_what_is_no_value_of_the_column(void **state)
{
    static const char *const values[] = {"[]", "{}", "{\"t\":\"a\"}", "true", "1"};
    struct bed *bed = *state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        struct buf row = {0};
        buf_printf(&row, "{\"t\":%s}", values[i]);
        live_read(&bed->rows, bed->shape, &bed->columns, "null", buf_text(&row), NULL);
        check_state(bed, LIVE_NEW, T, LIVE_LACKING);
        buf_release(&row);
    }
}

/* Of a reduced row the key is told, and what is kept is kept. */
static void test_reduced(void **state)
{
    struct bed *bed = *state;
    read_payload(bed,
                 "{\"data\":{\"action\":\"update\",\"new\":{\"i\":7},\"old\":{\"i\":7},"
                 "\"truncated_to_key\":true,\"reduced\":\"size\"},\"dbo_id\":0}",
                 "{\"new\":{\"owner\":1,\"org\":\"x\"},\"old\":{\"owner\":1,\"org\":\"x\"}}");
    check_state(bed, LIVE_NEW, I, LIVE_VALUE);
    check_state(bed, LIVE_NEW, T, LIVE_LACKING);
    check_text(bed, LIVE_NEW, ORG, "x");
}

/* The names around the rows may be names of columns too, and so may texts. */
static void test_names_that_mislead(void **state)
{
    struct bed *bed = *state;
    read_payload(bed,
                 "{\"t\":\"0\",\"new\":{\"t\":\"1\"},\"data\":{\"t\":\"2\",\"table\":\"\\\"new\\\":"
                 "{\\\"t\\\":3}\",\"new\":{\"j\":{\"t\":\"4\",\"x\":[\"}\",{\"t\":\"5\"}]},\"t\" : "
                 "\"6\" , \"org\":\"7\"},\"old\":null}}",
                 "{\"new\":{\"t\":\"8\",\"org\":\"9\"}}");
    check_text(bed, LIVE_NEW, T, "6");
    check_text(bed, LIVE_NEW, ORG, "7"); /* announced and kept: what is told */
    assert_false(bed->rows.has[LIVE_OLD]);
}

static void test_what_is_no_event(void **state)
{
    static const char *const payloads[] = {"",
                                           "null",
                                           "[]",
                                           "{}",
                                           "{\"data\":null}",
                                           "{\"data\":[]}",
                                           "{\"data\":{\"new\":[1,2]}}",
                                           "{\"data\":{\"new\":\"x\"}}",
                                           "[{\"data\":{\"new\":{\"t\":\"a\"}}}]",
                                           "{\"data\":{\"new\":"};
    struct bed *bed = *state;
    for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
        read_payload(bed, payloads[i], "null");
        assert_false(bed->rows.has[LIVE_NEW] || bed->rows.has[LIVE_OLD]);
        check_state(bed, LIVE_NEW, T, LIVE_LACKING);
    }
    read_payload(bed, NULL, NULL);
    assert_false(bed->rows.has[LIVE_NEW]);
}

static void test_names_that_are_escaped(void **state)
{
    struct shape *shape = live_shape("{\"name\":\"a\\\"\\u0001\xc3\xa9\",\"type\":\"int\","
                                     "\"announced\":true,\"kept\":false,\"compares\":\"int\"}");
    (void)state;
    assert_int_equal(live_verdict("{\"a\\u0022\\u0001\\u00e9\":1}", FILTER_CLIENT, shape, NULL,
                                  "{\"a\\\"\\u0001\xc3\xa9\":1}", NULL),
                     VERDICT_YES);
    shape_unref(shape);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_both_rows),
        TEST(test_what_is_not_there),
        TEST(test_what_is_no_value_of_the_column),
        TEST(test_reduced),
        TEST(test_names_that_mislead),
        TEST(test_what_is_no_event),
        cmocka_unit_test(test_names_that_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
