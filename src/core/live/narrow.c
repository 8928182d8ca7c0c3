/* SPDX-License-Identifier: PostgreSQL */
#include "core/live/narrow.h"

#include <string.h>

#include "core/json_walk.h"
#include "core/live/claim.h"
#include "core/live/tree.h"
#include "core/row/channel.h"

static bool find_column(const struct shape *shape, const char *name, size_t *out)
{
    for (size_t i = 0; i < shape->f.n_columns; i++) {
        if (strcmp(shape->f.columns[i].field.name, name) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool op_narrows(enum tree_op op)
{
    return op == TREE_EQ || op == TREE_IN || op == TREE_LT || op == TREE_LTE || op == TREE_GT ||
           op == TREE_GTE;
}

static void put_head(struct buf *out, size_t column, const char *op)
{
    buf_printf(out, "%s{\"column\":%zu,\"op\":\"%s\",\"values\":[", out->len > 0 ? "," : "", column,
               op);
}

/* Canonical JSON of a scalar, as a text. */
static void put_value(struct buf *out, struct str json, bool is_first)
{
    buf_literal(out, is_first ? "" : ",");
    if (json.len > 0 && json.ptr[0] == '"') {
        buf_str(out, json);
    } else {
        buf_json_string(out, json);
    }
}

/* Who has no such claim passes with no row. */
static void put_claim(struct buf *out, const struct tree_claim *claim,
                      const struct identity *identity)
{
    struct buf text = {0};
    if (claim_put(&text, claim, identity) && text.len > 0 && text.data[0] == '[') {
        buf_add(out, text.data + 1, text.len - 2);
    } else if (text.len > 0) {
        put_value(out, buf_span(&text), true);
    }
    buf_release(&text);
}

static void narrow_leaf(struct buf *out, const struct tree_node *leaf, const struct shape *shape,
                        const struct identity *identity)
{
    size_t column;
    bool is_list = leaf->op == TREE_IN;
    if (!op_narrows(leaf->op) || !find_column(shape, leaf->column, &column) ||
        (leaf->claim && !is_list && leaf->op != TREE_EQ)) {
        return;
    }
    put_head(out, column, leaf->claim ? "in" : tree_op_name(leaf->op));
    for (size_t i = 0; !leaf->claim && i < leaf->n_values; i++) {
        put_value(out, str_of(leaf->values[i]), i == 0);
    }
    if (leaf->claim) {
        put_claim(out, leaf->claim, identity);
    }
    buf_literal(out, "]}");
}

void narrow_filter(struct buf *out, const struct filter *filter, const struct shape *shape,
                   const struct identity *identity)
{
    const struct tree_node *root = filter->root;
    if (root->kind == TREE_LEAF) {
        narrow_leaf(out, root, shape, identity);
    }
    for (size_t i = 0; root->kind == TREE_AND && i < root->n_children; i++) {
        if (root->children[i]->kind == TREE_LEAF) {
            narrow_leaf(out, root->children[i], shape, identity);
        }
    }
}

void narrow_channel(struct buf *out, const struct shape *shape, struct str name)
{
    struct buf value = {0};
    for (size_t i = 0; i < shape->f.n_template; i++) {
        buf_clear(&value);
        if (!shape->f.template[i].literal && shape_channel_value(shape, name, i, &value)) {
            put_head(out, shape->f.template[i].column, "eq");
            buf_json_string(out, buf_span(&value));
            buf_literal(out, "]}");
        }
    }
    buf_release(&value);
}
