/* SPDX-License-Identifier: PostgreSQL */
/* The seam to the rows that there are in a watched table. On the hub thread; answers never come from
 * inside the call that asks. */
#ifndef HERALD_CORE_STORE_SNAPSHOT_H
#define HERALD_CORE_STORE_SNAPSHOT_H

#include "core/error_code.h"
#include "core/row/shape.h"

struct store_snapshot_query {
    struct str watch;      /* its key */
    struct str channel;    /* whose head is wanted */
    struct str conditions; /* JSON, as herald.read_snapshot() takes them: they narrow, no more */
    struct str order;      /* the same; absent: none */
    uint32_t max_rows;
};

struct store_row {
    bool is_reduced;
    struct str text; /* as the shape's rows are captured; of a reduced one, the short columns */
};

struct store_snapshot { /* of one moment: rows, head, and which transactions were over */
    bool is_failed;     /* `code` says what to tell, and the rest is unset */
    bool is_moved;      /* the table was altered meanwhile: to be read again */
    enum error_code code;
    struct str epoch;
    uint64_t head;
    struct str snapshot; /* core/live/txid.h */
    struct shape *shape; /* borrowed */
    uint64_t changed;    /* as struct watch has it */
    struct store_row *rows;
    size_t n_rows;
};

typedef void store_snapshot_fn(void *arg, const struct store_snapshot *answer);

struct store_snapshots {
    void *ctx;
    /* Borrows the spans for the call. `done` is called exactly once, later. */
    void (*read)(void *ctx, const struct store_snapshot_query *query, store_snapshot_fn *done,
                 void *arg);
};

#endif
