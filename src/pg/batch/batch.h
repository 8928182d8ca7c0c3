/* SPDX-License-Identifier: PostgreSQL */
/* What goes into the log in one transaction: what became of outbox rows, in their order, then
 * messages. It is filled (batch_fill, batch_add_messages), its channels' heads become known, it is
 * numbered; then it holds the events as they will be delivered when the transaction is committed. */
#ifndef HERALD_PG_BATCH_H
#define HERALD_PG_BATCH_H

#include <libpq-fe.h>

#include "base/id.h"
#include "pg/batch/emptied.h"
#include "pg/batch/heads.h"
#include "pg/batch/messages.h"
#include "pg/house/tally.h"
#include "pg/params.h"
#include "pg/shapes/shapes.h"

/* One event to be: all of it but the offset. */
struct place {
    struct event *event;
    struct head *head;
    struct str options;          /* as in the log */
    const struct ticket *ticket; /* of the message, until it is stored; or NULL */
};

struct batch {
    char name[ID_TEXT_SIZE + 24]; /* outlives the rest: whether it was committed may be in doubt */
    PGresult *rows, *emptied;     /* what herald.take and herald.emptied returned */
    struct place *places;
    size_t n, cap, n_messages, n_keyed;
    struct head **unknown; /* whose offset herald.heads is to say */
    size_t n_unknown, unknown_cap;
    struct blemish *blemishes;
    size_t n_blemishes, blemishes_cap;
    struct change_scratch scratch;

    /* How far the outbox is done with this batch. */
    int n_rows; /* outbox rows of it, and channels of a TRUNCATE */
    size_t row_bytes;
    int last_row;            /* of `rows`; 0: none */
    struct str last_channel; /* up to which a TRUNCATE was announced; absent: completely */
    bool is_all;             /* nothing that was visible is left */
    bool is_altered; /* a watch has changed: the site is another, before any of it is told */
};

/* What herald.take returns. The first row is the batch itself. */
enum take_column {
    TAKE_COLUMN_ID,  /* the batch: its position */
    TAKE_COLUMN_XID, /* the log's newest id */
    TAKE_COLUMN_SHAPE,
    TAKE_COLUMN_ACTION,  /* b; l: a backlog is being listed */
    TAKE_COLUMN_OLD,     /* the snapshot */
    TAKE_COLUMN_NEW,     /* the channel up to which a TRUNCATE was announced */
    TAKE_COLUMN_CHANNEL, /* the epoch */
    TAKE_COLUMN_OPTIONS, /* the time */
};
uint64_t batch_position(const struct batch *batch);
struct str batch_epoch(const struct batch *batch);
uint64_t batch_newest(const struct batch *batch); /* the log's newest id before it */
uint64_t batch_row_id(const struct batch *batch, int row);
uint64_t batch_largest_id(const struct batch *batch); /* of the rows taken, of which there are */

/* What rows it took need and is not known. */
void batch_want_shapes(const struct batch *batch, const struct shapes *shapes,
                       struct shape_wish *wish);

struct batch_source {
    struct heads *heads;
    const struct shapes *shapes;
    struct emptied *emptied;
    size_t max_rows, max_bytes; /* as herald.take was asked */
    size_t few_rows;            /* take at most so many of them; 0: all */
    uint64_t poison_id;         /* an outbox row that cannot be stored; 0: none */
    bool is_without_rows;       /* none were asked for: what there is stays for the next batch */
};

/* The template of a TRUNCATE at the front, appended, whose channels herald.emptied has to name (into
 * `emptied`, those behind `after`). False: none that it has to. */
bool batch_wants_emptied(const struct batch *batch, const struct batch_source *source,
                         struct buf *template, struct str *after);

void batch_fill(struct batch *batch, const struct batch_source *source);
void batch_add_messages(struct batch *batch, struct heads *heads, const struct messages *messages,
                        size_t n);
void batch_number(struct batch *batch);                              /* all heads are known */
void batch_params(const struct batch *batch, struct params *params); /* of herald.store */
void batch_clear(struct batch *batch);                               /* all but its name */
void batch_release(struct batch *batch);

#endif
