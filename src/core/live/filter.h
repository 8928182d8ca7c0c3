/* SPDX-License-Identifier: PostgreSQL */
/* A filter tree: which rows one wants (a client's filter), or who may see them (the owner's
 * `visible`). It is parsed here without knowing a table; core/live/judge.h types it for a shape.
 *
 *   {"status": {"in": ["open","late"]}, "or": [{"total": {"gt": "100"}}, {"vip": true}],
 *    "not": {"region": {"is": null}}}
 *
 * All members of an object must hold. Keys are columns, or `and` and `or` (a list of trees), or `not`
 * (a tree). A plain value means eq; the operators are
 *
 *   eq neq lt lte gt gte   a value
 *   in nin                 a list of values; in [] is false, nin [] true
 *   is                     null, true or false: the only ones that are never unknown
 *   isdistinct             a value or null: neq that takes NULL for a value
 *   prefix                 a text
 *   like                   a text: % any characters, _ one, \ takes what follows as it is
 *
 * {} and `and` [] are true, `or` [] is false. Everything else is as in SQL: what is compared with
 * NULL is unknown, and what is unknown in the end counts as no.
 *
 * In `visible` a value may be one of the identity that asks, but not under is and isdistinct:
 *
 *   {"identity": "row_id", "dbo_id": 12}   the key of its row, if it is one of that table
 *   {"identity": "extras.a.b"}             a claim; under in and nin a list of up to 100 values
 *
 * Such a leaf is unknown, whatever its operator, to whom has no such claim, or one that does not fit
 * the column. */
#ifndef HERALD_CORE_LIVE_FILTER_H
#define HERALD_CORE_LIVE_FILTER_H

#include "base/buf.h"
#include "core/identity.h"
#include "core/live/limits.h"

enum filter_owner {
    FILTER_CLIENT,  /* names announced columns only */
    FILTER_VISIBLE, /* may have identity parameters, and sees kept columns */
};

struct filter { /* immutable; counted on the hub's thread */
    unsigned refs;
    enum filter_owner owner;
    struct tree_node *root; /* core/live/tree.h */
};

/* One reference. NULL: *why gets one sentence for who wrote it, with the place: or[1].total.gt. The
 * text may be any bytes. */
struct filter *filter_parse(struct str json, enum filter_owner owner, struct buf *why);
struct filter *filter_ref(struct filter *filter);
void filter_unref(struct filter *filter); /* NULL is fine */

/* JSON text, the same for trees that differ in how they are written only: in the order of keys and
 * lists, in what is there twice, eq left out or not, spellings of numbers and texts. */
struct str filter_canonical(const struct filter *filter);
/* Appends what the tree takes from an identity (NULL: anonymous): to whom have the same text, it is
 * the same tree. Nothing if it takes nothing. */
void filter_claims(const struct filter *filter, const struct identity *identity, struct buf *out);

#endif
