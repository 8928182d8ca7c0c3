/* SPDX-License-Identifier: PostgreSQL */
/* Filters, shapes and rows for tests of core/live, all of them written as JSON. */
#ifndef HERALD_UNIT_LIVE_HARNESS_H
#define HERALD_UNIT_LIVE_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "core/live/judge.h"
#include "pg/shapes/shape_loader.h"

/* A column that is announced, and one that is kept. `compares` is a word, or 0 with what follows. */
#define TOLD(name, type, compares)                                                                 \
    "{\"name\":\"" name "\",\"type\":\"" type                                                      \
    "\",\"announced\":true,\"kept\":false,\"compares\":\"" compares "\"}"
#define KEPT(name, type, compares)                                                                 \
    "{\"name\":\"" name "\",\"type\":\"" type                                                      \
    "\",\"announced\":false,\"kept\":true,\"compares\":\"" compares "\"}"
#define MOODS                                                                                      \
    "{\"name\":\"mood\",\"type\":\"text\",\"announced\":true,\"kept\":false,\"compares\":"         \
    "\"enum\",\"labels\":[\"sad\",\"ok\",\"glad\"]}"

/* One of every kind, something that cannot be compared, and what no client may see. */
#define ALL_COLUMNS                                                                                                                                                                                                                         \
    TOLD("b", "bool", "bool")                                                                                                                                                                                                               \
    "," TOLD("i", "int", "int") "," TOLD("big", "bigint", "int") "," TOLD("n", "numeric", "numeric") "," TOLD("r", "float", "float4") "," TOLD("d", "float", "float8") "," TOLD("u", "text", "uuid") "," TOLD(                              \
        "day", "date",                                                                                                                                                                                                                      \
        "date") "," TOLD("clock", "text",                                                                                                                                                                                                   \
                         "time") "," TOLD("at", "timestamp",                                                                                                                                                                                \
                                          "timestamp") "," TOLD("atz", "timestamptz",                                                                                                                                                       \
                                                                "timestamptz") "," TOLD("t",                                                                                                                                                \
                                                                                        "text",                                                                                                                                             \
                                                                                        "text") "," TOLD("c",                                                                                                                               \
                                                                                                         "text",                                                                                                                            \
                                                                                                         "text_c") "," TOLD("f",                                                                                                            \
                                                                                                                            "text",                                                                                                         \
                                                                                                                            "char") "," MOODS                                                                                               \
                                                                                                                                    "," TOLD("j", "json", "") "," KEPT(                                                                     \
                                                                                                                                        "owner",                                                                                            \
                                                                                                                                        "int",                                                                                              \
                                                                                                                                        "int") "," KEPT("org",                                                                              \
                                                                                                                                                        "text",                                                                             \
                                                                                                                                                        "text") ","                                                                         \
                                                                                                                                                                "{\"name\":\"hidden\",\"type\":\"int\",\"announced\":false,\"kept\":false," \
                                                                                                                                                                "\"compares\":\"int\"}"

static inline struct shape *live_shape(const char *columns)
{
    struct buf text = {0};
    const char *reason;
    buf_printf(&text,
               "{\"watch\":\"w\",\"schema\":\"public\",\"table\":\"t\",\"template\":[\"t\"],"
               "\"numbers\":\"text\",\"max_bytes\":100000,\"key\":[],\"columns\":[%s]}",
               columns);
    struct shape *shape = shape_load(7, buf_span(&text), &reason);
    buf_release(&text);
    if (!shape) {
        fail_msg("no shape: %s", reason);
    }
    return shape;
}

static inline struct filter *live_filter(const char *json, enum filter_owner owner)
{
    struct buf why = {0};
    struct filter *filter = filter_parse(str_of(json), owner, &why);
    if (!filter) {
        fail_msg("%s: %s", json, buf_text(&why));
    }
    assert_int_equal(why.len, 0);
    return filter;
}

static inline struct judge *live_judge(const char *json, enum filter_owner owner,
                                       const struct shape *shape, const struct identity *identity)
{
    struct buf why = {0};
    struct filter *filter = live_filter(json, owner);
    struct judge *judge = judge_new(filter, shape, identity, &why);
    if (!judge) {
        fail_msg("%s: %s", json, buf_text(&why));
    }
    assert_int_equal(why.len, 0);
    filter_unref(filter);
    return judge;
}

/* Rows of an event of an update: "{…}", or "null". */
static inline void live_read(struct live_rows *rows, const struct shape *shape,
                             const struct column_set *columns, const char *old, const char *new,
                             const char *kept)
{
    struct buf payload = {0};
    buf_printf(&payload,
               "{\"data\":{\"action\":\"update\",\"schema\":\"public\",\"table\":\"t\",\"new\":%s,"
               "\"old\":%s},\"dbo_id\":0,\"row_id\":0}",
               new, old);
    /* Exactly as long as it is, so that who reads too far is caught. */
    char *copy = str_dup(buf_span(&payload));
    live_rows_read(rows, shape, columns, (struct str){copy, payload.len}, str_of(kept));
    free(copy);
    buf_release(&payload);
}

static inline enum verdict live_verdict(const char *json, enum filter_owner owner,
                                        const struct shape *shape, const struct identity *identity,
                                        const char *new, const char *kept)
{
    struct judge *judge = live_judge(json, owner, shape, identity);
    struct column_set columns = {0};
    struct live_rows rows = {0};
    judge_columns(judge, &columns);
    live_read(&rows, shape, &columns, "null", new, kept);
    enum verdict verdict = judge_row(judge, &rows, LIVE_NEW);
    assert_int_equal(judge_row(judge, &rows, LIVE_OLD), VERDICT_NO);
    live_rows_release(&rows);
    judge_free(judge);
    return verdict;
}

#endif
