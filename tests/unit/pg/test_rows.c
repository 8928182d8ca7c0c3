/* SPDX-License-Identifier: PostgreSQL */
/* Whom the options of an event say that it is for; what they cannot say is for nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "pg/rows.h"

static struct event *event_with(const char *options)
{
    static PGresAttDesc columns[LOG_COLUMN_KEPT + 1];
    static char name[] = "column";
    for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
        columns[i].name = name;
    }
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_true(PQsetResultAttrs(rows, LOG_COLUMN_KEPT + 1, columns));
    for (int i = 0; i <= LOG_COLUMN_KEPT; i++) {
        char value[256] = "7";
        if (i == LOG_COLUMN_OPTIONS && options) {
            strncpy(value, options, sizeof(value) - 1);
        }
        bool is_null = (i == LOG_COLUMN_OPTIONS && !options) || i == LOG_COLUMN_SHAPE;
        assert_true(PQsetvalue(rows, 0, i, value, is_null ? -1 : (int)strlen(value)));
    }
    struct event *event = rows_log_event(rows, 0, &(struct shapes){0});
    PQclear(rows);
    return event;
}

static void test_audiences(void **state)
{
    (void)state;
    static const struct {
        const char *options;
        enum audience_kind kind;
        int32_t dbo_id;
        const char *row_id;
    } cases[] = {
        {NULL, AUDIENCE_ALL, 0, NULL},
        {"{}", AUDIENCE_ALL, 0, NULL},
        {"{\"authenticated\":false,\"dbo_id\":null}", AUDIENCE_ALL, 0, NULL},
        {"{\"authenticated\":true}", AUDIENCE_AUTHENTICATED, 0, NULL},
        {"{\"dbo_id\":12}", AUDIENCE_TABLE, 12, NULL},
        {"{\"dbo_id\":-2147483648,\"row_id\":null}", AUDIENCE_TABLE, INT32_MIN, NULL},
        {"{\"dbo_id\":2147483647,\"row_id\":\"34\"}", AUDIENCE_USER, INT32_MAX, "34"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct event *event = event_with(cases[i].options);
        assert_int_equal(event->f.audience.kind, cases[i].kind);
        assert_int_equal(event->f.audience.dbo_id, cases[i].dbo_id);
        assert_true(str_equals(event->f.audience.row_id, str_of(cases[i].row_id)));
        event_unref(event);
    }
}

static void test_what_names_nobody_is_for_nobody(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"dbo_id\":2147483648}",
        "{\"dbo_id\":4294967308,\"row_id\":\"34\"}", /* 12, if it wrapped */
        "{\"dbo_id\":-2147483649}",
        "{\"dbo_id\":18446744073709551628}",
        "{\"dbo_id\":0}",
        "{\"dbo_id\":\"12\"}",
        "{\"dbo_id\":12.0}",
        "{\"dbo_id\":12,\"row_id\":34}",
        "{\"dbo_id\":12,\"row_id\":\"\\u0000\"}",
        "no JSON",
    };
    struct identity *viewers[] = {
        identity_new(0, (struct str){0}, (struct str){0}, 0),
        identity_new(12, (struct str){0}, (struct str){0}, 0),
        identity_new(12, STR("34"), (struct str){0}, 0),
        NULL,
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct event *event = event_with(texts[i]);
        for (size_t j = 0; j < sizeof(viewers) / sizeof(*viewers); j++) {
            assert_false(audience_admits(&event->f.audience, viewers[j]));
        }
        event_unref(event);
    }
    for (size_t j = 0; j < sizeof(viewers) / sizeof(*viewers); j++) {
        identity_unref(viewers[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audiences),
        cmocka_unit_test(test_what_names_nobody_is_for_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
