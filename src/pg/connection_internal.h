/* SPDX-License-Identifier: PostgreSQL */
/* What connection.c (the life of the connection) and query.c (queries on it) share. Nobody else
 * includes this. */
#ifndef HERALD_PG_CONNECTION_INTERNAL_H
#define HERALD_PG_CONNECTION_INTERNAL_H

#include "pg/query.h"

enum {
    STATEMENTS_MAX = 32, /* of a session: those that come later are parsed each time */
    PREPARING_MAX = 8,   /* of a query: the same */
};

enum connection_state {
    CONNECTION_STATE_STOPPED,
    CONNECTION_STATE_WAITING,    /* for the next attempt */
    CONNECTION_STATE_CONNECTING, /* PQconnectPoll has the word */
    CONNECTION_STATE_OPEN,
};

struct query {
    struct query *next;
    struct query_frame frame;
    const char *sql;
    struct params params; /* released once it is sent */
    query_fn *done;
    void *arg;
    uint64_t sent_ms;
    PGresult *rows, *error; /* what has come so far */
    char tag[32];           /* of the last statement that went well */
    unsigned n_results;     /* that there will be without an error */
    unsigned n_answered;    /* of those */
    struct preparing {
        unsigned result, place; /* which of them says that which of `statements` is prepared */
    } preparing[PREPARING_MAX];
    unsigned n_preparing;
};

struct connection {
    struct loop *loop;
    struct connection_options options;
    char *url;
    enum connection_state state;
    unsigned generation; /* another one for each attempt: tells a callback's caller that all has
                            changed under it */
    PGconn *conn;        /* CONNECTING and OPEN */
    struct loop_poll *poll;
    int poll_fd;              /* what it polls: a duplicate of libpq's descriptor; -1: none */
    struct loop_timer *timer; /* WAITING: the next attempt; CONNECTING, OPEN: the deadline */
    unsigned n_failures;      /* since it was last settled */
    char *last_words;         /* what the server said when it ended the session; NULL: nothing */
    char *last_warning;       /* of the server; NULL: none yet */
    bool is_broken; /* OPEN: sending failed; lost at the next turn, not inside the caller */
    struct query *queries, **queries_end;
    struct query *unsent; /* the first of them that is not sent yet */
    size_t n_sent;
    bool keeps_statements;
    char *statements[STATEMENTS_MAX]; /* prepared, or being so, as s and their place; or NULL */
};

/* The connection is gone: closes it, answers the queries, tells the owner, waits for the next
 * attempt. */
void connection_lose(struct connection *connection, const char *reason);
/* The same with what the server or libpq said about it. */
void connection_lose_libpq(struct connection *connection);
/* The same at the next turn of the loop: for callers that must not see callbacks run inside. */
void connection_lose_soon(struct connection *connection);
/* Whether it is what ends the session: then it is the reason that will be told. */
bool connection_note_last_words(struct connection *connection, const PGresult *result);
/* Sends what libpq has buffered, as far as the socket takes it. */
void connection_flush(struct connection *connection);

/* query.c. False: the connection was lost, stopped or made anew in a callback. */
bool query_pump(struct connection *connection); /* hands out the results that have arrived */
void query_fail_all(struct connection *connection);

#endif
