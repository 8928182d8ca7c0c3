/* SPDX-License-Identifier: PostgreSQL */
/* What a filter consists of, for the files of this folder. Nodes are put into their normal form
 * where they are made, from the leaves up, so that every tree that there is, is canonical. */
#ifndef HERALD_CORE_LIVE_TREE_H
#define HERALD_CORE_LIVE_TREE_H

#include "base/buf.h"

enum tree_kind {
    TREE_AND, /* without children: true */
    TREE_OR,  /* without children: false */
    TREE_NOT,
    TREE_LEAF,
};

enum tree_op {
    TREE_EQ,
    TREE_NEQ,
    TREE_LT,
    TREE_LTE,
    TREE_GT,
    TREE_GTE,
    TREE_IN,
    TREE_NIN,
    TREE_IS,
    TREE_ISDISTINCT,
    TREE_PREFIX,
    TREE_LIKE,
};

/* What of an identity stands in the place of a value. */
struct tree_claim {
    int32_t dbo_id; /* its row_id, if this is its table; 0: */
    char *path;     /* the keys of a claim in extras, with dots between them; NULL: row_id */
};

struct tree_node {
    enum tree_kind kind;
    struct tree_node **children;
    size_t n_children;
    /* a leaf: */
    char *place; /* as the first who wrote it finds it */
    char *column;
    enum tree_op op;
    char **values; /* canonical JSON texts; of in and nin any number, else one */
    size_t n_values;
    struct tree_claim *claim; /* NULL: values */
    struct buf text;          /* canonical JSON */
};

const char *tree_op_name(enum tree_op op);
bool tree_op_find(struct str name, enum tree_op *out);
bool tree_op_is_list(enum tree_op op); /* in and nin */

/* A node of this kind without parts. A leaf is filled by its maker. */
struct tree_node *tree_new(enum tree_kind kind);
void tree_add(struct tree_node *node, struct tree_node *child_take);
void tree_free(struct tree_node *node); /* NULL is fine */
/* The normal form of a node whose children are in theirs already, with its text. */
struct tree_node *tree_normalise(struct tree_node *node_take);

#endif
