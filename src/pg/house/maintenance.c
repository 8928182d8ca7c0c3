/* SPDX-License-Identifier: PostgreSQL */
/* Five habits: tell what was not announced whole (tally.c), sweep the outbox rows that have been sequenced (they die young, and what dies young
 * must not lie around: 3 s at 30 000 events/s is 100 MB), trim the log by the retention, and look
 * how far the sequencer is behind, and what the database warns of.
 *
 * Each call is bounded, so that reads on the same connection wait for milliseconds. A trim that
 * removed as much as it was allowed to is repeated at once, behind the reads that came meanwhile.
 *
 * The alarm is a line when it starts and one when it ends; in between it is looked more often, and said
 * how long it will take, as long as there are fewer rows than at the last look. Nothing is ever
 * dropped: only an operator can know whether the disk or the sequencer is the problem. */
#include "pg/house/maintenance.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/query.h"
#include "pg/rows.h"

enum {
    SWEEP_MS = 3000,
    TRIM_MS = 60000,
    TRIM_ROWS = 2000,
    LAG_MS = 10000,
    LAG_SOON_MS = 2000, /* while the alarm lasts: somebody may be watching */
    SAY_MS = 10000,     /* between two lines about it */
    STALE_MS = 10000,
    STALE_SOON_MS = 200, /* what cannot be mended comes all the time */
    ALARM_ROWS = 100000,
    ALARM_AGE_S = 60,
};

struct maintenance {
    struct connection *connection;
    uint32_t retention_hours;
    struct metrics_block *counts;
    struct loop_timer *sweep_timer, *trim_timer, *lag_timer, *stale_timer;
    bool is_on;       /* between start and stop */
    bool has_batches; /* sequenced since the last sweep */
    bool is_sweeping, is_trimming, is_looking, is_refreshing;
    bool has_stale; /* a row was not as expected since the last look for stale tables */
    struct tally *tally;
    char *stuck_on; /* the table that could not be refreshed, as last told; NULL: none */
    bool is_alarmed;
    struct backlog backlog;
    uint64_t said_ms; /* the last line about the alarm */
    char *warned;     /* the sentences of the last look, a line each; NULL: none yet */
    void (*on_warnings)(void *arg, const char *lines);
    void *warnings_arg;
};

/* False: it failed; said once per failure, the next turn of the timer tries again. A lost
 * connection is others' news. */
static bool is_fine(const struct query_result *result, const char *what)
{
    if (!result->is_lost && !result->rows) {
        log_warn("%s failed: %s %s", what, result->sqlstate, result->message);
    }
    return result->rows && PQntuples(result->rows) == 1;
}

/* ---- sweep ---- */

static void on_swept(void *arg, const struct query_result *result)
{
    struct maintenance *maintenance = arg;
    maintenance->is_sweeping = false;
    if (!is_fine(result, "herald.sweep") || rows_u64(result->rows, 0, 0) > 0) {
        maintenance->has_batches = true; /* each call is bounded: there may be more */
    }
}

static void maintenance_sweep(void *arg)
{
    struct maintenance *maintenance = arg;
    if (connection_is_open(maintenance->connection)) {
        tally_tell(maintenance->tally, maintenance->connection, clock_ms());
    }
    if (maintenance->has_batches && !maintenance->is_sweeping &&
        connection_is_open(maintenance->connection)) {
        maintenance->has_batches = false;
        maintenance->is_sweeping = true;
        connection_query(maintenance->connection, "SELECT herald.sweep()", NULL, on_swept,
                         maintenance);
    }
}

void maintenance_note_batch(struct maintenance *maintenance)
{
    maintenance->has_batches = true;
}

/* ---- trim ---- */

static void maintenance_trim(void *arg);

static void on_trimmed(void *arg, const struct query_result *result)
{
    struct maintenance *maintenance = arg;
    maintenance->is_trimming = false;
    if (is_fine(result, "herald.trim") && rows_u64(result->rows, 0, 0) >= TRIM_ROWS) {
        maintenance_trim(maintenance);
    }
}

/* Also where nothing is to be removed: herald.doctor() shall know. */
static void maintenance_trim(void *arg)
{
    struct maintenance *maintenance = arg;
    if (!maintenance->is_trimming && connection_is_open(maintenance->connection)) {
        maintenance->is_trimming = true;
        struct params params = {0};
        params_int(&params, (int32_t)maintenance->retention_hours);
        params_int(&params, TRIM_ROWS);
        connection_query(maintenance->connection,
                         "SELECT herald.trim(pg_catalog.make_interval(hours => NULLIF($1, 0)), $2)",
                         &params, on_trimmed, maintenance);
    }
}

/* ---- stale watches ---- */

static void refresh_next(struct maintenance *maintenance, uint64_t after);

static void wait_for_next_look(struct maintenance *maintenance)
{
    loop_timer_start(maintenance->stale_timer, maintenance->has_stale ? STALE_SOON_MS : STALE_MS,
                     STALE_MS);
}

/* What stays impossible is told once. */
static void tell_stuck(struct maintenance *maintenance, const char *table, const char *problem)
{
    if (!maintenance->stuck_on || strcmp(maintenance->stuck_on, table) != 0) {
        log_warn("table %s was altered, and its trigger function could not follow: %s; its events "
                 "may come by key only until that is mended",
                 table, problem);
        free(maintenance->stuck_on);
        maintenance->stuck_on = mem_strdup(table);
    }
}

static void on_refreshed(void *arg, const struct query_result *result)
{
    struct maintenance *maintenance = arg;
    maintenance->is_refreshing = false;
    if (!result->rows) {
        (void)is_fine(result, "herald.refresh_stale");
        return;
    }
    if (PQntuples(result->rows) == 0) {
        wait_for_next_look(maintenance);
        return;
    }
    const char *table = PQgetvalue(result->rows, 0, 1);
    if (PQgetisnull(result->rows, 0, 2)) {
        log_info("table %s was altered: its trigger function is written anew", table);
    } else {
        tell_stuck(maintenance, table, PQgetvalue(result->rows, 0, 2));
    }
    refresh_next(maintenance, rows_u64(result->rows, 0, 0));
}

static void refresh_next(struct maintenance *maintenance, uint64_t after)
{
    if (!maintenance->is_refreshing && connection_is_open(maintenance->connection)) {
        maintenance->is_refreshing = true;
        struct params params = {0};
        params_bigint(&params, (int64_t)after);
        connection_query(maintenance->connection,
                         "SELECT id, \"table\", problem FROM "
                         "herald.refresh_stale($1::pg_catalog.oid)",
                         &params, on_refreshed, maintenance);
    }
}

static void maintenance_refresh(void *arg)
{
    struct maintenance *maintenance = arg;
    maintenance->has_stale = false;
    refresh_next(maintenance, 0);
}

void maintenance_note_stale(struct maintenance *maintenance)
{
    if (!maintenance->has_stale) {
        maintenance->has_stale = true;
        wait_for_next_look(maintenance);
    }
}

void maintenance_note_blemish(struct maintenance *maintenance, const struct blemish *blemish)
{
    tally_add(maintenance->tally, blemish);
    if (blemish->fault != CHANGE_FAULT_SIZE && blemish->fault != CHANGE_FAULT_CHANNEL) {
        maintenance_note_stale(maintenance);
    }
}

/* ---- lag ---- */

/* The first of them says enough by itself: that there is an alarm. */
static void say_progress(struct maintenance *maintenance, uint64_t now_ms)
{
    struct buf said = {0};
    backlog_say(&maintenance->backlog, &said);
    if (said.len > 0 && now_ms - maintenance->said_ms >= SAY_MS) {
        maintenance->said_ms = now_ms;
        log_info("%s", buf_text(&said));
    }
    buf_release(&said);
}

static void set_alarm(struct maintenance *maintenance, bool is_alarmed, uint64_t now_ms)
{
    uint64_t pause_ms = is_alarmed ? LAG_SOON_MS : LAG_MS;
    maintenance->is_alarmed = is_alarmed;
    maintenance->said_ms = now_ms;
    loop_timer_start(maintenance->lag_timer, pause_ms, pause_ms);
}

static void judge_lag(struct maintenance *maintenance, uint64_t rows, uint64_t bytes,
                      uint64_t age_s)
{
    metrics_set(maintenance->counts, METRIC_OUTBOX_ROWS, rows);
    metrics_set(maintenance->counts, METRIC_OUTBOX_BYTES, bytes);
    metrics_set(maintenance->counts, METRIC_OUTBOX_AGE, age_s);
    bool is_behind = rows > ALARM_ROWS || age_s > ALARM_AGE_S;
    uint64_t now_ms = clock_ms();
    backlog_look(&maintenance->backlog, rows, now_ms);
    if (is_behind && !maintenance->is_alarmed) {
        log_warn("the outbox grows: %llu changes (%llu bytes) wait to be delivered, the oldest for "
                 "%llu s",
                 (unsigned long long)rows, (unsigned long long)bytes, (unsigned long long)age_s);
    } else if (!is_behind && maintenance->is_alarmed) {
        log_info("the outbox is short again: %llu changes wait to be delivered",
                 (unsigned long long)rows);
    }
    if (is_behind != maintenance->is_alarmed) {
        set_alarm(maintenance, is_behind, now_ms);
    } else if (is_behind) {
        say_progress(maintenance, now_ms);
    }
}

const struct backlog *maintenance_backlog(const struct maintenance *maintenance)
{
    return maintenance->is_alarmed ? &maintenance->backlog : NULL;
}

/* A sentence is logged when it comes up, not with each look. */
static void tell_warnings(struct maintenance *maintenance, struct str text)
{
    char *warned = str_dup(text);
    if (!warned || (maintenance->warned && strcmp(warned, maintenance->warned) == 0)) {
        free(warned);
        return;
    }
    char *rest = mem_strdup(warned);
    char *place = rest;
    for (char *line; (line = strsep(&place, "\n")) != NULL;) {
        if (*line && !(maintenance->warned && strstr(maintenance->warned, line))) {
            log_warn("%s", line);
        }
    }
    free(rest);
    free(maintenance->warned);
    maintenance->warned = warned;
    maintenance->on_warnings(maintenance->warnings_arg, warned);
}

static void on_lag(void *arg, const struct query_result *result)
{
    struct maintenance *maintenance = arg;
    maintenance->is_looking = false;
    if (is_fine(result, "herald.lag") && maintenance->is_on) {
        judge_lag(maintenance, rows_u64(result->rows, 0, 0), rows_u64(result->rows, 0, 1),
                  rows_u64(result->rows, 0, 2));
        tell_warnings(maintenance, rows_text(result->rows, 0, 3));
    }
}

static void maintenance_look(void *arg)
{
    struct maintenance *maintenance = arg;
    if (!maintenance->is_looking && connection_is_open(maintenance->connection)) {
        maintenance->is_looking = true;
        connection_query(
            maintenance->connection,
            "SELECT pending_rows, pending_bytes, extract(epoch FROM "
            "oldest_age)::bigint, pg_catalog.array_to_string(herald.warnings(), E'\\n')"
            " FROM herald.lag()",
            NULL, on_lag, maintenance);
    }
}

/* ---- life ---- */

struct maintenance *maintenance_new(struct loop *loop, struct connection *connection,
                                    struct metrics_block *counts)
{
    struct maintenance *maintenance = mem_zalloc(sizeof(*maintenance));
    maintenance->connection = connection;
    maintenance->counts = counts;
    maintenance->tally = tally_new(counts);
    maintenance->has_batches = true; /* of the process before this one */
    maintenance->sweep_timer = loop_timer_new(loop, maintenance_sweep, maintenance);
    maintenance->trim_timer = loop_timer_new(loop, maintenance_trim, maintenance);
    maintenance->lag_timer = loop_timer_new(loop, maintenance_look, maintenance);
    maintenance->stale_timer = loop_timer_new(loop, maintenance_refresh, maintenance);
    return maintenance;
}

void maintenance_set_retention(struct maintenance *maintenance, uint32_t hours)
{
    maintenance->retention_hours = hours;
}

void maintenance_on_warnings(struct maintenance *maintenance,
                             void (*fn)(void *arg, const char *lines), void *arg)
{
    maintenance->on_warnings = fn;
    maintenance->warnings_arg = arg;
}

void maintenance_start(struct maintenance *maintenance)
{
    maintenance->is_on = true;
    loop_timer_start(maintenance->sweep_timer, SWEEP_MS, SWEEP_MS);
    loop_timer_start(maintenance->lag_timer, LAG_MS, LAG_MS);
    loop_timer_start(maintenance->trim_timer, TRIM_MS, TRIM_MS);
    loop_timer_start(maintenance->stale_timer, STALE_SOON_MS, STALE_MS);
    maintenance_look(maintenance);
}

/* What is known of the backlog is another node's matter then. */
void maintenance_stop(struct maintenance *maintenance)
{
    maintenance->is_on = maintenance->is_alarmed = false;
    maintenance->backlog = (struct backlog){0};
    loop_timer_stop(maintenance->sweep_timer);
    loop_timer_stop(maintenance->trim_timer);
    loop_timer_stop(maintenance->lag_timer);
    loop_timer_stop(maintenance->stale_timer);
}

void maintenance_free(struct maintenance *maintenance)
{
    if (!maintenance) {
        return;
    }
    loop_timer_free(maintenance->sweep_timer);
    loop_timer_free(maintenance->trim_timer);
    loop_timer_free(maintenance->lag_timer);
    loop_timer_free(maintenance->stale_timer);
    tally_free(maintenance->tally);
    free(maintenance->stuck_on);
    free(maintenance->warned);
    free(maintenance);
}
