/* SPDX-License-Identifier: PostgreSQL */
/* The store as the hub knows it, put together from its parts:
 *
 *   sequencer     main connection: outbox and messages → log → sink
 *   reader        second connection: reads of channels, pipelined
 *   maintenance   sweep, trim and the lag alarm, on the second connection
 *   remarks       what this server alone sees, for herald.doctor(), on the second connection
 *   presence      herald.presence, on the second connection
 *   functions     a few more connections: the owner's functions
 *   snapshots     two more, with the first read: the rows that there are in a table
 *   judges        and two, with the first question: who may see a row, by policies and functions
 *
 * A fixed number of connections, however many sessions and channels there are. All follow the
 * first: they are made when that one serves and closed when it is lost, because after a failover
 * all must speak to the same server.
 *
 * The end: what a function answers may become a message for the log, and a message that is stored
 * may let its session go on to the next call. So it is over when neither has anything left. */
#include "pg/database.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/connection.h"
#include "pg/functions/functions.h"
#include "pg/house/maintenance.h"
#include "pg/pool/judges.h"
#include "pg/pool/pool.h"
#include "pg/pool/snapshots.h"
#include "pg/presence.h"
#include "pg/query.h"
#include "pg/reader.h"
#include "pg/rows.h"
#include "pg/sequencer/sequencer.h"
#include "pg/shapes/shapes.h"

struct database {
    struct database_options options; /* its strings are not ours, not used after database_new */
    struct shapes shapes;            /* of the rows that sequencer and reader meet */
    struct sequencer *sequencer;
    struct reader *reader;
    struct maintenance *maintenance;
    struct remarks *remarks;
    struct pg_presence *presence;
    struct functions *functions;
    struct pg_snapshots *snapshots;
    struct pg_judges *judges;
    struct loop_timer *stop_timer; /* the drain's deadline, then the last turn */
    bool is_finishing;             /* nothing is pending any more, but the last write */
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

static bool is_behind(void *arg)
{
    const struct database *database = arg;
    return database->options.is_behind && database->options.is_behind(database->options.arg);
}

static void on_serving(void *arg)
{
    struct database *database = arg;
    reader_start(database->reader);
    pg_presence_start(database->presence);
    functions_start(database->functions);
    pool_start(pg_snapshots_pool(database->snapshots));
    pool_start(pg_judges_pool(database->judges));
}

/* The leader keeps house, for all nodes. */
static void keep_house(struct database *database)
{
    bool is_open = connection_is_open(reader_connection(database->reader));
    if (is_open && sequencer_is_leading(database->sequencer)) {
        maintenance_start(database->maintenance);
    } else {
        maintenance_stop(database->maintenance);
    }
}

static void on_lead(void *arg, bool is_leading)
{
    (void)is_leading;
    keep_house(arg);
}

static void on_away(void *arg)
{
    struct database *database = arg;
    maintenance_stop(database->maintenance);
    pg_presence_pause(database->presence);
    reader_pause(database->reader);
    functions_pause(database->functions);
    pool_pause(pg_snapshots_pool(database->snapshots));
    pool_pause(pg_judges_pool(database->judges));
}

/* A key that does not come leaves calls waiting until they fail, one by one and said. */
static void on_key(void *arg, const struct query_result *result)
{
    struct database *database = arg;
    if (result->rows && PQntuples(result->rows) == 1) {
        size_t len = 0;
        const char *text = PQgetvalue(result->rows, 0, 0);
        unsigned char *key = PQunescapeBytea((const unsigned char *)text, &len);
        functions_set_key(database->functions, (struct str){(const char *)key, len});
        PQfreemem(key);
    } else if (!result->is_lost) {
        log_error("the key for calls of rules' functions cannot be read: %s", result->message);
    }
}

enum { MAX_BUS_KEYS = 2 };

static void on_bus_keys(void *arg, const struct query_result *result)
{
    struct database *database = arg;
    struct str keys[MAX_BUS_KEYS];
    unsigned char *bytes[MAX_BUS_KEYS];
    int n = result->rows ? PQntuples(result->rows) : 0;
    n = n < MAX_BUS_KEYS ? n : MAX_BUS_KEYS;
    for (int i = 0; i < n; i++) {
        const char *text = PQgetvalue(result->rows, i, 1);
        bytes[i] = PQunescapeBytea((const unsigned char *)text, &keys[i].len);
        keys[i].ptr = (const char *)bytes[i];
    }
    if (result->rows) {
        struct str realm = n > 0 ? rows_text(result->rows, 0, 0) : STR("");
        database->options.on_bus_keys(database->options.bus_keys_arg, realm, keys, (size_t)n);
    } else if (!result->is_lost) {
        log_error("the keys of the bus cannot be read: %s", result->message);
    }
    for (int i = 0; i < n; i++) {
        PQfreemem(bytes[i]);
    }
}

void database_ask_bus_keys(struct database *database)
{
    struct connection *connection = reader_connection(database->reader);
    if (database->options.on_bus_keys && connection_is_open(connection)) {
        connection_query(connection,
                         "SELECT herald.bus_realm(), k.key"
                         " FROM herald.bus_keys() WITH ORDINALITY AS k(key, n) ORDER BY k.n",
                         NULL, on_bus_keys, database);
    }
}

static void on_reader_open(void *arg)
{
    struct database *database = arg;
    database_ask_bus_keys(database);
    connection_query(reader_connection(database->reader), "SELECT herald.get_signing_key()", NULL,
                     on_key, database);
    keep_house(database);
    pg_presence_send(database->presence);
}

static void on_batch(void *arg)
{
    struct database *database = arg;
    maintenance_note_batch(database->maintenance);
}

static void on_blemish(void *arg, const struct blemish *blemish)
{
    struct database *database = arg;
    maintenance_note_blemish(database->maintenance, blemish);
}

static void on_stale(void *arg)
{
    const struct database *database = arg;
    maintenance_note_stale(database->maintenance);
}

/* ---- the seam ---- */

static void read_channel(void *ctx, const struct store_query *query, store_answer_fn *done,
                         void *arg)
{
    struct database *database = ctx;
    reader_read(database->reader, query, done, arg);
}

static bool append(void *ctx, const struct store_append *append)
{
    struct database *database = ctx;
    return sequencer_append(database->sequencer, append);
}

static void settle(void *ctx, bool wants_snapshot, store_settled_fn *done, void *arg)
{
    struct database *database = ctx;
    sequencer_settle(database->sequencer, wants_snapshot, done, arg);
}

struct store database_store(struct database *database)
{
    return (struct store){
        .log = {.ctx = database, .read = read_channel, .settle = settle, .append = append},
        .functions = functions_seam(database->functions),
        .presence = pg_presence_seam(database->presence),
        .snapshots = pg_snapshots_seam(database->snapshots),
        .judges = pg_judges_seam(database->judges),
    };
}

/* ---- life ---- */

/* Whoever hears that something failed may ask the next thing, which then fails, too. */
static void database_end(struct database *database)
{
    if (!database->is_stopped) {
        database->is_stopped = true;
        maintenance_stop(database->maintenance);
        pg_presence_pause(database->presence);
        sequencer_stop(database->sequencer);
        pool_stop(pg_snapshots_pool(database->snapshots));
        pool_stop(pg_judges_pool(database->judges));
    }
    do {
        functions_stop(database->functions);
        reader_stop(database->reader);
    } while (!functions_is_idle(database->functions));
}

static void on_stop_timer(void *arg)
{
    struct database *database = arg;
    database_end(database);
    database->stopped(database->stopped_arg);
}

static void on_finished(void *arg)
{
    struct database *database = arg;
    if (!database->is_stopped) {
        loop_timer_start(database->stop_timer, 0, 0);
    }
}

static void on_drained(void *arg)
{
    struct database *database = arg;
    if (database->is_finishing || !functions_is_idle(database->functions)) {
        return;
    }
    database->is_finishing = true;
    if (!pg_presence_finish(database->presence, on_finished, database)) {
        on_finished(database);
    }
}

static void on_idle(void *arg)
{
    struct database *database = arg;
    sequencer_drain(database->sequencer); /* says so again if it is */
}

static struct functions *make_functions(struct database *database, struct loop *loop)
{
    struct functions_options options = {
        .url = database->options.hook_url ? database->options.hook_url : database->options.url,
        .user = database->options.hook_url ? NULL : "herald_hook",
        .timeout_ms = database->options.hook_timeout_ms,
        .n_connections = database->options.hook_connections,
        .token_function = database->options.token_function,
        .counts = database->options.counts,
        .arg = database,
        .on_idle = on_idle,
    };
    return functions_new(loop, &options);
}

static struct pg_judges *make_judges(const struct database *database, struct loop *loop)
{
    const char *url = database->options.judge_url;
    struct pg_judges_options options = {
        .url = url ? url : database->options.url,
        .user = url ? NULL : "herald_judge",
        .timeout_ms = database->options.hook_timeout_ms,
        .counts = database->options.counts,
    };
    return pg_judges_new(loop, &options);
}

static struct sequencer_options sequencer_options(struct database *database)
{
    const struct database_options *o = &database->options;
    return (struct sequencer_options){
        .url = o->url,
        .look_ms = o->look_ms,
        .batch_rows = o->batch_rows,
        .batch_bytes = o->batch_bytes,
        .query_timeout_ms = o->query_timeout_ms,
        .append_max_bytes = o->append_max_bytes,
        .bus = o->bus,
        .node = o->node,
        .node_name = o->node_name,
        .grace_ms = o->postgres_grace_ms,
        .counts = o->counts,
        .shapes = &database->shapes,
        .arg = database,
        .on_fatal = on_fatal,
        .is_behind = is_behind,
        .on_serving = on_serving,
        .on_away = on_away,
        .on_lead = on_lead,
        .on_batch = on_batch,
        .on_blemish = on_blemish,
        .on_drained = on_drained,
    };
}

/* One that is alone has nobody to differ from. */
static void set_retention(struct database *database, uint32_t hours)
{
    maintenance_set_retention(database->maintenance, hours);
    if (database->options.bus) {
        remarks_set_retention(database->remarks, hours);
    }
}

struct database *database_new(struct loop *loop, const struct database_options *options)
{
    struct database *database = mem_zalloc(sizeof(*database));
    database->options = *options;
    struct reader_options reader_options = {
        .url = options->url,
        .query_timeout_ms = options->query_timeout_ms,
        .counts = options->counts,
        .shapes = &database->shapes,
        .arg = database,
        .on_open = on_reader_open,
    };
    struct sequencer_options of_sequencer = sequencer_options(database);
    database->sequencer = sequencer_new(loop, &of_sequencer);
    database->reader = reader_new(loop, &reader_options);
    database->maintenance =
        maintenance_new(loop, reader_connection(database->reader), options->counts);
    database->remarks = remarks_new(reader_connection(database->reader), options->node);
    set_retention(database, options->retention_hours);
    database->presence = pg_presence_new(reader_connection(database->reader), options->node);
    database->functions = make_functions(database, loop);
    database->snapshots = pg_snapshots_new(loop, &(struct pg_snapshots_options){
                                                     .url = options->url,
                                                     .query_timeout_ms = options->query_timeout_ms,
                                                     .counts = options->counts,
                                                     .shapes = &database->shapes,
                                                     .on_stale = on_stale,
                                                     .arg = database,
                                                 });
    database->judges = make_judges(database, loop);
    database->stop_timer = loop_timer_new(loop, on_stop_timer, database);
    return database;
}

void database_set_options(struct database *database, const struct database_options *options)
{
    struct database_options *o = &database->options;
    o->look_ms = options->look_ms;
    o->batch_rows = options->batch_rows;
    o->batch_bytes = options->batch_bytes;
    o->query_timeout_ms = options->query_timeout_ms;
    o->append_max_bytes = options->append_max_bytes;
    o->postgres_grace_ms = options->postgres_grace_ms;
    struct sequencer_options of_sequencer = sequencer_options(database);
    sequencer_set_options(database->sequencer, &of_sequencer);
    connection_set_timeout(reader_connection(database->reader), options->query_timeout_ms);
    pg_snapshots_set_timeout(database->snapshots, options->query_timeout_ms);
    set_retention(database, options->retention_hours);
    functions_set_timeout(database->functions, options->hook_timeout_ms);
    pg_judges_set_timeout(database->judges, options->hook_timeout_ms);
}

void database_measure(struct database *database)
{
    sequencer_measure(database->sequencer);
    functions_measure(database->functions);
    remarks_set_backlog(database->remarks, database_backlog(database));
    remarks_tell(database->remarks, clock_ms());
}

void database_remark(struct database *database, enum remark remark, struct str detail)
{
    remarks_set(database->remarks, remark, detail);
}

const struct backlog *database_backlog(const struct database *database)
{
    return maintenance_backlog(database->maintenance);
}

void database_hear(struct database *database, const char *from, struct str body)
{
    (void)from;
    sequencer_hear(database->sequencer, body);
}

void database_hear_beat(struct database *database, const char *from, const struct bus_beat *beat)
{
    (void)from;
    sequencer_hear_beat(database->sequencer, beat);
}

void database_fill_beat(const struct database *database, struct bus_beat *beat)
{
    sequencer_fill_beat(database->sequencer, beat);
}

bool database_is_leading(const struct database *database)
{
    return sequencer_is_leading(database->sequencer);
}

uint64_t database_lag(const struct database *database)
{
    return sequencer_lag(database->sequencer);
}

void database_resign(struct database *database)
{
    sequencer_resign(database->sequencer);
}

void database_start(struct database *database, struct store_sink sink)
{
    maintenance_on_warnings(database->maintenance, sink.on_warnings, sink.ctx);
    sequencer_start(database->sequencer, sink);
}

void database_stop(struct database *database, uint32_t drain_ms, loop_fn *done, void *arg)
{
    database->stopped = done;
    database->stopped_arg = arg;
    loop_timer_start(database->stop_timer, drain_ms, 0);
    functions_drain(database->functions);
    sequencer_drain(database->sequencer);
}

void database_free(struct database *database)
{
    if (!database) {
        return;
    }
    database_end(database);
    loop_timer_free(database->stop_timer);
    functions_free(database->functions);
    pg_snapshots_free(database->snapshots);
    pg_judges_free(database->judges);
    reader_free(database->reader); /* before those that its queries answer to */
    maintenance_free(database->maintenance);
    remarks_free(database->remarks);
    pg_presence_free(database->presence);
    sequencer_free(database->sequencer);
    shapes_clear(&database->shapes);
    free(database);
}
