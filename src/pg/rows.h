/* SPDX-License-Identifier: PostgreSQL */
/* From the columns of a PGresult to numbers, spans and events. Spans point into the result. */
#ifndef HERALD_PG_ROWS_H
#define HERALD_PG_ROWS_H

#include <libpq-fe.h>

#include "core/event.h"
#include "pg/shapes/shapes.h"

struct str rows_text(const PGresult *rows, int row, int column); /* NULL: absent */
uint64_t rows_u64(const PGresult *rows, int row, int column); /* NULL, negative or no number: 0 */
int64_t rows_i64(const PGresult *rows, int row, int column);  /* the same, but it may be negative */
bool rows_bool(const PGresult *rows, int row, int column);    /* NULL: false */

/* What herald.read_log returns. */
enum log_column {
    LOG_COLUMN_ID,
    LOG_COLUMN_CHANNEL,
    LOG_COLUMN_OFFSET,
    LOG_COLUMN_AT,
    LOG_COLUMN_ACTION,
    LOG_COLUMN_CLIENT,
    LOG_COLUMN_OPTIONS,
    LOG_COLUMN_PAYLOAD,
    LOG_COLUMN_XID,
    LOG_COLUMN_SHAPE,
    LOG_COLUMN_KEPT,
};
/* An event with the audience that its options name. */
struct event *rows_event(struct event_fields *fields, struct str options);
/* Shapes that the rows name were asked for. */
struct event *rows_log_event(const PGresult *rows, int row, const struct shapes *shapes);

/* What herald.read_channel returns; the channel is the one that was asked for. */
enum read_column {
    READ_COLUMN_EPOCH,
    READ_COLUMN_HEAD,
    READ_COLUMN_GAP,
    READ_COLUMN_ID,
    READ_COLUMN_OFFSET,
    READ_COLUMN_AT,
    READ_COLUMN_ACTION,
    READ_COLUMN_CLIENT,
    READ_COLUMN_OPTIONS,
    READ_COLUMN_PAYLOAD,
    READ_COLUMN_XID,
    READ_COLUMN_SHAPE,
    READ_COLUMN_KEPT,
};
struct event *rows_read_event(const PGresult *rows, int row, struct str channel,
                              const struct shapes *shapes);

/* The JSON text that stands for a message's options in the log; absent: none. */
struct str rows_options(const struct event *message);

#endif
