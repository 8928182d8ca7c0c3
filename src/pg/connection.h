/* SPDX-License-Identifier: PostgreSQL */
/* One libpq connection that keeps itself alive: connects without blocking, notices a loss, tries
 * again with a jittered back-off until it is stopped. Queries on it (query.h) have a deadline; one
 * that is missed costs the connection, which is how a network that swallows everything is noticed.
 * All on the loop's thread. */
#ifndef HERALD_PG_CONNECTION_H
#define HERALD_PG_CONNECTION_H

#include "loop/loop.h"

struct connection;

struct connection_options {
    const char *name;          /* for the log: "main", "reader"; a literal */
    const char *url;           /* libpq URI or keyword/value string; copied */
    const char *user;          /* logs in as this one, whatever the URL says; a literal, or NULL */
    uint32_t query_timeout_ms; /* deadline of every query */
    bool is_pipelined;         /* queries are sent without waiting for the answers before them */
    bool is_quiet; /* functions of others run here: what they warn of is for debugging only */
    void *arg;
    void (*on_open)(void *arg); /* connected: queries may be sent */
    /* The connection, or the attempt to make one, is lost; its queries have been answered (is_lost)
     * before. One sentence without secrets, valid during the call. The next attempt comes by
     * itself. */
    void (*on_lost)(void *arg, const char *reason);
    /* Notifications came. How many and what they say is not told, because anybody may send them;
     * only whether one of them says anything, which is a hint. NULL: not wanted. */
    void (*on_notify)(void *arg, bool says_something);
};

/* False: libpq cannot read this URL, so no attempt to connect will ever succeed. */
bool connection_is_url_valid(const char *url);

struct connection *connection_new(struct loop *loop, const struct connection_options *options);
/* Of queries that are sent from now on, and of the one that has been waited for longest. */
void connection_set_timeout(struct connection *connection, uint32_t query_timeout_ms);
void connection_start(struct connection *connection);
/* What was connected proved useful: the next back-off starts from its shortest. */
void connection_settle(struct connection *connection);
/* Gives this connection up, as if it had been lost: answers its queries, calls on_lost, tries again
 * later. */
void connection_drop(struct connection *connection, const char *reason);
/* Closes and stays closed until connection_start. Answers the queries (is_lost), does not call
 * on_lost. May be called from any callback, as connection_drop may. */
void connection_stop(struct connection *connection);
void connection_free(
    struct connection *connection); /* stops; not from a callback of its own. NULL is fine */
bool connection_is_open(const struct connection *connection);
/* The process that the server named when we connected. One that answers queries under another
 * number is behind a pooler. */
int connection_backend_pid(const struct connection *connection);

#endif
