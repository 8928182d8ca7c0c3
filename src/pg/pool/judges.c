/* SPDX-License-Identifier: PostgreSQL */
/* A call is one statement in a transaction that is read-only and has a timeout of its own, set in a
 * statement before it (pg/functions/lane.c says why). There is no BEGIN: what is sent together is one
 * transaction, and after an error there would be one left that must be ended. What a policy's
 * functions leave in the session is met by rows of the same table only: before those of another
 * DISCARD ALL is sent.
 *
 * Messages of errors may hold values of rows. So the log has the SQLSTATE and the watch, no more. */
#include "pg/pool/judges.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/complaint.h"
#include "pg/pool/pool.h"
#include "pg/rows.h"

enum {
    N_LANES = STORE_JUDGE_RANKS,
    GRACE_MS = 500, /* that the server has to answer after it has cancelled a call */
    MAX_WAITS = 5,  /* timeouts that a call may wait for a connection */
};

struct ask {
    struct pool_job job; /* first */
    struct pg_judges *judges;
    char *watch;
    struct params params; /* until they are sent */
    size_t n_parties, n_images;
    uint64_t sent_ms; /* 0: it waits */
    store_judge_fn *done;
    void *arg;
};

struct pg_judges {
    struct metrics_block *counts;
    struct pool *pool;
    char prologue[256];
    const char *before[2];
    struct complaint broken, away;
};

/* ---- answers ---- */

static void ask_count(const struct ask *ask, const struct store_verdicts *verdicts)
{
    struct metrics_block *counts = ask->judges->counts;
    unsigned how = !verdicts->is_failed ? METRIC_CALL_DONE
                   : verdicts->is_late  ? METRIC_CALL_REFUSED
                                        : METRIC_CALL_FAILED;
    metrics_add(counts, METRIC_JUDGES_WAITING, UINT64_MAX);
    metrics_count(counts, METRIC_JUDGE_CALLS + how);
    metrics_add(counts, METRIC_JUDGE_MS, ask->sent_ms > 0 ? clock_ms() - ask->sent_ms : 0);
    metrics_add(counts, METRIC_JUDGE_VERDICTS,
                verdicts->is_failed ? 0 : ask->n_parties * ask->n_images);
}

static void ask_answer(struct ask *ask, const struct store_verdicts *verdicts)
{
    ask_count(ask, verdicts);
    pool_leave(&ask->job);
    pool_run(ask->judges->pool); /* before the answer: it may take a while to work it off */
    ask->done(ask->arg, verdicts);
    params_release(&ask->params);
    free(ask->watch);
    free(ask);
}

static void ask_complain(const struct ask *ask, struct str problem)
{
    static const size_t sqlstate_len = 5;
    unsigned long long n_unsaid;
    if (complaint_is_due(&ask->judges->broken, &n_unsaid)) {
        log_error("rows of watch %s could not be judged, those concerned have a gap: SQLSTATE %.*s",
                  ask->watch, (int)(problem.len < sqlstate_len ? problem.len : sqlstate_len),
                  problem.ptr);
    }
}

/* Each letter must be one that is known. */
static bool letters_are_sound(struct str letters, size_t n)
{
    for (size_t i = 0; i < letters.len; i++) {
        if (!strchr("tfu", letters.ptr[i])) {
            return false;
        }
    }
    return letters.len == n;
}

static bool ask_read(const struct ask *ask, const PGresult *rows, struct store_judgement *out)
{
    if ((size_t)PQntuples(rows) != ask->n_parties) {
        return false;
    }
    for (size_t i = 0; i < ask->n_parties; i++) {
        struct str problem = rows_text(rows, (int)i, 1);
        out[i] = (struct store_judgement){.letters = rows_text(rows, (int)i, 0),
                                          .has_problem = problem.ptr != NULL,
                                          .took_ms = (uint32_t)rows_u64(rows, (int)i, 2)};
        if (!letters_are_sound(out[i].letters, ask->n_images)) {
            return false;
        }
        if (problem.ptr) {
            ask_complain(ask, problem);
        }
    }
    return true;
}

static void ask_fail(struct ask *ask, bool is_late)
{
    ask_answer(ask, &(struct store_verdicts){.is_failed = true, .is_late = is_late});
}

static void on_judged(void *arg, const struct query_result *result)
{
    struct ask *ask = arg;
    struct store_judgement *judgements = mem_array(NULL, ask->n_parties + 1, sizeof(*judgements));
    if (result->rows && ask_read(ask, result->rows, judgements)) {
        ask_answer(ask, &(struct store_verdicts){.judgements = judgements});
    } else {
        /* A lost connection may be the doing of what was called, as a timeout is. */
        bool is_late = result->is_lost || strcmp(result->sqlstate, "57014") == 0;
        ask_complain(ask, str_of(result->is_lost ? "08006" : result->sqlstate));
        ask_fail(ask, is_late && !pool_is_stopped(ask->judges->pool));
    }
    free(judgements);
}

/* ---- asking ---- */

static void on_clean(void *arg, const struct query_result *result)
{
    struct connection *connection = arg;
    if (!result->is_lost && *result->sqlstate) {
        connection_drop(connection, "DISCARD ALL failed"); /* a new session is clean */
    }
}

static void ask_send(struct pool_job *job)
{
    struct ask *ask = (struct ask *)job;
    struct connection *connection = pool_connection(job);
    ask->sent_ms = clock_ms();
    if (pool_lane_changes(job, ask->watch)) {
        connection_query(connection, "DISCARD ALL", NULL, on_clean, connection);
    }
    connection_query_framed(
        connection, (struct query_frame){.before = ask->judges->before},
        "SELECT verdicts, problem, ms FROM herald.judge($1, $2, $3, $4, $5, $6)", &ask->params,
        on_judged, ask);
}

static void ask_give_up(struct pool_job *job)
{
    ask_fail((struct ask *)job, false);
}

static void put_case(struct params *params, const struct store_case *asked)
{
    params_text(params, asked->watch);
    params_bigint(params, asked->shape);
    params_text(params, asked->visible);
    params_array_begin(params, asked->n_parties);
    for (size_t i = 0; i < asked->n_parties; i++) {
        params_array_add(params, asked->parties[i].role);
    }
    params_array_end(params);
    params_array_begin(params, asked->n_parties);
    for (size_t i = 0; i < asked->n_parties; i++) {
        params_array_add(params, asked->parties[i].claims);
    }
    params_array_end(params);
    params_array_begin(params, asked->n_images);
    for (size_t i = 0; i < asked->n_images; i++) {
        params_array_add(params, asked->images[i]);
    }
    params_array_end(params);
}

static void pg_judges_judge(void *ctx, const struct store_case *asked, store_judge_fn *done,
                            void *arg)
{
    struct pg_judges *judges = ctx;
    struct ask *ask = mem_zalloc(sizeof(*ask));
    ask->judges = judges;
    ask->watch = str_dup(asked->watch);
    ask->n_parties = asked->n_parties;
    ask->n_images = asked->n_images;
    ask->done = done;
    ask->arg = arg;
    put_case(&ask->params, asked);
    metrics_count(judges->counts, METRIC_JUDGES_WAITING);
    ask->job.rank = asked->rank;
    pool_add(judges->pool, &ask->job);
}

struct store_judges pg_judges_seam(struct pg_judges *judges)
{
    return (struct store_judges){.ctx = judges, .judge = pg_judges_judge};
}

/* ---- life ---- */

static void on_away(void *arg, const char *reason)
{
    struct pg_judges *judges = arg;
    unsigned long long n_unsaid;
    if (complaint_is_due(&judges->away, &n_unsaid)) {
        log_warn(
            "no connection to judge rows, which nobody is shown meanwhile: %s. They are judged "
            "as role herald_judge: it must be let in by pg_hba.conf, with a password of its "
            "own (pgherald install --judge-password-file) or by --judge-url",
            reason);
    }
}

static void write_prologue(struct pg_judges *judges, uint32_t timeout_ms)
{
    snprintf(judges->prologue, sizeof(judges->prologue),
             "SELECT pg_catalog.set_config('transaction_read_only', 'on', true),"
             " pg_catalog.set_config('statement_timeout', '%u', true),"
             " pg_catalog.set_config('client_min_messages', 'error', true)",
             (unsigned)timeout_ms);
}

void pg_judges_set_timeout(struct pg_judges *judges, uint32_t timeout_ms)
{
    write_prologue(judges, timeout_ms);
    pool_set_timeouts(judges->pool, timeout_ms + GRACE_MS, MAX_WAITS * timeout_ms);
}

struct pg_judges *pg_judges_new(struct loop *loop, const struct pg_judges_options *options)
{
    struct pg_judges *judges = mem_zalloc(sizeof(*judges));
    struct pool_options pool_options = {
        .name = "judge",
        .url = options->url,
        .user = options->user,
        .n_lanes = N_LANES,
        .query_timeout_ms = options->timeout_ms + GRACE_MS,
        .max_age_ms = MAX_WAITS * options->timeout_ms,
        .is_quiet = true,
        .arg = judges,
        .send = ask_send,
        .fail = ask_give_up,
        .on_away = on_away,
    };
    write_prologue(judges, options->timeout_ms);
    judges->before[0] = judges->prologue;
    judges->counts = options->counts;
    judges->pool = pool_new(loop, &pool_options);
    return judges;
}

void pg_judges_free(struct pg_judges *judges)
{
    if (judges) {
        pool_free(judges->pool);
        free(judges);
    }
}

struct pool *pg_judges_pool(const struct pg_judges *judges)
{
    return judges->pool;
}
