/* SPDX-License-Identifier: PostgreSQL */
/* What nodes tell one another of the log: rows that are committed, with their dense ids, of one epoch.
 * A batch is cut into pieces, each valid by itself. A body is
 *
 *   u64 term, str epoch, u8 flags (1: a watch has changed), u64 first, u64 last, u32 rows, str at,
 *   and for each row: u64 offset, str channel, u8 action (1: a message), str client, str options,
 *   str payload, u64 xid, u8 has a shape, u64 shape, str kept
 *
 * with rows = last - first + 1, or 0: then it only says that they are committed. */
#ifndef HERALD_PG_PIECE_H
#define HERALD_PG_PIECE_H

#include "core/nodes/parcel.h"
#include "pg/batch/batch.h"

enum { PIECE_BYTES = 512 * 1024 }; /* a row over that goes as a number only */

struct piece_head {
    uint64_t term;
    struct str epoch;
    bool is_altered; /* the site may be another from here on: it is read before this is told */
    uint64_t first, last;
    uint32_t n_rows;
    struct str at;
};

/* A body that holds what it must, as far as can be seen without its rows; false: it does not. Its
 * spans, and the rows that are left in *rows, point into it. */
bool piece_open(struct str body, struct piece_head *head, struct parcel *rows);

struct piece_row {
    struct event_fields fields; /* all but id and shape */
    struct str options;         /* as in the log */
    bool has_shape;
    int64_t shape; /* its number */
};

bool piece_read_row(struct parcel *rows, const struct piece_head *head, struct piece_row *row);

/* Only the numbers; appended. */
void piece_write_numbers(const struct piece_head *head, struct buf *out);

/* A numbered batch, of which `head` says term and epoch, in pieces of at most PIECE_BYTES, in order. */
typedef void piece_fn(void *arg, struct str body);
void piece_cut(const struct batch *batch, struct piece_head head, piece_fn *fn, void *arg);

#endif
