/* SPDX-License-Identifier: PostgreSQL */
/* The store as the hub knows it, put together from its parts:
 *
 *   sequencer     main connection: outbox and messages → log → sink
 *   reader        second connection: reads of channels, pipelined
 *   maintenance   sweep, trim and the lag alarm, on the second connection
 *
 * Two connections in all, however many sessions and channels there are. The second follows the
 * first: it is made when the first one serves and closed when that is lost, because after a
 * failover both must speak to the same server. */
#include "pg/database.h"

#include <stdlib.h>

#include "base/mem.h"
#include "pg/maintenance.h"
#include "pg/reader.h"
#include "pg/sequencer/sequencer.h"

struct database {
    struct database_options options; /* url is not ours and not used after database_new */
    struct sequencer *sequencer;
    struct reader *reader;
    struct maintenance *maintenance;
    struct loop_timer *stop_timer; /* the drain's deadline, then the last turn */
    bool is_stopped;
    loop_fn *stopped;
    void *stopped_arg;
};

/* ---- the parts meet ---- */

static void on_fatal(void *arg, const struct err *err)
{
    struct database *database = arg;
    database->options.on_fatal(database->options.arg, err);
}

static void on_serving(void *arg)
{
    struct database *database = arg;
    reader_start(database->reader);
}

static void on_away(void *arg)
{
    struct database *database = arg;
    maintenance_stop(database->maintenance);
    reader_pause(database->reader);
}

static void on_reader_open(void *arg)
{
    struct database *database = arg;
    maintenance_start(database->maintenance);
}

static void on_batch(void *arg)
{
    struct database *database = arg;
    maintenance_note_batch(database->maintenance);
}

/* ---- the seam ---- */

static void read_channel(void *ctx, const struct store_query *query, store_answer_fn *done,
                         void *arg)
{
    struct database *database = ctx;
    reader_read(database->reader, query, done, arg);
}

static bool append(void *ctx, struct event *message, struct session_id sender)
{
    struct database *database = ctx;
    return sequencer_append(database->sequencer, message, sender);
}

struct store database_store(struct database *database)
{
    return (struct store){.ctx = database, .read = read_channel, .append = append};
}

/* ---- life ---- */

static void end(struct database *database)
{
    if (!database->is_stopped) {
        database->is_stopped = true;
        maintenance_stop(database->maintenance);
        sequencer_stop(database->sequencer);
        reader_stop(database->reader);
    }
}

static void on_stop_timer(void *arg)
{
    struct database *database = arg;
    end(database);
    database->stopped(database->stopped_arg);
}

static void on_drained(void *arg)
{
    struct database *database = arg;
    loop_timer_start(database->stop_timer, 0, 0);
}

struct database *database_new(struct loop *loop, const struct database_options *options)
{
    struct database *database = mem_zalloc(sizeof(*database));
    database->options = *options;
    struct sequencer_options sequencer_options = {
        .url = options->url,
        .look_ms = options->look_ms,
        .batch_rows = options->batch_rows,
        .batch_bytes = options->batch_bytes,
        .query_timeout_ms = options->query_timeout_ms,
        .append_max_bytes = options->append_max_bytes,
        .arg = database,
        .on_fatal = on_fatal,
        .on_serving = on_serving,
        .on_away = on_away,
        .on_batch = on_batch,
        .on_drained = on_drained,
    };
    struct reader_options reader_options = {
        .url = options->url,
        .query_timeout_ms = options->query_timeout_ms,
        .arg = database,
        .on_open = on_reader_open,
    };
    database->sequencer = sequencer_new(loop, &sequencer_options);
    database->reader = reader_new(loop, &reader_options);
    database->maintenance =
        maintenance_new(loop, reader_connection(database->reader), options->retention_hours);
    database->stop_timer = loop_timer_new(loop, on_stop_timer, database);
    return database;
}

void database_start(struct database *database, struct store_sink sink)
{
    sequencer_start(database->sequencer, sink);
}

void database_stop(struct database *database, uint32_t drain_ms, loop_fn *done, void *arg)
{
    database->stopped = done;
    database->stopped_arg = arg;
    loop_timer_start(database->stop_timer, drain_ms, 0);
    sequencer_drain(database->sequencer);
}

void database_free(struct database *database)
{
    if (!database) {
        return;
    }
    end(database);
    loop_timer_free(database->stop_timer);
    reader_free(database->reader); /* first: its queries answer to maintenance */
    maintenance_free(database->maintenance);
    sequencer_free(database->sequencer);
    free(database);
}
