/* SPDX-License-Identifier: PostgreSQL */
/* The index against a walk over all groups: whoever may match is named, in the order of adding, and
 * most who cannot are not. */
#include "live_harness.h"

#include "core/live/index.h"

enum { MAX_JUDGES = 2, N_GROUPS = 400, N_VALUES = 6 };

struct group {
    struct judge *judges[MAX_JUDGES];
    size_t n_judges;
    bool is_in;
};

/* xorshift64*, so that a failure can be repeated. */
static uint64_t seed = 88172645463325252u;

static unsigned below(unsigned n)
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (unsigned)((seed * UINT64_C(2685821657736338717)) >> 33) % n;
}

static const char *const columns[] = {"i", "t", "n"};

/* A value of column i, t or n: 0 … 5 or "0" … "5". */
static void put_value(struct buf *out, unsigned column)
{
    buf_printf(out, column == 1 ? "\"%u\"" : "%u", below(N_VALUES));
}

static void put_leaf(struct buf *out)
{
    static const char *const ops[] = {"eq", "eq", "eq", "in", "in", "neq", "gt", "nin", "is"};
    const char *op = ops[below(9)];
    unsigned column = below(3);
    bool is_list = strcmp(op, "in") == 0 || strcmp(op, "nin") == 0;
    op = column == 1 && strcmp(op, "gt") == 0 ? "neq" : op;
    buf_printf(out, "{\"%s\":{\"%s\":", columns[column], op);
    if (strcmp(op, "is") == 0) {
        buf_literal(out, "null}}");
        return;
    }
    buf_literal(out, is_list ? "[" : "");
    for (unsigned i = 0, n = is_list ? below(4) : 1; i < n; i++) {
        buf_literal(out, i > 0 ? "," : "");
        put_value(out, column);
    }
    buf_literal(out, is_list ? "]}}" : "}}");
}

static void put_tree(struct buf *out, unsigned depth)
{
    static const char *const kinds[] = {"and", "and", "or", "not"};
    const char *kind = kinds[below(4)];
    if (depth == 3 || below(3) == 0) {
        put_leaf(out);
        return;
    }
    bool is_list = strcmp(kind, "not") != 0;
    buf_printf(out, "{\"%s\":%s", kind, is_list ? "[" : "");
    for (unsigned i = 0, n = is_list ? below(4) : 1; i < n; i++) {
        buf_literal(out, i > 0 ? "," : "");
        put_tree(out, depth + 1);
    }
    buf_literal(out, is_list ? "]}" : "}");
}

static void put_row(struct buf *out)
{
    bool is_first = true;
    if (below(8) == 0) {
        buf_literal(out, "null");
        return;
    }
    buf_char(out, '{');
    for (unsigned column = 0; column < 3; column++) {
        if (below(8) == 0) {
            continue; /* lacking */
        }
        buf_printf(out, "%s\"%s\":", is_first ? "" : ",", columns[column]);
        is_first = false;
        if (below(6) == 0) {
            buf_literal(out, "null");
        } else {
            put_value(out, column);
        }
    }
    buf_char(out, '}');
}

static bool may_match(const struct group *group, const struct live_rows *rows)
{
    for (size_t side = 0; side < N_LIVE_SIDES; side++) {
        bool may = rows->has[side];
        for (size_t i = 0; may && i < group->n_judges; i++) {
            enum verdict verdict = judge_row(group->judges[i], rows, (enum live_side)side);
            may = verdict == VERDICT_YES || verdict == VERDICT_LACKING;
        }
        if (may) {
            return true;
        }
    }
    return false;
}

static void make_group(struct group *group, const struct shape *shape)
{
    group->n_judges = below(MAX_JUDGES + 1);
    for (size_t i = 0; i < group->n_judges; i++) {
        struct buf json = {0};
        put_tree(&json, 0);
        group->judges[i] = live_judge(buf_text(&json), FILTER_CLIENT, shape, NULL);
        buf_release(&json);
    }
}

/* Every group that may match, each named once, by number. How many were named for nothing. */
static size_t check_found(struct group *groups, void *const *found, size_t n_found,
                          const struct live_rows *rows)
{
    size_t at = 0, in_vain = 0;
    for (size_t i = 0; i < N_GROUPS; i++) {
        bool is_named = at < n_found && found[at] == &groups[i];
        bool may = groups[i].is_in && may_match(&groups[i], rows);
        at += is_named;
        assert_true(is_named || !may);
        assert_true(groups[i].is_in || !is_named);
        in_vain += is_named && !may;
    }
    assert_int_equal(at, n_found);
    return in_vain;
}

/* In the order of their numbers: who comes back is the last, so all behind him come back too. */
static void shuffle(struct live_index *index, struct group *groups, size_t from)
{
    for (size_t i = from; i < N_GROUPS; i++) {
        if (groups[i].is_in) {
            live_index_remove(index, &groups[i]);
        }
        groups[i].is_in = below(4) != 0;
    }
    for (size_t i = from; i < N_GROUPS; i++) {
        if (groups[i].is_in) {
            const struct judge *const judges[] = {groups[i].judges[0], groups[i].judges[1]};
            live_index_add(index, judges, groups[i].n_judges, &groups[i]);
        }
    }
}

static void test_against_a_walk_over_all(void **state)
{
    struct shape *shape = live_shape(ALL_COLUMNS);
    struct group *groups = calloc(N_GROUPS, sizeof(*groups));
    struct live_index *index = live_index_new();
    struct column_set needed = {0};
    struct live_rows rows = {0};
    size_t in_vain = 0, n_named = 0;
    (void)state;
    for (size_t i = 0; i < N_GROUPS; i++) {
        make_group(&groups[i], shape);
        for (size_t j = 0; j < groups[i].n_judges; j++) {
            judge_columns(groups[i].judges[j], &needed);
        }
    }
    for (int i = 0; i < 3000; i++) {
        struct buf old = {0}, new = {0};
        void *const *found;
        put_row(&old);
        put_row(&new);
        live_read(&rows, shape, &needed, buf_text(&old), buf_text(&new), NULL);
        size_t n = live_index_find(index, &rows, &found);
        in_vain += check_found(groups, found, n, &rows);
        n_named += n;
        buf_release(&old);
        buf_release(&new);
        if (i % 10 == 0) {
            shuffle(index, groups, below(N_GROUPS));
        }
    }
    assert_true(n_named > 10000 && in_vain < n_named / 2);
    live_index_free(index);
    for (size_t i = 0; i < N_GROUPS; i++) {
        judge_free(groups[i].judges[0]);
        judge_free(groups[i].judges[1]);
    }
    free(groups);
    live_rows_release(&rows);
    shape_unref(shape);
}

/* ---- what a look costs ---- */

static size_t find_one(struct live_index *index, const struct shape *shape,
                       const struct column_set *needed, const char *new)
{
    struct live_rows rows = {0};
    void *const *found;
    live_read(&rows, shape, needed, "null", new, NULL);
    size_t n = live_index_find(index, &rows, &found);
    live_rows_release(&rows);
    return n;
}

static void test_many_groups_and_few_hits(void **state)
{
    enum { N = 10000 };
    struct shape *shape = live_shape(ALL_COLUMNS);
    struct judge **judges = calloc(N, sizeof(*judges));
    struct live_index *index = live_index_new();
    struct column_set needed = {0};
    (void)state;
    /* All have b in common, which comes first and must not be what they are found by: but one. */
    for (int i = 0; i < N; i++) {
        char json[64];
        snprintf(json, sizeof json, "{\"b\":true,\"i\":%d}", i);
        judges[i] = live_judge(json, FILTER_CLIENT, shape, NULL);
        judge_columns(judges[i], &needed);
        live_index_add(index, (const struct judge *const *)&judges[i], 1, judges[i]);
    }
    assert_in_range(find_one(index, shape, &needed, "{\"b\":true,\"i\":500}"), 1, 2);
    assert_in_range(find_one(index, shape, &needed, "{\"b\":false,\"i\":-1}"), 0, 0);
    assert_true(find_one(index, shape, &needed, "{\"b\":true}") >= N - 2);
    for (int i = 0; i < N; i++) {
        live_index_remove(index, judges[i]);
        live_index_remove(index, judges[i]);
        judge_free(judges[i]);
    }
    assert_int_equal(find_one(index, shape, &needed, "{\"b\":true}"), 0);
    live_index_free(index);
    free(judges);
    shape_unref(shape);
}

/* Those with an `or` are found by each of its branches; the first one by what all have in common. */
static void test_many_groups_with_branches(void **state)
{
    enum { N = 1000 };
    struct shape *shape = live_shape(ALL_COLUMNS);
    struct judge *judges[N];
    struct live_index *index = live_index_new();
    struct column_set needed = {0};
    (void)state;
    for (int i = 0; i < N; i++) {
        char json[120];
        snprintf(json, sizeof json,
                 "{\"or\":[{\"i\":%d},{\"b\":true,\"n\":%d},{\"and\":[{\"or\":[{\"i\":%d}]}]}]}", i,
                 i, i + N);
        judges[i] = live_judge(json, FILTER_CLIENT, shape, NULL);
        judge_columns(judges[i], &needed);
        live_index_add(index, (const struct judge *const *)&judges[i], 1, judges[i]);
    }
    assert_in_range(find_one(index, shape, &needed, "{\"b\":true,\"i\":5,\"n\":-1}"), 1, 2);
    assert_in_range(find_one(index, shape, &needed, "{\"b\":false,\"i\":1005,\"n\":7}"), 2, 3);
    assert_in_range(find_one(index, shape, &needed, "{\"b\":true,\"i\":null,\"n\":7}"), 1, 2);
    assert_in_range(find_one(index, shape, &needed, "{\"b\":true,\"i\":-1,\"n\":-1}"), 0, 1);
    for (int i = 0; i < N; i++) {
        live_index_remove(index, judges[i]);
        judge_free(judges[i]);
    }
    live_index_free(index);
    shape_unref(shape);
}

static const struct {
    const char *filter;
    size_t n_found; /* for {"i":1} */
} residues[] = {
    {"{\"i\":1}", 1},
    {"{\"i\":2}", 0},
    {"{\"i\":{\"in\":[3,1]}}", 1},
    {"{\"and\":[{\"or\":[]},{\"n\":{\"gt\":1}}]}", 0}, /* never */
    {"{\"i\":{\"in\":[]}}", 0},
    {"{\"i\":{\"gt\":5}}", 1},
    {"{}", 1},
    {"{\"or\":[{\"i\":1},{\"i\":2}]}", 1},
    {"{\"or\":[{\"i\":2},{\"t\":\"a\"}]}", 1}, /* which it lacks */
    {"{\"or\":[{\"i\":2},{\"and\":[{\"t\":{\"neq\":\"x\"}},{\"i\":{\"in\":[3,1]}}]}]}", 1},
    {"{\"or\":[{\"i\":2},{\"t\":{\"neq\":\"x\"}}]}", 1}, /* tried */
    {"{\"or\":[{\"i\":2},{\"i\":{\"in\":[]}}]}", 0},
    {"{\"n\":{\"gt\":1},\"or\":[{\"i\":2},{\"i\":3}]}", 0},
    {"{\"not\":{\"i\":1}}", 1},
};

static void test_residue(void **state)
{
    struct shape *shape = live_shape(ALL_COLUMNS);
    struct live_index *index = live_index_new();
    struct column_set needed = {0};
    (void)state;
    column_set_add(&needed, 1);
    for (size_t i = 0; i < sizeof(residues) / sizeof(residues[0]); i++) {
        struct judge *judge = live_judge(residues[i].filter, FILTER_CLIENT, shape, NULL);
        live_index_add(index, (const struct judge *const *)&judge, 1, judge);
        assert_int_equal(find_one(index, shape, &needed, "{\"i\":1}"), residues[i].n_found);
        live_index_remove(index, judge);
        judge_free(judge);
    }
    live_index_add(index, NULL, 0, index); /* everything, to everybody */
    assert_int_equal(find_one(index, shape, &needed, "{\"i\":1}"), 1);
    live_index_free(index);
    shape_unref(shape);
}

/* A parameter that nobody has is never, whoever it would be otherwise. */
static void test_claims(void **state)
{
    static const char *const visible = "{\"org\":{\"eq\":{\"identity\":\"extras.org\"}}}";
    struct shape *shape = live_shape(ALL_COLUMNS);
    struct live_index *index = live_index_new();
    struct identity *identity = identity_new(1, STR("1"), STR("{\"org\":\"a\"}"), 0);
    struct judge *judges[] = {live_judge(visible, FILTER_VISIBLE, shape, NULL),
                              live_judge(visible, FILTER_VISIBLE, shape, identity)};
    struct column_set needed = {0};
    struct live_rows rows = {0};
    void *const *found;
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        judge_columns(judges[i], &needed);
        live_index_add(index, (const struct judge *const *)&judges[i], 1, judges[i]);
    }
    live_read(&rows, shape, &needed, "null", "{}", "{\"new\":{\"org\":\"a\"},\"old\":null}");
    assert_int_equal(live_index_find(index, &rows, &found), 1);
    assert_ptr_equal(found[0], judges[1]);
    live_read(&rows, shape, &needed, "null", "{}", NULL);
    assert_int_equal(live_index_find(index, &rows, &found), 1); /* it is lacking */
    live_index_free(index);
    judge_free(judges[0]);
    judge_free(judges[1]);
    live_rows_release(&rows);
    identity_unref(identity);
    shape_unref(shape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_a_walk_over_all),
        cmocka_unit_test(test_many_groups_and_few_hits),
        cmocka_unit_test(test_many_groups_with_branches),
        cmocka_unit_test(test_residue),
        cmocka_unit_test(test_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
