/* SPDX-License-Identifier: PostgreSQL */
/* Binds a tree to a shape: each leaf finds its column, its operator is one that the column's type
 * takes, and its values become keys. Who wrote the tree is told what does not fit. It is otherwise
 * with values that come from an identity: nobody is there to be told, and the leaf is unknown.
 *
 * What a client is told must not hang on columns that are not announced. So there is one question
 * (is_named) for who may name a column, and whatever is not named does not exist. */
#include "core/live/term.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/json_walk.h"
#include "core/live/claim.h"
#include "core/live/column_set.h"
#include "core/live/value/decimal.h"
#include "core/live/value/key.h"
#include "core/live/value/value.h"

enum { COLUMNS_TOLD_MAX = 40 };

struct binder {
    enum filter_owner owner;
    const struct shape *shape;
    const struct identity *identity;
    struct buf *why;
    struct buf scratch;
};

static struct term *bind(struct binder *b, const struct tree_node *node);

void term_free(struct term *term)
{
    if (!term) {
        return;
    }
    for (size_t i = 0; i < term->n_children; i++) {
        term_free(term->children[i]);
    }
    free(term->children);
    free(term->keys);
    buf_release(&term->bytes);
    like_free(term->like);
    free(term);
}

/* ---- columns ---- */

static bool is_named(const struct binder *b, const struct shape_column *column)
{
    return column->is_announced || (b->owner == FILTER_VISIBLE && column->is_kept);
}

static bool can_compare(const struct binder *b, size_t column)
{
    return column < COLUMN_SET_MAX && b->shape->f.columns[column].compares != SHAPE_COMPARES_NOT &&
           is_named(b, &b->shape->f.columns[column]);
}

static void tell_columns(const struct binder *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->shape->f.n_columns; i++) {
        if (!can_compare(b, i) || ++n > COLUMNS_TOLD_MAX) {
            continue;
        }
        buf_printf(b->why, "%s\"%s\"", n > 1 ? ", " : "", b->shape->f.columns[i].field.name);
    }
    if (n > COLUMNS_TOLD_MAX) {
        buf_printf(b->why, " and %zu more", n - COLUMNS_TOLD_MAX);
    }
    buf_literal(b->why, n == 0 ? "none" : "");
}

static bool fail_column(const struct binder *b, const struct tree_node *leaf, bool is_there)
{
    buf_printf(b->why, "%s: %s; the columns that a filter may name are ", leaf->place,
               is_there ? "this column's type cannot be compared here" : "there is no such column");
    tell_columns(b);
    return false;
}

static bool find_column(const struct binder *b, const struct tree_node *leaf, size_t *out)
{
    for (size_t i = 0; i < b->shape->f.n_columns; i++) {
        const struct shape_column *column = &b->shape->f.columns[i];
        if (is_named(b, column) && strcmp(column->field.name, leaf->column) == 0) {
            *out = i;
            return can_compare(b, i) || fail_column(b, leaf, true);
        }
    }
    return fail_column(b, leaf, false);
}

/* ---- operators ---- */

#define OP(name) (1u << TREE_##name)
#define OPS_EQUAL                                                                                  \
    (OP(EQ) | OP(NEQ) | OP(IN) | OP(NIN) | OP(IS) | OP(ISDISTINCT)) /* all types take these */
#define OPS_ORDER (OPS_EQUAL | OP(LT) | OP(LTE) | OP(GT) | OP(GTE))
#define OPS_PATTERN (OP(PREFIX) | OP(LIKE))

struct type {
    const char *name;
    unsigned ops;
};

static const struct type types[] = {
    [SHAPE_COMPARES_NOT] = {"a type", 0},
    [SHAPE_COMPARES_BOOL] = {"true or false", OPS_ORDER},
    [SHAPE_COMPARES_INT] = {"a number", OPS_ORDER},
    [SHAPE_COMPARES_NUMERIC] = {"a number", OPS_ORDER},
    [SHAPE_COMPARES_FLOAT4] = {"a number of type real", OPS_ORDER},
    [SHAPE_COMPARES_FLOAT8] = {"a number of type double precision", OPS_ORDER},
    [SHAPE_COMPARES_UUID] = {"a uuid", OPS_ORDER},
    [SHAPE_COMPARES_DATE] = {"a date (2024-02-29)", OPS_ORDER},
    [SHAPE_COMPARES_TIME] = {"a time (10:30:05.123456)", OPS_ORDER},
    [SHAPE_COMPARES_TIMESTAMP] = {"a timestamp (2024-02-29T10:30:05) without an offset", OPS_ORDER},
    [SHAPE_COMPARES_TIMESTAMPTZ] = {"a timestamp with its offset (2024-02-29T10:30:05Z)",
                                    OPS_ORDER},
    [SHAPE_COMPARES_TEXT] = {"a text", OPS_EQUAL | OPS_PATTERN},
    [SHAPE_COMPARES_TEXT_C] = {"a text", OPS_ORDER | OPS_PATTERN},
    [SHAPE_COMPARES_CHAR] = {"a text", OPS_EQUAL},
    [SHAPE_COMPARES_ENUM] = {"one of the type's labels", OPS_ORDER},
};

static bool check_op(const struct binder *b, const struct tree_node *leaf,
                     const struct shape_column *column)
{
    unsigned ops = types[column->compares].ops;
    bool is_first = true;
    if ((ops & 1u << leaf->op) != 0) {
        return true;
    }
    buf_printf(b->why, "%s: the type of column \"%s\" takes ", leaf->place, leaf->column);
    for (size_t i = TREE_EQ; i <= TREE_LIKE; i++) {
        if ((ops & 1u << i) != 0) {
            buf_printf(b->why, "%s%s", is_first ? "" : ", ", tree_op_name((enum tree_op)i));
            is_first = false;
        }
    }
    return false;
}

/* ---- values ---- */

static bool is_too_long(const struct shape_column *column, struct str json, struct buf *scratch)
{
    struct decimal number;
    buf_clear(scratch);
    return key_is_number(column) && value_unquote(scratch, json) &&
           decimal_parse(buf_span(scratch), &number) && decimal_size(&number) > FILTER_DIGITS_MAX;
}

/* Keys are spans when all are there, and the bytes do not move any more: till then they are lengths. */
static enum key_fit add_key(struct binder *b, struct term *term, struct str json)
{
    const struct shape_column *column = &b->shape->f.columns[term->column];
    size_t mark = term->bytes.len;
    if (is_too_long(column, json, &b->scratch)) {
        return KEY_UNFIT;
    }
    enum key_fit fit = key_put(&term->bytes, column, json, &b->scratch);
    if (fit == KEY_FITS) {
        term->keys[term->n_keys++].len = term->bytes.len - mark;
    }
    return fit;
}

static int compare_keys(const void *a, const void *b)
{
    const struct str *x = a, *y = b;
    return key_compare(*x, *y);
}

static void finish_keys(struct term *term)
{
    const char *p = buf_text(&term->bytes);
    size_t n = 0;
    for (size_t i = 0; i < term->n_keys; i++) {
        term->keys[i].ptr = p;
        p += term->keys[i].len;
    }
    if (term->n_keys > 1) {
        qsort(term->keys, term->n_keys, sizeof(*term->keys), compare_keys);
    }
    for (size_t i = 0; i < term->n_keys; i++) {
        if (n == 0 || key_compare(term->keys[n - 1], term->keys[i]) != 0) {
            term->keys[n++] = term->keys[i];
        }
    }
    term->n_keys = n;
}

/* The values are texts of JSON; false: one of them does not fit. A client is told about a label that
 * there is not; an owner's tree may be younger than the shape. */
static bool add_values(struct binder *b, struct term *term, const struct str *values, size_t n)
{
    term->keys = mem_array(NULL, n + 1, sizeof(*term->keys));
    for (size_t i = 0; i < n; i++) {
        enum key_fit fit = add_key(b, term, values[i]);
        if (fit == KEY_UNFIT || (fit == KEY_UNKNOWN && b->owner == FILTER_CLIENT)) {
            return false;
        }
        term->has_unknown = term->has_unknown || fit == KEY_UNKNOWN;
    }
    term->is_unknown = term->has_unknown && !tree_op_is_list(term->op);
    finish_keys(term);
    if (term->op == TREE_LIKE && n > 0) {
        term->like = like_new(term->keys[0]);
        return term->like != NULL;
    }
    return true;
}

static bool bind_constants(struct binder *b, const struct tree_node *leaf, struct term *term)
{
    struct str values[FILTER_VALUES_MAX];
    const char *expected = types[b->shape->f.columns[term->column].compares].name;
    for (size_t i = 0; i < leaf->n_values; i++) {
        values[i] = str_of(leaf->values[i]);
    }
    term->is_null = leaf->n_values == 1 && str_equals(values[0], STR("null"));
    if (term->is_null || add_values(b, term, values, leaf->n_values)) {
        return true;
    }
    if (term->op == TREE_LIKE) {
        buf_printf(b->why, "%s: a piece with _ between two %% has at most %d characters",
                   leaf->place, LIKE_PIECE_MAX);
    } else {
        buf_printf(b->why, "%s: column \"%s\" is compared with %s", leaf->place, leaf->column,
                   expected);
    }
    return false;
}

/* What an identity has, as values. False: it is a list where a value is wanted, or a value where a
 * list is. */
static bool split_claim(struct str json, bool is_list, struct str *values, size_t *n)
{
    struct json_walk walk = json_walk_open(json);
    struct str key;
    bool is_array = json.ptr[0] == '[';
    *n = 0;
    if (is_array != is_list) {
        return false;
    }
    if (!is_array) {
        values[(*n)++] = json;
    }
    while (is_array && *n < FILTER_VALUES_MAX && json_walk_next(&walk, &key, &values[*n])) {
        (*n)++;
    }
    return true;
}

static void bind_claim(struct binder *b, const struct tree_node *leaf, struct term *term)
{
    struct str values[FILTER_VALUES_MAX + 1];
    struct buf json = {0};
    size_t n;
    term->is_unknown = !claim_put(&json, leaf->claim, b->identity) ||
                       !split_claim(buf_span(&json), tree_op_is_list(leaf->op), values, &n) ||
                       !add_values(b, term, values, n) || term->is_unknown;
    buf_release(&json);
}

static bool bind_leaf(struct binder *b, const struct tree_node *leaf, struct term *term)
{
    term->op = leaf->op;
    if (!find_column(b, leaf, &term->column) ||
        !check_op(b, leaf, &b->shape->f.columns[term->column])) {
        return false;
    }
    if (leaf->claim) {
        bind_claim(b, leaf, term);
        return true;
    }
    return bind_constants(b, leaf, term);
}

static bool bind_children(struct binder *b, const struct tree_node *node, struct term *term)
{
    term->children = mem_array(NULL, node->n_children + 1, sizeof(struct term *));
    while (term->n_children < node->n_children) {
        struct term *child = bind(b, node->children[term->n_children]);
        if (!child) {
            return false;
        }
        term->children[term->n_children++] = child;
    }
    return true;
}

static struct term *bind(struct binder *b, const struct tree_node *node)
{
    struct term *term = mem_zalloc(sizeof(*term));
    term->kind = node->kind;
    bool is_good =
        node->kind == TREE_LEAF ? bind_leaf(b, node, term) : bind_children(b, node, term);
    if (!is_good) {
        term_free(term);
        return NULL;
    }
    return term;
}

struct term *term_new(const struct filter *filter, const struct shape *shape,
                      const struct identity *identity, struct buf *why)
{
    struct binder b = {.owner = filter->owner, .shape = shape, .identity = identity, .why = why};
    struct term *root = bind(&b, filter->root);
    buf_release(&b.scratch);
    return root;
}
