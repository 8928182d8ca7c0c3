/* SPDX-License-Identifier: PostgreSQL */
/* Asynchronous queries on a connection, answered in the order they were asked. */
#ifndef HERALD_PG_QUERY_H
#define HERALD_PG_QUERY_H

#include "pg/connection.h"
#include "pg/params.h"

/* The answer of one query. It comes only after the query's transaction has ended (ReadyForQuery):
 * rows without an error are committed. */
struct query_result {
    bool is_lost;         /* the connection went away: what became of the query is unknown */
    const PGresult *rows; /* NULL if lost or failed; borrowed for the call unless query_take_rows */
    const char *sqlstate; /* five characters; "" unless the server reported an error */
    const char *tag;      /* of the last statement, such as COMMIT; "" if lost or failed */
    const char *message;  /* its primary message, values left out; "" without an error */
    PGresult **taken;     /* for query_take_rows */
};

typedef void query_fn(void *arg, const struct query_result *result);

/* The connection must be open. `sql` must live until `done` (a literal); params may be NULL, else
 * they are taken and zeroed. Never calls `done` from inside. */
void connection_query(struct connection *connection, const char *sql, struct params *params,
                      query_fn *done, void *arg);

/* Statements without parameters in the same transaction as a query, before it and behind it: what
 * those before it return is not told, those behind it must return no rows, and an error in one of
 * them is the query's. Each list ends with NULL (or is NULL) and lives as long as the query's
 * `sql`. */
struct query_frame {
    const char *const *before, *const *behind;
};

/* The same on a pipelined connection, framed. */
void connection_query_framed(struct connection *connection, struct query_frame frame,
                             const char *sql, struct params *params, query_fn *done, void *arg);

/* Each statement is parsed once, from now on until the connection is lost: for a session that is our
 * own, not a pooler's. Pipelined connections only. */
void connection_keep_statements(struct connection *connection);

/* The rows now belong to the caller, who must PQclear them. */
PGresult *query_take_rows(const struct query_result *result);

#endif
