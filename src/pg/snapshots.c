/* SPDX-License-Identifier: PostgreSQL */
/* A read is one statement in a transaction of its own, REPEATABLE READ READ ONLY, so that the rows,
 * the channel's head and the list of transactions are of one moment (sql/0011). It changes nothing:
 * after a lost connection it is asked again. */
#include "pg/snapshots.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/query.h"
#include "pg/rows.h"
#include "pg/shapes/shapes.h"

enum { N_LANES = 2, MAX_AGE_MS = 20000, AGE_CHECK_MS = 500 };

struct ask {
    struct ask *next;
    struct pg_snapshots *snapshots;
    char *watch, *channel, *conditions, *order;
    uint32_t max_rows;
    store_snapshot_fn *done;
    void *arg;
    uint64_t asked_ms;
    struct lane *lane; /* that it is on; NULL: it waits */
    PGresult *rows;    /* read, while their shape is asked for */
    struct shape_wish wish;
};

struct lane {
    struct pg_snapshots *snapshots;
    struct connection *connection;
    bool is_busy;
};

struct pg_snapshots {
    struct loop *loop;
    struct pg_snapshots_options options;
    struct lane lanes[N_LANES];
    struct loop_timer *timer;
    struct ask *waiting, **waiting_end;
    bool is_started, is_stopped;
};

static void pg_snapshots_run(struct pg_snapshots *snapshots);

/* ---- who waits ---- */

static void ask_free(struct ask *ask)
{
    free(ask->watch);
    free(ask->channel);
    free(ask->conditions);
    free(ask->order);
    PQclear(ask->rows);
    shape_wish_release(&ask->wish);
    free(ask);
}

static struct ask *pg_snapshots_pop(struct pg_snapshots *snapshots)
{
    struct ask *ask = snapshots->waiting;
    snapshots->waiting = ask->next;
    if (!snapshots->waiting) {
        snapshots->waiting_end = &snapshots->waiting;
    }
    return ask;
}

static void pg_snapshots_push(struct pg_snapshots *snapshots, struct ask *ask)
{
    ask->next = NULL;
    ask->lane = NULL;
    *snapshots->waiting_end = ask;
    snapshots->waiting_end = &ask->next;
}

static void ask_leave_lane(struct ask *ask)
{
    if (ask->lane) {
        ask->lane->is_busy = false;
        ask->lane = NULL;
    }
}

static void ask_answer(struct ask *ask, const struct store_snapshot *answer)
{
    ask_leave_lane(ask);
    ask->done(ask->arg, answer);
    ask_free(ask);
}

static void ask_fail(struct ask *ask, enum error_code code)
{
    ask_answer(ask, &(struct store_snapshot){.is_failed = true, .code = code});
}

/* ---- answers ---- */

/* The first row's JSON. */
static bool read_head(const json_t *head, struct str body, struct store_snapshot *out,
                      int64_t *shape)
{
    const char *epoch = json_string_value(json_object_get(head, "epoch"));
    const char *snapshot = json_string_value(json_object_get(head, "snapshot"));
    const char *number = json_string_value(json_object_get(head, "shape"));
    const char *changed = json_string_value(json_object_get(head, "changed"));
    json_int_t offset = json_integer_value(json_object_get(head, "head"));
    (void)body;
    if (!epoch || !snapshot || !number || offset < 0 || !changed ||
        !str_to_u64(str_of(changed), &out->changed)) {
        return false;
    }
    *shape = strtoll(number, NULL, 10);
    out->epoch = str_of(epoch);
    out->snapshot = str_of(snapshot);
    out->head = (uint64_t)offset;
    out->is_moved = json_is_true(json_object_get(head, "moved"));
    return true;
}

static void ask_answer_rows(struct ask *ask, const json_t *head, struct store_snapshot *answer)
{
    int n = PQntuples(ask->rows);
    (void)head;
    answer->rows = mem_array(NULL, (size_t)n, sizeof(*answer->rows));
    for (int i = 1; i < n; i++) {
        answer->rows[answer->n_rows++] = (struct store_row){
            .is_reduced = str_equals(rows_text(ask->rows, i, 0), STR("k")),
            .text = rows_text(ask->rows, i, 1),
        };
    }
    struct store_row *rows = answer->rows;
    ask_answer(ask, answer);
    free(rows);
}

/* The rows are there, and their shape was asked for if it was not known. */
static void ask_finish(struct ask *ask)
{
    struct store_snapshot answer = {0};
    int64_t number = 0;
    struct str body = rows_text(ask->rows, 0, 1);
    json_t *head = body.ptr ? json_loadb(body.ptr, body.len, 0, NULL) : NULL;
    bool is_read = read_head(head, body, &answer, &number);
    answer.shape = shapes_find(ask->snapshots->options.shapes, number);
    if (is_read && answer.shape) {
        ask_answer_rows(ask, head, &answer);
    } else {
        log_error("herald.read_snapshot answered what this program does not understand");
        ask_fail(ask, ERROR_CODE_UNAVAILABLE);
    }
    json_decref(head);
}

static int64_t rows_shape(const PGresult *rows)
{
    struct store_snapshot unused;
    int64_t number = 0;
    struct str body = rows_text(rows, 0, 1);
    json_t *head = body.ptr ? json_loadb(body.ptr, body.len, 0, NULL) : NULL;
    (void)read_head(head, body, &unused, &number);
    json_decref(head);
    return number;
}

static enum error_code code_of(const char *sqlstate)
{
    bool is_off = strcmp(sqlstate, "0A000") == 0 || strcmp(sqlstate, "42704") == 0;
    return is_off ? ERROR_CODE_SNAPSHOT_OFF : ERROR_CODE_UNAVAILABLE;
}

/* False: it is asked again, or has failed. */
static bool ask_answered(struct ask *ask, const struct query_result *result, const char *what)
{
    if (result->rows && PQntuples(result->rows) > 0) {
        return true;
    }
    if (result->is_lost && !ask->snapshots->is_stopped) {
        ask_leave_lane(ask);
        pg_snapshots_push(ask->snapshots, ask);
        return false;
    }
    log_warn("%s failed: %s %s", what, result->sqlstate, result->message);
    ask_fail(ask, code_of(result->sqlstate));
    return false;
}

static void on_shape(void *arg, const struct query_result *result)
{
    struct ask *ask = arg;
    struct pg_snapshots *snapshots = ask->snapshots;
    if (ask_answered(ask, result, "reading the shape of a snapshot")) {
        shapes_take(snapshots->options.shapes, &ask->wish, result->rows);
        ask_finish(ask);
    }
    pg_snapshots_run(snapshots);
}

static void on_rolled_back(void *arg, const struct query_result *result)
{
    struct lane *lane = arg;
    if (!result->is_lost && *result->sqlstate) {
        connection_drop(lane->connection, "ROLLBACK failed");
    }
}

/* An error skips the COMMIT that was sent with the question: the next one would be asked in the
 * failed transaction. */
static void lane_clean(struct lane *lane, const struct query_result *result)
{
    if (!result->is_lost && *result->sqlstate) {
        connection_query(lane->connection, "ROLLBACK", NULL, on_rolled_back, lane);
    }
}

static void on_rows(void *arg, const struct query_result *result)
{
    struct ask *ask = arg;
    struct pg_snapshots *snapshots = ask->snapshots;
    lane_clean(ask->lane, result);
    if (ask_answered(ask, result, "herald.read_snapshot")) {
        struct params params = {0};
        PQclear(ask->rows);
        ask->rows = query_take_rows(result);
        ask->wish.n = 0;
        shapes_want(snapshots->options.shapes, rows_shape(ask->rows), &ask->wish);
        if (ask->wish.n > 0) {
            shape_wish_params(&ask->wish, &params);
            connection_query(ask->lane->connection, SHAPES_QUERY, &params, on_shape, ask);
            return;
        }
        ask_finish(ask);
    }
    pg_snapshots_run(snapshots);
}

/* ---- asking ---- */

static void lane_send(struct lane *lane, struct ask *ask)
{
    static const char *const begin[] = {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL};
    static const char *const commit[] = {"COMMIT", NULL};
    struct params params = {0};
    lane->is_busy = true;
    ask->lane = lane;
    params_text(&params, str_of(ask->watch));
    params_text(&params, str_of(ask->channel));
    params_text(&params, str_of(ask->conditions));
    params_text(&params, str_of(ask->order));
    params_int(&params, (int32_t)ask->max_rows);
    connection_query_framed(
        lane->connection, (struct query_frame){.before = begin, .behind = commit},
        "SELECT kind, body FROM herald.read_snapshot($1, $2, $3::json, $4::json, $5)", &params,
        on_rows, ask);
}

static void pg_snapshots_run(struct pg_snapshots *snapshots)
{
    for (size_t i = 0; i < N_LANES && snapshots->waiting; i++) {
        struct lane *lane = &snapshots->lanes[i];
        if (!lane->is_busy && connection_is_open(lane->connection)) {
            lane_send(lane, pg_snapshots_pop(snapshots));
        }
    }
}

static void pg_snapshots_connect(struct pg_snapshots *snapshots)
{
    for (size_t i = 0; i < N_LANES && snapshots->is_started; i++) {
        connection_start(snapshots->lanes[i].connection);
    }
}

static void on_timer(void *arg)
{
    struct pg_snapshots *snapshots = arg;
    uint64_t now_ms = clock_ms();
    while (snapshots->waiting && now_ms - snapshots->waiting->asked_ms >= MAX_AGE_MS) {
        ask_fail(pg_snapshots_pop(snapshots), ERROR_CODE_UNAVAILABLE);
    }
    if (!snapshots->waiting) {
        loop_timer_stop(snapshots->timer);
    }
}

static void pg_snapshots_read(void *ctx, const struct store_snapshot_query *query,
                              store_snapshot_fn *done, void *arg)
{
    struct pg_snapshots *snapshots = ctx;
    struct ask *ask = mem_zalloc(sizeof(*ask));
    ask->snapshots = snapshots;
    ask->watch = str_dup(query->watch);
    ask->channel = str_dup(query->channel);
    ask->conditions = str_dup(query->conditions);
    ask->order = str_dup(query->order);
    ask->max_rows = query->max_rows;
    ask->done = done;
    ask->arg = arg;
    ask->asked_ms = clock_ms();
    pg_snapshots_push(snapshots, ask);
    loop_timer_start(snapshots->timer, snapshots->is_stopped ? 0 : AGE_CHECK_MS, AGE_CHECK_MS);
    if (!snapshots->is_stopped) {
        pg_snapshots_connect(snapshots);
        pg_snapshots_run(snapshots);
    }
}

struct store_snapshots pg_snapshots_seam(struct pg_snapshots *snapshots)
{
    return (struct store_snapshots){.ctx = snapshots, .read = pg_snapshots_read};
}

/* ---- life ---- */

static void on_open(void *arg)
{
    struct lane *lane = arg;
    connection_settle(lane->connection);
    pg_snapshots_run(lane->snapshots);
}

static void on_lost(void *arg, const char *reason)
{
    const struct lane *lane = arg;
    if (lane->snapshots->waiting) {
        log_warn("a connection for snapshots is away: %s", reason);
    }
}

struct pg_snapshots *pg_snapshots_new(struct loop *loop, const struct pg_snapshots_options *options)
{
    struct pg_snapshots *snapshots = mem_zalloc(sizeof(*snapshots));
    snapshots->loop = loop;
    snapshots->options = *options;
    snapshots->waiting_end = &snapshots->waiting;
    snapshots->timer = loop_timer_new(loop, on_timer, snapshots);
    for (size_t i = 0; i < N_LANES; i++) {
        struct lane *lane = &snapshots->lanes[i];
        struct connection_options connection_options = {
            .name = "snapshots",
            .url = options->url,
            .query_timeout_ms = options->query_timeout_ms,
            .is_pipelined = true,
            .arg = lane,
            .on_open = on_open,
            .on_lost = on_lost,
        };
        lane->snapshots = snapshots;
        lane->connection = connection_new(loop, &connection_options);
    }
    return snapshots;
}

void pg_snapshots_start(struct pg_snapshots *snapshots)
{
    snapshots->is_started = !snapshots->is_stopped;
    if (snapshots->waiting) {
        pg_snapshots_connect(snapshots);
    }
}

void pg_snapshots_pause(struct pg_snapshots *snapshots)
{
    snapshots->is_started = false;
    for (size_t i = 0; i < N_LANES; i++) {
        connection_stop(snapshots->lanes[i].connection);
    }
}

void pg_snapshots_stop(struct pg_snapshots *snapshots)
{
    snapshots->is_stopped = true;
    pg_snapshots_pause(snapshots);
    while (snapshots->waiting) {
        ask_fail(pg_snapshots_pop(snapshots), ERROR_CODE_UNAVAILABLE);
    }
}

void pg_snapshots_free(struct pg_snapshots *snapshots)
{
    if (!snapshots) {
        return;
    }
    pg_snapshots_stop(snapshots);
    for (size_t i = 0; i < N_LANES; i++) {
        connection_free(snapshots->lanes[i].connection);
    }
    loop_timer_free(snapshots->timer);
    free(snapshots);
}
