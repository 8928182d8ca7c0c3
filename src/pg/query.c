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
 * rows. */
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

/* A statement that fails takes those behind it along, up to the Sync. */
static bool send_plain(struct connection *connection, const char *const *sql)
{
    bool is_sent = true;
    for (; is_sent && sql && *sql; sql++) {
        is_sent = PQsendQueryParams(connection->conn, *sql, 0, NULL, NULL, NULL, NULL, 0) == 1;
    }
    return is_sent;
}

static bool send_query(struct connection *connection, struct query *query)
{
    const char *values[PARAMS_MAX];
    int formats[PARAMS_MAX];
    const struct params *params = &query->params;
    for (int i = 0; i < params->n; i++) {
        /* A value of no bytes needs a pointer too: NULL is the NULL of SQL. */
        values[i] = params->lengths[i] < 0    ? NULL
                    : params->lengths[i] == 0 ? ""
                                              : params->bytes.data + params->starts[i];
        formats[i] = 1;
    }
    return send_plain(connection, query->frame.before) &&
           PQsendQueryParams(connection->conn, query->sql, params->n, params->types, values,
                             params->lengths, formats, 0) == 1 &&
           send_plain(connection, query->frame.behind) &&
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

/* Keeps a result of the query under way. True: it was the last one. */
static bool keep_result(const struct connection *connection, struct query *query, PGresult *result)
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
        return false;
    }
    PGresult **place =
        status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ? &query->rows : &query->error;
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

void query_fail_all(struct connection *connection)
{
    /* A callback may start the connection again and ask; what is asked then is not failed here. */
    struct query *queries = connection->queries;
    connection->queries = NULL;
    connection->queries_end = &connection->queries;
    connection->unsent = NULL;
    connection->n_sent = 0;
    while (queries) {
        struct query *query = queries;
        queries = query->next;
        query_answer(query, true);
    }
}
