/* SPDX-License-Identifier: PostgreSQL */
/* An administrator's connection: blocking, one statement after the other, each failure one readable
 * sentence with Postgres's hint. For the subcommands that change the database; the server's
 * connections are src/pg's. */
#ifndef HERALD_CLI_ADMIN_H
#define HERALD_CLI_ADMIN_H

#include <jansson.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

struct admin;

/* Notices of Postgres go to stderr, unless --quiet was said (the log's level is error). If stop_fd
 * (-1: none) becomes readable, the running statement is cancelled and fails. "connect_timeout" is 10 s unless the URL says otherwise. */
enum status admin_open(const char *url, int stop_fd, struct admin **out,
                       struct err *err) MUST_CHECK;
/* As another one than the URL's user; NULL: as that one. */
enum status admin_open_as(const char *url, const char *user, struct admin **out,
                          struct err *err) MUST_CHECK;
/* Warnings are appended to the list, as texts, instead of being said; NULL: said again. */
void admin_keep_warnings(struct admin *admin, json_t *list);
/* The process number that the other side gave when it was connected to; a pooler gives another one
 * than Postgres's. */
int admin_pid(const struct admin *admin);
void admin_close(struct admin *admin); /* NULL is fine; an open transaction is rolled back */

/* Any number of statements. `what` begins the sentence of a failure, with the line of the text if
 * Postgres knows it; NULL: no beginning. */
enum status admin_run(struct admin *admin, const char *what, const char *sql,
                      struct err *err) MUST_CHECK;
/* One statement; *out is the first field of its first row, a heap copy, or NULL if there is none.
 */
enum status admin_value(struct admin *admin, const char *sql, int n_params,
                        const char *const *params, char **out, struct err *err) MUST_CHECK;
/* One statement with up to 16 parameters, all of them text; its rows are the caller's: PQclear. */
enum status admin_rows(struct admin *admin, const char *sql, int n_params,
                       const char *const *params, PGresult **out, struct err *err) MUST_CHECK;
/* Whether the last failure was for want of a right. */
bool admin_was_denied(const struct admin *admin);
/* After a failure: if who is connected lacks the role (NULL: none is wanted), *err says so too. */
void admin_explain(struct admin *admin, const char *role, struct err *err);
/* Warns if nothing in the database follows an ALTER TABLE of a watched table, and says what does
 * instead. */
enum status admin_tell_following(struct admin *admin, struct err *err) MUST_CHECK;
/* Hashed here, so that the password itself is in no log of the database. */
enum status admin_set_password(struct admin *admin, const char *role, const char *password,
                               struct err *err) MUST_CHECK;

#endif
