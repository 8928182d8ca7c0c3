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

/* A row that passes has one of these keys in the column. */
struct judge_probe {
    size_t column;
    const struct str *keys; /* the judge's */
    size_t n_keys;
};

/* Up to `max` of those that hold for each row that passes: top-level eq and in. */
size_t judge_probes(const struct judge *judge, struct judge_probe *out, size_t max);
bool judge_is_never(const struct judge *judge); /* no row can pass, as is plain to see */

#endif
