/* SPDX-License-Identifier: PostgreSQL */
/* Three-valued logic over rows that may lack columns. A leaf on a lacking column could be anything,
 * so what is computed is not one truth but the least and the most that it may be, in the order no <
 * unknown < yes: `and` is the minimum of both, `or` the maximum, and `not` turns them over. A row
 * passes for sure if even the least is yes, and surely not if the most is less. That is the only
 * thing that has to be right here: a column that is lacking must never look like NULL. */
#include "core/live/judge.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/live/term.h"
#include "core/live/value/key.h"
#include "core/live/value/like.h"

struct judge {
    struct term *root;
};

struct truth {
    enum verdict least; /* NO, UNKNOWN or YES */
    enum verdict most;
};

static const struct truth no = {VERDICT_NO, VERDICT_NO};
static const struct truth unknown = {VERDICT_UNKNOWN, VERDICT_UNKNOWN};
static const struct truth yes = {VERDICT_YES, VERDICT_YES};

static struct truth certainly(bool is_true)
{
    return is_true ? yes : no;
}

static bool list_has(const struct term *leaf, struct str key)
{
    size_t low = 0, high = leaf->n_keys;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = key_compare(leaf->keys[middle], key);
        if (order == 0) {
            return true;
        }
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return false;
}

static bool compare(const struct term *leaf, struct str key)
{
    switch (leaf->op) {
    case TREE_EQ:
    case TREE_IS:
        return key_compare(key, leaf->keys[0]) == 0;
    case TREE_NEQ:
    case TREE_ISDISTINCT:
        return key_compare(key, leaf->keys[0]) != 0;
    case TREE_LT:
        return key_compare(key, leaf->keys[0]) < 0;
    case TREE_LTE:
        return key_compare(key, leaf->keys[0]) <= 0;
    case TREE_GT:
        return key_compare(key, leaf->keys[0]) > 0;
    case TREE_GTE:
        return key_compare(key, leaf->keys[0]) >= 0;
    case TREE_PREFIX:
        return str_starts(key, leaf->keys[0]);
    case TREE_LIKE:
        return like_matches(leaf->like, key);
    case TREE_IN:
    case TREE_NIN:
        break;
    }
    return false;
}

/* What is in the list is; of anything else that cannot be said if the list has a label that the shape
 * does not know. */
static struct truth judge_in(const struct term *leaf, struct str key)
{
    bool is_in = list_has(leaf, key);
    return !is_in && leaf->has_unknown ? unknown : certainly(is_in == (leaf->op == TREE_IN));
}

static struct truth judge_null(const struct term *leaf)
{
    if (leaf->op == TREE_IS) {
        return certainly(leaf->is_null);
    }
    return leaf->op == TREE_ISDISTINCT ? certainly(!leaf->is_null) : unknown;
}

static struct truth judge_value(const struct term *leaf, struct str key)
{
    if (tree_op_is_list(leaf->op)) {
        return judge_in(leaf, key);
    }
    return leaf->is_null ? certainly(leaf->op == TREE_ISDISTINCT) : certainly(compare(leaf, key));
}

/* A label that nobody knows here is one, and is not NULL: that much is certain. */
static struct truth judge_strange(const struct term *leaf)
{
    return leaf->is_null ? certainly(leaf->op == TREE_ISDISTINCT) : unknown;
}

static struct truth judge_leaf(const struct term *leaf, const struct live_rows *rows,
                               enum live_side side)
{
    struct str key = {0};
    if (leaf->is_unknown) {
        return unknown;
    }
    if (tree_op_is_list(leaf->op) && leaf->n_keys == 0 && !leaf->has_unknown) {
        return certainly(leaf->op == TREE_NIN);
    }
    switch (live_rows_value(rows, side, leaf->column, &key)) {
    case LIVE_NULL:
        return judge_null(leaf);
    case LIVE_UNKNOWN:
        return judge_strange(leaf);
    case LIVE_VALUE:
        return judge_value(leaf, key);
    case LIVE_LACKING:
        break;
    }
    return (struct truth){VERDICT_NO, VERDICT_YES};
}

static struct truth judge_term(const struct term *term, const struct live_rows *rows,
                               enum live_side side);

static enum verdict further(enum verdict a, enum verdict b, bool is_and)
{
    return (a < b) == is_and ? a : b;
}

static struct truth judge_list(const struct term *list, const struct live_rows *rows,
                               enum live_side side)
{
    bool is_and = list->kind == TREE_AND;
    struct truth all = certainly(is_and), end = certainly(!is_and);
    for (size_t i = 0; i < list->n_children; i++) {
        struct truth one = judge_term(list->children[i], rows, side);
        all.least = further(all.least, one.least, is_and);
        all.most = further(all.most, one.most, is_and);
        if (all.least == end.least && all.most == end.most) {
            break;
        }
    }
    return all;
}

static struct truth judge_term(const struct term *term, const struct live_rows *rows,
                               enum live_side side)
{
    struct truth child;
    switch (term->kind) {
    case TREE_LEAF:
        return judge_leaf(term, rows, side);
    case TREE_NOT:
        child = judge_term(term->children[0], rows, side);
        return (struct truth){VERDICT_YES - child.most, VERDICT_YES - child.least};
    case TREE_AND:
    case TREE_OR:
        break;
    }
    return judge_list(term, rows, side);
}

enum verdict judge_row(const struct judge *judge, const struct live_rows *rows, enum live_side side)
{
    if (!rows->has[side]) {
        return VERDICT_NO;
    }
    struct truth truth = judge_term(judge->root, rows, side);
    if (truth.least == truth.most || truth.most < VERDICT_YES) {
        return truth.most;
    }
    return VERDICT_LACKING;
}

/* ---- columns, and what an index asks ---- */

static void add_columns(const struct term *term, struct column_set *needed)
{
    for (size_t i = 0; i < term->n_children; i++) {
        add_columns(term->children[i], needed);
    }
    if (term->kind == TREE_LEAF && !term->is_unknown) {
        column_set_add(needed, term->column);
    }
}

void judge_columns(const struct judge *judge, struct column_set *needed)
{
    add_columns(judge->root, needed);
}

#define PRICE_NONE SIZE_MAX /* it has no cover */

static bool is_probe(const struct term *term)
{
    return term->kind == TREE_LEAF && (term->op == TREE_EQ || term->op == TREE_IN);
}

static struct judge_probe probe_of(const struct term *leaf)
{
    return (struct judge_probe){leaf->column, leaf->keys, leaf->n_keys};
}

static size_t price_of(const struct term *term, const struct judge_cost *cost);

/* An `and` is covered by one of its parts, an `or` by all of them together. */
static size_t price_of_list(const struct term *list, const struct judge_cost *cost)
{
    bool is_and = list->kind == TREE_AND;
    size_t price = is_and ? PRICE_NONE : 0;
    for (size_t i = 0; i < list->n_children; i++) {
        size_t part = price_of(list->children[i], cost);
        if (is_and) {
            price = part < price ? part : price;
        } else {
            price = part == PRICE_NONE || price == PRICE_NONE ? PRICE_NONE : price + part;
        }
    }
    return price;
}

static size_t price_of(const struct term *term, const struct judge_cost *cost)
{
    struct judge_probe probe = probe_of(term);
    switch (term->kind) {
    case TREE_LEAF:
        return term->is_unknown ? 0 : is_probe(term) ? cost->of(cost->arg, &probe) : PRICE_NONE;
    case TREE_NOT:
        return PRICE_NONE;
    case TREE_AND:
    case TREE_OR:
        break;
    }
    return price_of_list(term, cost);
}

/* Of a term that has a cover. */
static void put_cover(const struct term *term, const struct judge_cost *cost,
                      struct judge_probe out[JUDGE_PROBES_MAX], size_t *n)
{
    const struct term *best = NULL;
    size_t least = PRICE_NONE;
    if (is_probe(term) && !term->is_unknown && term->n_keys > 0) {
        out[(*n)++] = probe_of(term);
    }
    for (size_t i = 0; i < term->n_children; i++) {
        size_t price = price_of(term->children[i], cost);
        if (term->kind == TREE_OR) {
            put_cover(term->children[i], cost, out, n);
        } else if (price < least) {
            best = term->children[i];
            least = price;
        }
    }
    if (best) {
        put_cover(best, cost, out, n);
    }
}

bool judge_cover(const struct judge *judge, const struct judge_cost *cost,
                 struct judge_probe out[JUDGE_PROBES_MAX], size_t *n, size_t *price)
{
    *n = 0;
    *price = price_of(judge->root, cost);
    if (*price == PRICE_NONE) {
        return false;
    }
    put_cover(judge->root, cost, out, n);
    return true;
}

struct judge *judge_new(const struct filter *filter, const struct shape *shape,
                        const struct identity *identity, struct buf *why)
{
    struct term *root = term_new(filter, shape, identity, why);
    if (!root) {
        return NULL;
    }
    struct judge *judge = mem_alloc(sizeof(*judge));
    judge->root = root;
    return judge;
}

void judge_free(struct judge *judge)
{
    if (judge) {
        term_free(judge->root);
        free(judge);
    }
}
