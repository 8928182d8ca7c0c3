/* SPDX-License-Identifier: PostgreSQL */
/* What goes into the log in one transaction: outbox rows in their order, then messages. It is filled
 * (batch_take, batch_add_messages), its channels' heads become known, it is numbered; then it holds
 * the events as they will be delivered when the transaction is committed. */
#ifndef HERALD_PG_BATCH_H
#define HERALD_PG_BATCH_H

#include <libpq-fe.h>

#include "base/id.h"
#include "pg/params.h"
#include "pg/sequencer/heads.h"
#include "pg/sequencer/messages.h"

/* One event to be. Its spans are those of the outbox row, or of the message. */
struct place {
    struct event_fields fields;
    struct str options;
    struct head *head;
};

struct batch {
    char name[ID_TEXT_SIZE + 24]; /* outlives the rest: whether it was committed may be in doubt */
    PGresult *rows, *emptied;     /* what herald.take and herald.emptied returned */
    struct place *places;
    size_t n, cap, n_messages;
    struct head **unknown; /* whose offset herald.heads is to say */
    size_t n_unknown, unknown_cap;
    struct event **events; /* n of them, once numbered */

    /* How far the outbox is done with this batch. */
    int n_rows; /* outbox rows of it, those that reach no channel among them */
    size_t row_bytes;
    uint32_t n_skipped;
    int last_row;            /* of `rows`; 0: none */
    struct str last_channel; /* up to which a TRUNCATE was announced; absent: completely */
    bool is_all;             /* nothing that was visible is left */
    bool has_reduced;        /* among the rows are changes by key only */
};

/* What herald.take says of the batch itself, in its first row. */
enum take_column {
    TAKE_COLUMN_ID, /* the batch: its position */
    TAKE_COLUMN_XID,
    TAKE_COLUMN_ACTION,
    TAKE_COLUMN_CHANNEL,
    TAKE_COLUMN_OPTIONS,
    TAKE_COLUMN_PAYLOAD,
};
uint64_t batch_position(const struct batch *batch);
uint64_t batch_newest(const struct batch *batch); /* the log's newest id before it */
struct str batch_epoch(const struct batch *batch);

/* The template that a TRUNCATE at the front is of, whose channels herald.emptied names (into
 * `emptied`, behind `after`); absent: there is none. */
struct str batch_emptied(const struct batch *batch, struct str *after);

struct batch_limits {
    size_t rows, bytes; /* as herald.take was asked */
};

void batch_take(struct batch *batch, struct heads *heads, struct batch_limits limits);
void batch_add_messages(struct batch *batch, struct heads *heads, const struct messages *messages,
                        size_t n);
void batch_number(struct batch *batch); /* all heads are known: makes the events */
void batch_params(const struct batch *batch, struct params *params); /* of herald.store */
void batch_clear(struct batch *batch);                               /* all but its name */
void batch_release(struct batch *batch);

#endif
