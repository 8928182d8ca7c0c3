/* SPDX-License-Identifier: PostgreSQL */
/* Each read is one call of herald.read_channel, one snapshot. A read changes nothing, so after a
 * lost connection it is simply asked again; what bounds that is its age.
 *
 * The connection follows the main one (database.c starts and pauses it): after a failover both must
 * speak to the same server, or a read would answer from a past that the log no longer has.
 *
 * Order of answers is the order of questions only as long as nothing is asked again; nobody relies
 * on it. */
#include "pg/reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/query.h"
#include "pg/rows.h"

enum {
    MAX_AGE_MS = 30000, /* then a read is answered as failed */
    AGE_CHECK_MS = 500, /* while there are reads that wait for a connection */
};

struct read {
    struct read *next;
    struct reader *reader;
    char *channel;
    char *since_epoch;
    struct store_query query; /* its spans point to the two above */
    store_answer_fn *done;
    void *arg;
    uint64_t asked_ms;
    PGresult *rows; /* read, while their shapes are asked for */
    struct shape_wish wish;
};

struct reader {
    struct loop *loop;
    struct reader_options options;
    struct connection *connection;
    struct loop_timer *timer;
    struct read *waiting, **waiting_end; /* for a connection */
    char *last_reason;                   /* why there is none, to log each reason once */
    bool is_stopped;
};

static void on_rows(void *arg, const struct query_result *result);

/* ---- the list of those that wait ---- */

static void reader_push(struct reader *reader, struct read *read)
{
    read->next = NULL;
    *reader->waiting_end = read;
    reader->waiting_end = &read->next;
}

static struct read *reader_pop(struct reader *reader)
{
    struct read *read = reader->waiting;
    if (read) {
        reader->waiting = read->next;
        if (!reader->waiting) {
            reader->waiting_end = &reader->waiting;
        }
    }
    return read;
}

static void read_free(struct read *read)
{
    free(read->channel);
    free(read->since_epoch);
    PQclear(read->rows);
    shape_wish_release(&read->wish);
    free(read);
}

static void count_done(const struct read *read, unsigned result)
{
    struct metrics_block *counts = read->reader->options.counts;
    metrics_add(counts, METRIC_READS, UINT64_MAX);
    metrics_count(counts, METRIC_READS_DONE + result);
}

static void reader_fail(struct read *read)
{
    struct store_answer answer = {.is_failed = true};
    count_done(read, METRIC_CALL_FAILED);
    read->done(read->arg, &answer);
    read_free(read);
}

/* ---- asking ---- */

static int32_t to_int(uint32_t number)
{
    return number < 1 ? 1 : number > INT32_MAX ? INT32_MAX : (int32_t)number;
}

/* What a client sent as its epoch may be no text for Postgres; an epoch of ours it is not then. */
static struct str safe_epoch(struct str epoch)
{
    bool is_text = epoch.ptr && !memchr(epoch.ptr, 0, epoch.len) && str_is_utf8(epoch);
    return is_text ? epoch : STR("");
}

static void reader_send(struct reader *reader, struct read *read)
{
    const struct store_query *query = &read->query;
    static const char *const kinds[] = {
        [STORE_READ_HEAD] = "head", [STORE_READ_LAST] = "last", [STORE_READ_SINCE] = "since"};
    struct params params = {0};
    params_text(&params, query->channel);
    params_text(&params, str_of(kinds[query->kind]));
    params_int(&params, to_int(query->limit));
    params_int(&params, to_int(query->max_bytes));
    if (query->kind == STORE_READ_SINCE) {
        params_text(&params, safe_epoch(query->since_epoch));
        params_bigint(&params,
                      query->since_offset < INT64_MAX ? (int64_t)query->since_offset : INT64_MAX);
    } else {
        params_text(&params, (struct str){0});
        params_null_bigint(&params);
    }
    params_int(&params, to_int(query->max_missed));
    connection_query(
        reader->connection,
        "SELECT epoch, head, gap, id, channel_offset, at, action, client, options, payload, xid,"
        " shape, kept FROM herald.read_channel($1, $2, $3, $4, $5, $6, $7)",
        &params, on_rows, read);
}

static void send_waiting(struct reader *reader)
{
    while (reader->waiting && connection_is_open(reader->connection)) {
        reader_send(reader, reader_pop(reader));
    }
}

static void reader_fail_old(struct reader *reader)
{
    uint64_t now_ms = clock_ms();
    while (reader->waiting && now_ms - reader->waiting->asked_ms >= MAX_AGE_MS) {
        reader_fail(reader_pop(reader));
    }
}

static void on_timer(void *arg)
{
    struct reader *reader = arg;
    reader_fail_old(reader);
    send_waiting(reader);
    if (!reader->waiting) {
        loop_timer_stop(reader->timer);
    }
}

void reader_read(struct reader *reader, const struct store_query *query, store_answer_fn *done,
                 void *arg)
{
    struct read *read = mem_zalloc(sizeof(*read));
    read->reader = reader;
    read->channel = str_dup(query->channel);
    read->since_epoch = str_dup(query->since_epoch);
    read->query = *query;
    read->query.channel.ptr = read->channel;
    read->query.since_epoch.ptr = read->since_epoch;
    read->done = done;
    read->arg = arg;
    read->asked_ms = clock_ms();
    metrics_count(reader->options.counts, METRIC_READS);
    reader_push(reader, read);
    if (connection_is_open(reader->connection)) {
        send_waiting(reader);
    } else if (!reader->is_stopped) {
        loop_timer_start(reader->timer, AGE_CHECK_MS, AGE_CHECK_MS);
    }
}

/* ---- answering ---- */

static void reader_answer(struct read *read, const PGresult *rows)
{
    const struct shapes *shapes = read->reader->options.shapes;
    struct store_answer answer = {
        .is_gap = rows_bool(rows, 0, READ_COLUMN_GAP),
        .epoch = rows_text(rows, 0, READ_COLUMN_EPOCH),
        .head = rows_u64(rows, 0, READ_COLUMN_HEAD),
    };
    int n_rows = PQntuples(rows);
    answer.events = mem_array(NULL, (size_t)n_rows, sizeof(struct event *));
    for (int i = 0; i < n_rows; i++) {
        if (!PQgetisnull(rows, i, READ_COLUMN_ID)) { /* none: one row all the same */
            answer.events[answer.n_events++] =
                rows_read_event(rows, i, read->query.channel, shapes);
        }
    }
    count_done(read, METRIC_CALL_DONE);
    read->done(read->arg, &answer);
    for (size_t i = 0; i < answer.n_events; i++) {
        event_unref(answer.events[i]);
    }
    free(answer.events);
    read_free(read);
}

/* False: the read was lost, and is asked again, or has failed. */
static bool reader_answered(struct read *read, const struct query_result *result, const char *what)
{
    if (result->is_lost) {
        reader_push(read->reader, read);
    } else if (!result->rows) {
        log_warn("%s failed: %s %s", what, result->sqlstate, result->message);
        reader_fail(read);
    }
    return result->rows;
}

static void on_read_shapes(void *arg, const struct query_result *result)
{
    struct read *read = arg;
    if (reader_answered(read, result, "reading shapes")) {
        shapes_take(read->reader->options.shapes, &read->wish, result->rows);
        reader_answer(read, read->rows);
    }
}

static void on_rows(void *arg, const struct query_result *result)
{
    struct read *read = arg;
    struct reader *reader = read->reader;
    if (!reader_answered(read, result, "herald.read_channel")) {
        return;
    }
    read->wish.n = 0;
    shapes_want_column(reader->options.shapes, result->rows, READ_COLUMN_SHAPE, &read->wish);
    if (read->wish.n == 0) {
        reader_answer(read, result->rows);
        return;
    }
    struct params params = {0};
    PQclear(read->rows);
    read->rows = query_take_rows(result);
    shape_wish_params(&read->wish, &params);
    connection_query(reader->connection, SHAPES_QUERY, &params, on_read_shapes, read);
}

/* ---- life ---- */

static void on_open(void *arg)
{
    struct reader *reader = arg;
    connection_settle(reader->connection);
    free(reader->last_reason);
    reader->last_reason = NULL;
    send_waiting(reader);
    reader->options.on_open(reader->options.arg);
}

static void on_lost(void *arg, const char *reason)
{
    struct reader *reader = arg;
    if (!reader->last_reason || strcmp(reader->last_reason, reason) != 0) {
        log_warn("the connection for reads is away: %s", reason);
        free(reader->last_reason);
        reader->last_reason = mem_strdup(reason);
    }
    reader_fail_old(reader);
    if (reader->waiting) {
        loop_timer_start(reader->timer, AGE_CHECK_MS, AGE_CHECK_MS);
    }
}

struct reader *reader_new(struct loop *loop, const struct reader_options *options)
{
    struct reader *reader = mem_zalloc(sizeof(*reader));
    reader->loop = loop;
    reader->options = *options;
    reader->waiting_end = &reader->waiting;
    struct connection_options connection_options = {
        .name = "reader",
        .url = options->url,
        .query_timeout_ms = options->query_timeout_ms,
        .is_pipelined = true,
        .arg = reader,
        .on_open = on_open,
        .on_lost = on_lost,
    };
    reader->connection = connection_new(loop, &connection_options);
    reader->timer = loop_timer_new(loop, on_timer, reader);
    return reader;
}

void reader_start(struct reader *reader)
{
    if (!reader->is_stopped) {
        connection_start(reader->connection);
    }
}

void reader_pause(struct reader *reader)
{
    connection_stop(reader->connection);
    if (reader->waiting && !reader->is_stopped) {
        loop_timer_start(reader->timer, AGE_CHECK_MS, AGE_CHECK_MS);
    }
}

void reader_stop(struct reader *reader)
{
    reader->is_stopped = true;
    connection_stop(reader->connection);
    loop_timer_stop(reader->timer);
    /* The callback of one may ask the next; a session has a bounded number of commands in hand. */
    while (reader->waiting) {
        reader_fail(reader_pop(reader));
    }
}

void reader_free(struct reader *reader)
{
    if (!reader) {
        return;
    }
    reader_stop(reader);
    connection_free(reader->connection);
    loop_timer_free(reader->timer);
    free(reader->last_reason);
    free(reader);
}

struct connection *reader_connection(struct reader *reader)
{
    return reader->connection;
}
