/* SPDX-License-Identifier: PostgreSQL */
/* Reads of channels (joins, history, resume): pipelined on a connection of their own, so that they
 * never wait behind a batch. While the connection is away they wait; those that waited too long are
 * answered as failed. */
#ifndef HERALD_PG_READER_H
#define HERALD_PG_READER_H

#include "core/metrics.h"
#include "core/store_log.h"
#include "pg/connection.h"

struct reader;
struct shapes; /* shapes.h */

struct reader_options {
    const char *url; /* copied */
    uint32_t query_timeout_ms;
    struct metrics_block *counts; /* NULL: nothing is counted */
    struct shapes *shapes;        /* outlives the reader */
    void *arg;
    void (*on_open)(void *arg); /* the connection is there: others may use it too */
};

struct reader *reader_new(struct loop *loop, const struct reader_options *options);
void reader_start(struct reader *reader); /* connects; again after reader_pause */
/* Closes the connection; reads that were asked stay and are asked again after reader_start. */
void reader_pause(struct reader *reader);
/* Closes the connection and answers all reads as failed, also those that come later. */
void reader_stop(struct reader *reader);
void reader_free(struct reader *reader); /* NULL is fine */
void reader_read(struct reader *reader, const struct store_query *query, store_answer_fn *done,
                 void *arg);
/* For maintenance, which may stand in line behind reads but not behind batches. */
struct connection *reader_connection(struct reader *reader);

#endif
