/* SPDX-License-Identifier: PostgreSQL */
/* A filter tree for one shape and one identity: its values have the types of their columns, and a
 * row is judged without a look at a text. */
#ifndef HERALD_CORE_LIVE_JUDGE_H
#define HERALD_CORE_LIVE_JUDGE_H

#include "core/live/filter.h"
#include "core/live/rows.h"

enum verdict {
    VERDICT_NO,
    VERDICT_UNKNOWN, /* NULL in SQL: counts as no */
    VERDICT_YES,
    VERDICT_LACKING, /* may be yes, or not: that hangs on what the row lacks */
};

struct judge; /* immutable; needs neither filter, shape nor identity any more */

/* NULL: *why gets one sentence: the place, the column, and which there are. A client is told about a
 * column that is not announced what it is told about one that does not exist. */
struct judge *judge_new(const struct filter *filter, const struct shape *shape,
                        const struct identity *identity, struct buf *why);
void judge_free(struct judge *judge); /* NULL is fine */

void judge_columns(const struct judge *judge, struct column_set *needed); /* adds its own */

/* The rows were read by the judge's shape, with its columns. No such row: NO. */
enum verdict judge_row(const struct judge *judge, const struct live_rows *rows,
                       enum live_side side);

/* ---- for an index ---- */

/* A row has one of these keys in the column. */
struct judge_probe {
    size_t column;
    const struct str *keys; /* the judge's */
    size_t n_keys;
};

struct judge_cost { /* of being found by a probe */
    size_t (*of)(const void *arg, const struct judge_probe *probe);
    const void *arg;
};

enum { JUDGE_PROBES_MAX = FILTER_LEAVES_MAX };

/* A cover is a set of probes of which each row that passes answers one: an eq or in, one of each
 * branch of an `or`. The cheapest one: its probes (0: no row can pass, as is plain to see) and its
 * cost. False: there is none, each row has to be tried. */
bool judge_cover(const struct judge *judge, const struct judge_cost *cost,
                 struct judge_probe out[JUDGE_PROBES_MAX], size_t *n, size_t *price);

#endif
