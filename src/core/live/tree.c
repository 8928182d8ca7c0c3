/* SPDX-License-Identifier: PostgreSQL */
/* Trees and their normal form: lists are flat, sorted by their texts, without anything twice and
 * without what changes nothing; a list of one is its only element, and not of not is nothing. All of
 * that holds in three-valued logic too. What could only be found out by comparing values (a < 1 and
 * a < 2) stays as it is: two such trees are two groups, and that costs time but is not wrong. */
#include "core/live/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char *const op_names[] = {
    [TREE_EQ] = "eq",     [TREE_NEQ] = "neq",       [TREE_LT] = "lt",
    [TREE_LTE] = "lte",   [TREE_GT] = "gt",         [TREE_GTE] = "gte",
    [TREE_IN] = "in",     [TREE_NIN] = "nin",       [TREE_IS] = "is",
    [TREE_LIKE] = "like", [TREE_PREFIX] = "prefix", [TREE_ISDISTINCT] = "isdistinct",
};

const char *tree_op_name(enum tree_op op)
{
    return op_names[op];
}

bool tree_op_find(struct str name, enum tree_op *out)
{
    for (size_t i = 0; i < sizeof(op_names) / sizeof(op_names[0]); i++) {
        if (str_equals(name, str_of(op_names[i]))) {
            *out = (enum tree_op)i;
            return true;
        }
    }
    return false;
}

bool tree_op_is_list(enum tree_op op)
{
    return op == TREE_IN || op == TREE_NIN;
}

struct tree_node *tree_new(enum tree_kind kind)
{
    struct tree_node *node = mem_zalloc(sizeof(*node));
    node->kind = kind;
    return node;
}

void tree_add(struct tree_node *node, struct tree_node *child_take)
{
    node->children = mem_array(node->children, node->n_children + 1, sizeof(struct tree_node *));
    node->children[node->n_children++] = child_take;
}

void tree_free(struct tree_node *node)
{
    if (!node) {
        return;
    }
    for (size_t i = 0; i < node->n_children; i++) {
        tree_free(node->children[i]);
    }
    for (size_t i = 0; i < node->n_values; i++) {
        free(node->values[i]);
    }
    if (node->claim) {
        free(node->claim->path);
    }
    free(node->claim);
    free(node->children);
    free(node->values);
    free(node->place);
    free(node->column);
    buf_release(&node->text);
    free(node);
}

/* ---- texts ---- */

static void put_claim(struct buf *out, const struct tree_claim *claim)
{
    struct buf path = {0};
    buf_literal(out, "{\"identity\":");
    if (claim->path) {
        buf_printf(&path, "extras.%s", claim->path);
        buf_json_string(out, buf_span(&path));
        buf_release(&path);
    } else {
        buf_printf(out, "\"row_id\",\"dbo_id\":%d", claim->dbo_id);
    }
    buf_char(out, '}');
}

static void put_values(struct buf *out, const struct tree_node *leaf)
{
    bool is_list = tree_op_is_list(leaf->op);
    buf_literal(out, is_list ? "[" : "");
    for (size_t i = 0; i < leaf->n_values; i++) {
        buf_literal(out, i > 0 ? "," : "");
        buf_literal(out, leaf->values[i]);
    }
    buf_literal(out, is_list ? "]" : "");
}

static void put_leaf(struct buf *out, const struct tree_node *leaf)
{
    buf_char(out, '{');
    buf_json_string(out, str_of(leaf->column));
    buf_printf(out, ":{\"%s\":", tree_op_name(leaf->op));
    if (leaf->claim) {
        put_claim(out, leaf->claim);
    } else {
        put_values(out, leaf);
    }
    buf_literal(out, "}}");
}

static void put_list(struct buf *out, const struct tree_node *node)
{
    buf_literal(out, node->kind == TREE_AND ? "{\"and\":[" : "{\"or\":[");
    for (size_t i = 0; i < node->n_children; i++) {
        buf_literal(out, i > 0 ? "," : "");
        buf_str(out, buf_span(&node->children[i]->text));
    }
    buf_literal(out, "]}");
}

static void put_node(struct buf *out, const struct tree_node *node)
{
    if (node->kind == TREE_LEAF) {
        put_leaf(out, node);
    } else if (node->kind == TREE_NOT) {
        buf_literal(out, "{\"not\":");
        buf_str(out, buf_span(&node->children[0]->text));
        buf_char(out, '}');
    } else if (node->kind == TREE_AND && node->n_children == 0) {
        buf_literal(out, "{}");
    } else {
        put_list(out, node);
    }
}

static struct tree_node *with_text(struct tree_node *node)
{
    buf_clear(&node->text);
    put_node(&node->text, node);
    return node;
}

/* ---- the normal form ---- */

static int compare_values(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct tree_node *normalise_leaf(struct tree_node *leaf)
{
    size_t n = 0;
    if (!tree_op_is_list(leaf->op) || leaf->claim) {
        return with_text(leaf);
    }
    if (leaf->n_values > 1) {
        qsort(leaf->values, leaf->n_values, sizeof(char *), compare_values);
    }
    for (size_t i = 0; i < leaf->n_values; i++) {
        if (n > 0 && strcmp(leaf->values[n - 1], leaf->values[i]) == 0) {
            free(leaf->values[i]);
        } else {
            leaf->values[n++] = leaf->values[i];
        }
    }
    leaf->n_values = n;
    if (n == 1) {
        leaf->op = leaf->op == TREE_IN ? TREE_EQ : TREE_NEQ;
    }
    return with_text(leaf);
}

static bool is_constant(const struct tree_node *node)
{
    return (node->kind == TREE_AND || node->kind == TREE_OR) && node->n_children == 0;
}

/* The only child, which leaves its parent. */
static struct tree_node *take_only(struct tree_node *node)
{
    struct tree_node *child = node->children[0];
    node->n_children = 0;
    tree_free(node);
    return child;
}

static struct tree_node *normalise_not(struct tree_node *node)
{
    struct tree_node *child = node->children[0];
    if (child->kind == TREE_NOT) {
        return take_only(take_only(node));
    }
    if (is_constant(child)) {
        child = take_only(node);
        child->kind = child->kind == TREE_AND ? TREE_OR : TREE_AND;
        return with_text(child);
    }
    return with_text(node);
}

/* Children of the same kind give their own children; that also drops those without any. */
static void flatten(struct tree_node *node)
{
    struct tree_node **given = node->children;
    size_t n = node->n_children;
    node->children = NULL;
    node->n_children = 0;
    for (size_t i = 0; i < n; i++) {
        if (given[i]->kind != node->kind) {
            tree_add(node, given[i]);
            continue;
        }
        for (size_t j = 0; j < given[i]->n_children; j++) {
            tree_add(node, given[i]->children[j]);
        }
        given[i]->n_children = 0;
        tree_free(given[i]);
    }
    free(given);
}

static int compare_spans(struct str a, struct str b)
{
    int order = memcmp(a.ptr, b.ptr, a.len < b.len ? a.len : b.len);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_nodes(const void *a, const void *b)
{
    const struct tree_node *x = *(struct tree_node *const *)a;
    const struct tree_node *y = *(struct tree_node *const *)b;
    return compare_spans(buf_span(&x->text), buf_span(&y->text));
}

static void drop_twins(struct tree_node *node)
{
    size_t n = 0;
    for (size_t i = 0; i < node->n_children; i++) {
        if (n > 0 && compare_nodes(&node->children[n - 1], &node->children[i]) == 0) {
            tree_free(node->children[i]);
        } else {
            node->children[n++] = node->children[i];
        }
    }
    node->n_children = n;
}

static struct tree_node *normalise_list(struct tree_node *node)
{
    flatten(node);
    if (node->n_children > 1) {
        qsort(node->children, node->n_children, sizeof(struct tree_node *), compare_nodes);
        drop_twins(node);
    }
    return node->n_children == 1 ? take_only(node) : with_text(node);
}

struct tree_node *tree_normalise(struct tree_node *node_take)
{
    switch (node_take->kind) {
    case TREE_LEAF:
        return normalise_leaf(node_take);
    case TREE_NOT:
        return normalise_not(node_take);
    case TREE_AND:
    case TREE_OR:
        break;
    }
    return normalise_list(node_take);
}
