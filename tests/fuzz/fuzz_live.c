/* SPDX-License-Identifier: PostgreSQL */
/* Filters over rows: a byte that says whose filter it is, and then, with 0xff between them, the
 * filter, an event's payload, what is kept of it, and the extras of an identity. None of them need be
 * JSON. Whatever they are:
 *
 *   - who is refused is told why, in a sentence of bounded length;
 *   - a tree and its canonical text are the same tree, and judge alike;
 *   - `not` turns a verdict over;
 *   - what is kept changes no verdict of a client's filter;
 *   - the index names every group that passes. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/json_span.h"
#include "core/live/index.h"
#include "pg/shapes/shape_loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TOLD(name, type, compares)                                                                 \
    "{\"name\":\"" name "\",\"type\":\"" type                                                      \
    "\",\"announced\":true,\"kept\":false,\"compares\":\"" compares "\"},"

static const char description[] =
    "{\"watch\":\"w\",\"schema\":\"s\",\"table\":\"t\",\"template\":[\"t\"],\"numbers\":\"text\","
    "\"max_bytes\":1000,\"key\":[0],\"columns\":[" TOLD("i", "int", "int") TOLD("b", "bool", "bool")
        TOLD("n", "numeric", "numeric") TOLD("r", "float", "float4") TOLD("d", "float", "float8")
            TOLD("u", "text", "uuid") TOLD("day", "date", "date") TOLD("clock", "text", "time")
                TOLD("at", "timestamp", "timestamp") TOLD("z", "timestamptz", "timestamptz") TOLD(
                    "t", "text", "text") TOLD("c", "text", "text_c") TOLD("f", "text", "char")
                    TOLD("j", "json", "none") "{\"name\":\"m\",\"type\":\"text\",\"announced\":"
                                              "true,\"kept\":true,\"compares\":\"enum\","
                                              "\"labels\":[\"a\",\"b\"]},{\"name\":\"k\",\"type\":"
                                              "\"int\",\"announced\":false,\"kept\":true,"
                                              "\"compares\":\"int\"}]}";

struct input {
    enum filter_owner owner;
    struct str filter;
    struct str payload;
    struct str kept;
    struct identity *identity;
};

/* Up to a 0xff, which no text has that is worth reading. */
static struct str take_text(struct str *rest)
{
    const char *stop = rest->len > 0 ? memchr(rest->ptr, 0xff, rest->len) : NULL;
    struct str text = {rest->ptr, stop ? (size_t)(stop - rest->ptr) : rest->len};
    size_t step = text.len + (stop ? 1 : 0);
    *rest = (struct str){rest->ptr + step, rest->len - step};
    return text;
}

static void check_why(struct buf *why)
{
    assert(why->len > 0 && why->len < 2000 && str_is_utf8(buf_span(why)));
    buf_release(why);
}

static struct filter *parse(struct str json, enum filter_owner owner)
{
    struct buf why = {0};
    struct filter *filter = filter_parse(json, owner, &why);
    if (!filter) {
        check_why(&why);
    }
    assert(why.len == 0);
    return filter;
}

static struct judge *make_judge(const struct filter *filter, const struct shape *shape,
                                const struct input *in)
{
    struct buf why = {0};
    struct judge *judge = judge_new(filter, shape, in->identity, &why);
    if (!judge) {
        check_why(&why);
    }
    assert(why.len == 0);
    return judge;
}

struct verdicts {
    enum verdict of[N_LIVE_SIDES];
    bool has[N_LIVE_SIDES];
};

static struct verdicts judge_text(const struct judge *judge, const struct shape *shape,
                                  struct str payload, struct str kept)
{
    struct column_set columns = {0};
    struct live_rows rows = {0};
    struct verdicts verdicts;
    judge_columns(judge, &columns);
    live_rows_read(&rows, shape, &columns, payload, kept);
    for (size_t side = 0; side < N_LIVE_SIDES; side++) {
        verdicts.of[side] = judge_row(judge, &rows, (enum live_side)side);
        verdicts.has[side] = rows.has[side];
    }
    live_rows_release(&rows);
    return verdicts;
}

static void check_same(const struct verdicts *a, const struct verdicts *b)
{
    assert(memcmp(a->of, b->of, sizeof a->of) == 0);
}

/* Where it still fits: a tree of many members is deeper when it is written as a list. */
static void check_canonical(const struct filter *filter, const struct shape *shape,
                            const struct input *in, const struct verdicts *expected)
{
    struct str text = filter_canonical(filter);
    struct buf why = {0};
    assert(json_check(text) && str_is_utf8(text));
    struct filter *again = filter_parse(text, in->owner, &why);
    if (again) {
        assert(str_equals(filter_canonical(again), text));
        struct judge *judge = make_judge(again, shape, in);
        struct verdicts verdicts = judge_text(judge, shape, in->payload, in->kept);
        check_same(&verdicts, expected);
        judge_free(judge);
    } else {
        assert(text.len > FILTER_TEXT_MAX || strstr(buf_text(&why), "deep"));
    }
    filter_unref(again);
    buf_release(&why);
}

static void check_not(const struct shape *shape, const struct input *in,
                      const struct verdicts *expected)
{
    static const enum verdict turned[] = {
        [VERDICT_NO] = VERDICT_YES,
        [VERDICT_UNKNOWN] = VERDICT_UNKNOWN,
        [VERDICT_YES] = VERDICT_NO,
        [VERDICT_LACKING] = VERDICT_LACKING,
    };
    struct buf json = {0};
    buf_literal(&json, "{\"not\":");
    buf_str(&json, in->filter);
    buf_char(&json, '}');
    struct filter *filter = parse(buf_span(&json), in->owner);
    struct judge *judge = filter ? make_judge(filter, shape, in) : NULL;
    if (judge) {
        struct verdicts got = judge_text(judge, shape, in->payload, in->kept);
        for (size_t side = 0; side < N_LIVE_SIDES; side++) {
            /* What is at most unknown, turned over, is at least that. */
            enum verdict one = expected->of[side], other = got.of[side];
            bool is_at_most_unknown = one == VERDICT_UNKNOWN || other == VERDICT_UNKNOWN;
            assert(!expected->has[side] || is_at_most_unknown || other == turned[one]);
            assert(!expected->has[side] || one != VERDICT_YES || other == VERDICT_NO);
        }
    }
    judge_free(judge);
    filter_unref(filter);
    buf_release(&json);
}

static void check_index(const struct judge *judge, const struct shape *shape,
                        const struct input *in, const struct verdicts *expected)
{
    struct live_index *index = live_index_new();
    struct column_set columns = {0};
    struct live_rows rows = {0};
    void *const *groups;
    judge_columns(judge, &columns);
    live_rows_read(&rows, shape, &columns, in->payload, in->kept);
    live_index_add(index, &judge, 1, index);
    size_t n = live_index_find(index, &rows, &groups);
    for (size_t side = 0; side < N_LIVE_SIDES; side++) {
        bool may = expected->of[side] == VERDICT_YES || expected->of[side] == VERDICT_LACKING;
        assert(n == 1 || !may);
    }
    live_index_free(index);
    live_rows_release(&rows);
}

static void check(const struct filter *filter, const struct shape *shape, const struct input *in)
{
    struct buf claims = {0};
    filter_claims(filter, in->identity, &claims);
    assert(claims.len == 0 || in->owner == FILTER_VISIBLE);
    buf_release(&claims);
    struct judge *judge = make_judge(filter, shape, in);
    if (!judge) {
        return;
    }
    struct verdicts verdicts = judge_text(judge, shape, in->payload, in->kept);
    if (in->owner == FILTER_CLIENT) {
        struct str shown = STR("{\"new\":{\"k\":1},\"old\":{\"k\":2}}");
        struct verdicts other = judge_text(judge, shape, in->payload, shown);
        struct verdicts without = judge_text(judge, shape, in->payload, (struct str){0});
        check_same(&other, &without);
    }
    check_canonical(filter, shape, in, &verdicts);
    check_not(shape, in, &verdicts);
    check_index(judge, shape, in, &verdicts);
    judge_free(judge);
}

/* The same for all inputs. */
static struct shape *the_shape(void)
{
    static struct shape *shape;
    const char *reason;
    if (!shape) {
        shape = shape_load(1, str_of(description), &reason);
        assert(shape);
    }
    return shape;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    char *copy = mem_alloc(size - 1); /* of the exact size: a read over its end is seen */
    memcpy(copy, data + 1, size - 1);
    struct str rest = {copy, size - 1};
    struct input in = {.owner = data[0] % 2 ? FILTER_VISIBLE : FILTER_CLIENT};
    in.filter = take_text(&rest);
    in.payload = take_text(&rest);
    in.kept = take_text(&rest);
    in.identity = data[0] % 4 < 2 ? identity_new(1, STR("7"), take_text(&rest), 0) : NULL;
    struct filter *filter = parse(in.filter, in.owner);
    if (filter && str_is_utf8(in.payload) && str_is_utf8(in.kept)) {
        check(filter, the_shape(), &in);
    }
    filter_unref(filter);
    identity_unref(in.identity);
    free(copy);
    return 0;
}
