/* SPDX-License-Identifier: PostgreSQL */
/* A read is one statement in a transaction of its own, REPEATABLE READ READ ONLY, so that the rows,
 * the channel's head and the list of transactions are of one moment (sql/0011). It changes nothing:
 * after a lost connection it is asked again. */
#include "pg/pool/snapshots.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/complaint.h"
#include "pg/pool/pool.h"
#include "pg/rows.h"
#include "pg/shapes/shapes.h"

enum { N_LANES = 2, MAX_AGE_MS = 20000 };

struct ask {
    struct pool_job job; /* first */
    struct pg_snapshots *snapshots;
    char *watch, *channel, *conditions, *order;
    uint32_t max_rows;
    uint64_t sent_ms;
    store_snapshot_fn *done;
    void *arg;
    PGresult *rows;               /* read, while their shape is asked for */
    json_t *head;                 /* what the first of them says */
    struct store_snapshot answer; /* of it; its spans lie there */
    int64_t shape;
    struct shape_wish wish;
};

struct pg_snapshots {
    struct pg_snapshots_options options;
    struct complaint away;
    struct pool *pool;
};

/* ---- the end of an ask ---- */

static void ask_free(struct ask *ask)
{
    free(ask->watch);
    free(ask->channel);
    free(ask->conditions);
    free(ask->order);
    PQclear(ask->rows);
    json_decref(ask->head);
    shape_wish_release(&ask->wish);
    free(ask);
}

static void ask_answer(struct ask *ask, const struct store_snapshot *answer)
{
    pool_leave(&ask->job);
    ask->done(ask->arg, answer);
    ask_free(ask);
}

static void ask_fail(struct ask *ask, enum error_code code)
{
    ask_answer(ask, &(struct store_snapshot){.is_failed = true, .code = code});
}

/* ---- answers ---- */

/* The first row. */
static bool ask_read_head(struct ask *ask)
{
    struct str body = rows_text(ask->rows, 0, 1);
    json_decref(ask->head);
    ask->head = body.ptr ? json_loadb(body.ptr, body.len, 0, NULL) : NULL;
    const char *epoch = json_string_value(json_object_get(ask->head, "epoch"));
    const char *snapshot = json_string_value(json_object_get(ask->head, "snapshot"));
    const char *number = json_string_value(json_object_get(ask->head, "shape"));
    const char *changed = json_string_value(json_object_get(ask->head, "changed"));
    json_int_t offset = json_integer_value(json_object_get(ask->head, "head"));
    ask->answer = (struct store_snapshot){
        .is_moved = json_is_true(json_object_get(ask->head, "moved")),
        .epoch = str_of(epoch),
        .snapshot = str_of(snapshot),
        .head = (uint64_t)offset,
    };
    ask->shape = number ? strtoll(number, NULL, 10) : 0;
    return epoch && snapshot && number && offset >= 0 && changed &&
           str_to_u64(str_of(changed), &ask->answer.changed);
}

/* Their shape was asked for if it was not known. */
static void ask_answer_rows(struct ask *ask)
{
    int n = PQntuples(ask->rows);
    struct store_snapshot answer = ask->answer;
    struct store_row *rows = mem_array(NULL, (size_t)n, sizeof(*rows));
    for (int i = 1; i < n; i++) {
        rows[i - 1] = (struct store_row){
            .is_reduced = str_equals(rows_text(ask->rows, i, 0), STR("k")),
            .text = rows_text(ask->rows, i, 1),
        };
    }
    answer.rows = rows;
    answer.n_rows = (size_t)n - 1;
    answer.shape = shapes_find(ask->snapshots->options.shapes, ask->shape);
    if (answer.shape) {
        ask_answer(ask, &answer);
    } else {
        log_error("a snapshot's rows have a shape that cannot be read");
        ask_fail(ask, ERROR_CODE_UNAVAILABLE);
    }
    free(rows);
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
    if (result->is_lost && !pool_is_stopped(ask->snapshots->pool)) {
        pool_again(&ask->job);
        return false;
    }
    log_warn("%s failed: %s %s", what, result->sqlstate, result->message);
    if (strcmp(result->sqlstate, "55000") == 0 && ask->snapshots->options.on_stale) {
        ask->snapshots->options.on_stale(ask->snapshots->options.arg);
    }
    ask_fail(ask, code_of(result->sqlstate));
    return false;
}

static void on_shape(void *arg, const struct query_result *result)
{
    struct ask *ask = arg;
    struct pg_snapshots *snapshots = ask->snapshots;
    if (ask_answered(ask, result, "reading the shape of a snapshot")) {
        shapes_take(snapshots->options.shapes, &ask->wish, result->rows);
        ask_answer_rows(ask);
    }
    pool_run(snapshots->pool);
}

static void on_rolled_back(void *arg, const struct query_result *result)
{
    struct connection *connection = arg;
    if (!result->is_lost && *result->sqlstate) {
        connection_drop(connection, "ROLLBACK failed");
    }
}

/* An error skips the COMMIT that was sent with the question: the next one would be asked in the
 * failed transaction. */
static void ask_clean(const struct ask *ask, const struct query_result *result)
{
    if (!result->is_lost && *result->sqlstate) {
        struct connection *connection = pool_connection(&ask->job);
        connection_query(connection, "ROLLBACK", NULL, on_rolled_back, connection);
    }
}

static void ask_take_rows(struct ask *ask)
{
    struct params params = {0};
    ask->wish.n = 0;
    if (!ask_read_head(ask)) {
        log_error("herald.read_snapshot answered what this program does not understand");
        ask_fail(ask, ERROR_CODE_UNAVAILABLE);
        return;
    }
    shapes_want(ask->snapshots->options.shapes, ask->shape, &ask->wish);
    if (ask->wish.n == 0) {
        ask_answer_rows(ask);
        return;
    }
    shape_wish_params(&ask->wish, &params);
    connection_query(pool_connection(&ask->job), SHAPES_QUERY, &params, on_shape, ask);
}

static void on_rows(void *arg, const struct query_result *result)
{
    struct ask *ask = arg;
    struct pool *pool = ask->snapshots->pool;
    metrics_add(ask->snapshots->options.counts, METRIC_SNAPSHOT_READ_MS, clock_ms() - ask->sent_ms);
    ask_clean(ask, result);
    if (ask_answered(ask, result, "herald.read_snapshot")) {
        PQclear(ask->rows);
        ask->rows = query_take_rows(result);
        ask_take_rows(ask);
    }
    pool_run(pool);
}

/* ---- asking ---- */

static void ask_send(struct pool_job *job)
{
    static const char *const begin[] = {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL};
    static const char *const commit[] = {"COMMIT", NULL};
    struct ask *ask = (struct ask *)job;
    struct params params = {0};
    params_text(&params, str_of(ask->watch));
    params_text(&params, str_of(ask->channel));
    params_text(&params, str_of(ask->conditions));
    params_text(&params, str_of(ask->order));
    params_int(&params, (int32_t)ask->max_rows);
    ask->sent_ms = clock_ms();
    connection_query_framed(
        pool_connection(job), (struct query_frame){.before = begin, .behind = commit},
        "SELECT kind, body FROM herald.read_snapshot($1, $2, $3::json, $4::json, $5)", &params,
        on_rows, ask);
}

static void ask_give_up(struct pool_job *job)
{
    ask_fail((struct ask *)job, ERROR_CODE_UNAVAILABLE);
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
    pool_add(snapshots->pool, &ask->job);
}

struct store_snapshots pg_snapshots_seam(struct pg_snapshots *snapshots)
{
    return (struct store_snapshots){.ctx = snapshots, .read = pg_snapshots_read};
}

/* ---- life ---- */

static void on_away(void *arg, const char *reason)
{
    struct pg_snapshots *snapshots = arg;
    unsigned long long n_unsaid;
    if (complaint_is_due(&snapshots->away, &n_unsaid)) {
        log_warn("a connection for snapshots is away: %s", reason);
    }
}

struct pg_snapshots *pg_snapshots_new(struct loop *loop, const struct pg_snapshots_options *options)
{
    struct pg_snapshots *snapshots = mem_zalloc(sizeof(*snapshots));
    struct pool_options pool_options = {
        .name = "snapshots",
        .url = options->url,
        .n_lanes = N_LANES,
        .query_timeout_ms = options->query_timeout_ms,
        .max_age_ms = MAX_AGE_MS,
        .arg = snapshots,
        .send = ask_send,
        .fail = ask_give_up,
        .on_away = on_away,
    };
    snapshots->options = *options;
    snapshots->pool = pool_new(loop, &pool_options);
    return snapshots;
}

void pg_snapshots_set_timeout(struct pg_snapshots *snapshots, uint32_t query_timeout_ms)
{
    pool_set_timeouts(snapshots->pool, query_timeout_ms, MAX_AGE_MS);
}

struct pool *pg_snapshots_pool(const struct pg_snapshots *snapshots)
{
    return snapshots->pool;
}

void pg_snapshots_free(struct pg_snapshots *snapshots)
{
    if (snapshots) {
        pool_free(snapshots->pool);
        free(snapshots);
    }
}
