/* SPDX-License-Identifier: PostgreSQL */
/* The old and the new row of an event, as far as somebody judges by them: taken out of its JSON once,
 * live and from the log alike, and compared often. */
#ifndef HERALD_CORE_LIVE_ROWS_H
#define HERALD_CORE_LIVE_ROWS_H

#include "core/live/column_set.h"
#include "core/row/shape.h"

enum live_side { LIVE_OLD, LIVE_NEW, N_LIVE_SIDES };

enum live_state {
    LIVE_LACKING, /* not told: the row is reduced, or the value is not of the column's type */
    LIVE_NULL,
    LIVE_UNKNOWN, /* a label that the shape does not know */
    LIVE_VALUE,
};

struct live_value {
    enum live_state state;
    size_t at; /* of its key (core/live/value/key.h) */
    size_t len;
};

/* Memory that is used again and again; zero-initialise it. */
struct live_rows {
    struct live_value *values[N_LIVE_SIDES]; /* one per column; those not asked for are LACKING */
    size_t n_values;
    bool has[N_LIVE_SIDES]; /* whether there is such a row */
    struct buf keys;
    struct buf scratch;
};

/* Takes the columns out of payload.data.new and .old, and what is not there out of kept.new and
 * .old. Both are JSON texts in valid UTF-8; `kept` may be absent. Of what is none the columns are
 * LACKING. Keys are valid until the next call. */
void live_rows_read(struct live_rows *rows, const struct shape *shape,
                    const struct column_set *columns, struct str payload, struct str kept);
void live_rows_release(struct live_rows *rows);

/* Appends the whole row as one JSON object, told and kept columns. False: there is no such row. */
bool live_image_put(struct buf *out, enum live_side side, struct str payload, struct str kept);

/* Of a column that was asked for; *key is only written where there is a VALUE. */
enum live_state live_rows_value(const struct live_rows *rows, enum live_side side, size_t column,
                                struct str *key);

#endif
