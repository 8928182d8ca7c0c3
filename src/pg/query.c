/* SPDX-License-Identifier: PostgreSQL */
/* The queries of a connection, a first-in first-out list: those that were sent, then those that
 * wait.
 *
 * On a plain connection one query is under way at a time. Its results end with PQgetResult's NULL,
 * which comes after ReadyForQuery: only then has its transaction committed. CommandComplete, which
 * makes the rows available, is sent before the commit.
 *
 * On a pipelined connection up to MAX_SENT are under way, each followed by a Sync of its own: that
 * makes each a transaction of its own, so an error in one does not abort those behind it. There
 * NULL comes after CommandComplete already and a PGRES_PIPELINE_SYNC result stands for
 * ReadyForQuery.
 *
 * A query may have statements before it and behind it, in its transaction: the results of those
 * before come first, and those behind have no rows, so the last rows are the query's own.
 *
 * Both ways a query is answered at the end of its transaction, never earlier, and an error beats
 * rows.
 *
 * A session that keeps statements parses each of them once: it is prepared right before its first
 * use, under its number in `statements`. Each message that is sent has one result, in that order, so
 * an error tells which of them were not prepared; what is behind it was skipped. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pg/connection_internal.h"

enum {
    MAX_SENT =
        64, /* on a pipelined connection; the rest waits here, where it costs the server nothing */
    MAX_NULLS = 16, /* far more than libpq ever returns in a row: the streams have come apart */
};

/* ---- sending ---- */

/* One timer watches the oldest query; it is moved whenever another one becomes the oldest. */
static void set_deadline(struct connection *connection)
{
    if (connection->n_sent == 0) {
        loop_timer_stop(connection->timer);
        return;
    }
    uint64_t due_ms = connection->queries->sent_ms + connection->options.query_timeout_ms;
    uint64_t now_ms = clock_ms();
    loop_timer_start(connection->timer, due_ms > now_ms ? due_ms - now_ms : 1, 0);
}

/* Its number, or that of the first place that is free; STATEMENTS_MAX: there is none. */
static unsigned place_statement(const struct connection *connection, const char *sql)
{
    unsigned place = STATEMENTS_MAX;
    for (unsigned i = 0; i < STATEMENTS_MAX; i++) {
        const char *kept = connection->statements[i];
        if (kept && strcmp(kept, sql) == 0) {
            return i;
        }
        place = !kept && i < place ? i : place;
    }
    return place;
}

static bool prepare(struct connection *connection, struct query *query, const char *sql,
                    const struct params *params, unsigned place)
{
    char name[16];
    snprintf(name, sizeof(name), "s%u", place);
    connection->statements[place] = mem_strdup(sql);
    query->preparing[query->n_preparing++] =
        (struct preparing){.result = query->n_results++, .place = place};
    return PQsendPrepare(connection->conn, name, sql, params->n, params->types) == 1;
}

static bool send_statement(struct connection *connection, struct query *query, const char *sql,
                           const struct params *params)
{
    const char *values[PARAMS_MAX];
    int formats[PARAMS_MAX];
    for (int i = 0; i < params->n; i++) {
        /* A value of no bytes needs a pointer too: NULL is the NULL of SQL. */
        values[i] = params->lengths[i] < 0    ? NULL
                    : params->lengths[i] == 0 ? ""
                                              : params->bytes.data + params->starts[i];
        formats[i] = 1;
    }
    bool is_kept = connection->keeps_statements && query->n_preparing < PREPARING_MAX;
    unsigned place = is_kept ? place_statement(connection, sql) : STATEMENTS_MAX;
    if (place == STATEMENTS_MAX) {
        query->n_results++;
        return PQsendQueryParams(connection->conn, sql, params->n, params->types, values,
                                 params->lengths, formats, 0) == 1;
    }
    if (!connection->statements[place] && !prepare(connection, query, sql, params, place)) {
        return false;
    }
    char name[16];
    snprintf(name, sizeof(name), "s%u", place);
    query->n_results++;
    return PQsendQueryPrepared(connection->conn, name, params->n, values, params->lengths, formats,
                               0) == 1;
}

/* A statement that fails takes those behind it along, up to the Sync. */
static bool send_plain(struct connection *connection, struct query *query, const char *const *sql)
{
    static const struct params none = {0};
    bool is_sent = true;
    for (; is_sent && sql && *sql; sql++) {
        is_sent = send_statement(connection, query, *sql, &none);
    }
    return is_sent;
}

static bool send_query(struct connection *connection, struct query *query)
{
    return send_plain(connection, query, query->frame.before) &&
           send_statement(connection, query, query->sql, &query->params) &&
           send_plain(connection, query, query->frame.behind) &&
           (!connection->options.is_pipelined || PQpipelineSync(connection->conn) == 1);
}

static void send_more(struct connection *connection)
{
    size_t most = connection->options.is_pipelined ? MAX_SENT : 1;
    bool has_sent = false;
    while (connection->unsent && connection->n_sent < most) {
        struct query *query = connection->unsent;
        if (!send_query(connection, query)) {
            connection_lose_soon(connection);
            return;
        }
        params_release(&query->params);
        query->sent_ms = clock_ms();
        connection->unsent = query->next;
        connection->n_sent++;
        has_sent = true;
        if (connection->n_sent == 1) {
            set_deadline(connection);
        }
    }
    if (has_sent) {
        connection_flush(connection);
    }
}

void connection_query_framed(struct connection *connection, struct query_frame frame,
                             const char *sql, struct params *params, query_fn *done, void *arg)
{
    assert(connection->state == CONNECTION_STATE_OPEN);
    assert((!frame.before && !frame.behind) || connection->options.is_pipelined);
    struct query *query = mem_zalloc(sizeof(*query));
    query->frame = frame;
    query->sql = sql;
    query->done = done;
    query->arg = arg;
    if (params) {
        query->params = *params;
        *params = (struct params){0};
    }
    *connection->queries_end = query;
    connection->queries_end = &query->next;
    if (!connection->unsent) {
        connection->unsent = query;
    }
    if (!connection->is_broken) {
        send_more(connection);
    }
}

void connection_keep_statements(struct connection *connection)
{
    assert(connection->options.is_pipelined);
    connection->keeps_statements = true;
}

void connection_query(struct connection *connection, const char *sql, struct params *params,
                      query_fn *done, void *arg)
{
    connection_query_framed(connection, (struct query_frame){0}, sql, params, done, arg);
}

/* ---- answering ---- */

static struct query *query_pop(struct connection *connection)
{
    struct query *query = connection->queries;
    connection->queries = query->next;
    if (!connection->queries) {
        connection->queries_end = &connection->queries;
    }
    if (connection->unsent == query) {
        connection->unsent = query->next;
    } else {
        connection->n_sent--;
    }
    return query;
}

/* An error about data (SQLSTATE class 22) quotes what was wrong: "invalid input syntax for type
 * integer: "…"". That is a client's payload or a row, and messages end up in logs. NULL: there is
 * nothing to hide. */
static char *without_values(const char *sqlstate, const char *message)
{
    const char *first = strchr(message, '"');
    const char *last = strrchr(message, '"');
    if (strncmp(sqlstate, "22", 2) != 0 || !first) {
        return NULL;
    }
    return mem_printf("%.*s\"…%s", (int)(first - message), message, last == first ? "" : last);
}

static void query_answer(struct query *query, bool is_lost)
{
    char *harmless = NULL;
    struct query_result result = {
        .is_lost = is_lost, .sqlstate = "", .tag = "", .message = "", .taken = &query->rows};
    if (!is_lost && query->error) {
        const char *sqlstate = PQresultErrorField(query->error, PG_DIAG_SQLSTATE);
        const char *message = PQresultErrorField(query->error, PG_DIAG_MESSAGE_PRIMARY);
        result.sqlstate = sqlstate ? sqlstate : "";
        result.message = message ? message : "an error without a message";
        harmless = without_values(result.sqlstate, result.message);
        result.message = harmless ? harmless : result.message;
    } else if (!is_lost) {
        result.rows = query->rows;
        result.tag = query->tag;
    }
    query->done(query->arg, &result);
    free(harmless);
    PQclear(query->rows);
    PQclear(query->error);
    params_release(&query->params);
    free(query);
}

PGresult *query_take_rows(const struct query_result *result)
{
    PGresult *rows = *result->taken;
    *result->taken = NULL;
    return rows;
}

/* What was to be prepared from this result on is not. */
static void forget_unprepared(struct connection *connection, const struct query *query)
{
    for (unsigned i = 0; i < query->n_preparing; i++) {
        if (query->preparing[i].result >= query->n_answered) {
            free(connection->statements[query->preparing[i].place]);
            connection->statements[query->preparing[i].place] = NULL;
        }
    }
}

/* Keeps a result of the query under way. True: it was the last one. */
static bool keep_result(struct connection *connection, struct query *query, PGresult *result)
{
    bool is_pipelined = connection->options.is_pipelined;
    if (!result) {
        return !is_pipelined;
    }
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_PIPELINE_SYNC || status == PGRES_PIPELINE_ABORTED) {
        PQclear(result); /* what was skipped says nothing that the error before it has not said */
        return status == PGRES_PIPELINE_SYNC;
    }
    snprintf(query->tag, sizeof(query->tag), "%s", PQcmdStatus(result));
    if (status == PGRES_COMMAND_OK && query->rows) {
        PQclear(result); /* of a statement behind it */
        query->n_answered++;
        return false;
    }
    bool is_ok = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;
    if (!is_ok) {
        forget_unprepared(connection, query);
        (void)connection_note_last_words(connection, result);
    }
    query->n_answered++;
    PGresult **place = is_ok ? &query->rows : &query->error;
    PQclear(*place);
    *place = result;
    return false;
}

bool query_pump(struct connection *connection)
{
    unsigned generation = connection->generation;
    unsigned n_nulls = 0;
    while (connection->n_sent > 0 && !PQisBusy(connection->conn)) {
        PGresult *result = PQgetResult(connection->conn);
        if (!result && PQstatus(connection->conn) == CONNECTION_BAD) {
            /* The end of the stream looks like the end of the query; whether it committed is not
             * known. */
            connection_lose_libpq(connection);
            return false;
        }
        n_nulls = result ? 0 : n_nulls + 1;
        if (n_nulls > MAX_NULLS) {
            connection_lose(connection, "the answers of the server have come out of step");
            return false;
        }
        if (!keep_result(connection, connection->queries, result)) {
            continue;
        }
        struct query *query = query_pop(connection);
        set_deadline(connection);
        query_answer(query, false);
        if (connection->generation != generation) {
            return false;
        }
        if (connection->is_broken) {
            return true; /* its timer is set */
        }
        send_more(connection);
    }
    return true;
}

static void forget_all_statements(struct connection *connection)
{
    connection->keeps_statements = false;
    for (unsigned i = 0; i < STATEMENTS_MAX; i++) {
        free(connection->statements[i]);
        connection->statements[i] = NULL;
    }
}

void query_fail_all(struct connection *connection)
{
    /* A callback may start the connection again and ask; what is asked then is not failed here. */
    struct query *queries = connection->queries;
    connection->queries = NULL;
    connection->queries_end = &connection->queries;
    connection->unsent = NULL;
    connection->n_sent = 0;
    forget_all_statements(connection);
    while (queries) {
        struct query *query = queries;
        queries = query->next;
        query_answer(query, true);
    }
}
