/* SPDX-License-Identifier: PostgreSQL */
/* What a judge consists of: the nodes of a tree, bound to the columns of a shape. For the files of
 * this folder. */
#ifndef HERALD_CORE_LIVE_TERM_H
#define HERALD_CORE_LIVE_TERM_H

#include "core/live/filter.h"
#include "core/live/tree.h"
#include "core/live/value/like.h"
#include "core/row/shape.h"

struct term {
    enum tree_kind kind;
    struct term **children;
    size_t n_children;
    /* a leaf: */
    enum tree_op op;
    size_t column;
    bool is_unknown;  /* whatever the row: its claim is missing, or its label */
    bool has_unknown; /* a list: one of its labels is */
    bool is_null;     /* is and isdistinct: the value is null, and there is no key */
    struct str *keys; /* in order, nothing twice; they lie in `bytes` */
    size_t n_keys;
    struct buf bytes;
    struct like *like;
};

/* NULL: *why says what judge_new (core/live/judge.h) tells. */
struct term *term_new(const struct filter *filter, const struct shape *shape,
                      const struct identity *identity, struct buf *why);
void term_free(struct term *term); /* NULL is fine */

#endif
