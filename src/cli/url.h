/* SPDX-License-Identifier: PostgreSQL */
/* A database URL as people give it, read or refused in a sentence that says what to write. */
#ifndef HERALD_CLI_URL_H
#define HERALD_CLI_URL_H

#include <libpq-fe.h>

#include "base/err.h"

/* *out is the caller's: PQconninfoFree. The sentence of a failure holds nothing of the URL that may
 * be a part of a password. */
enum status url_parse(const char *url, PQconninfoOption **out, struct err *err) MUST_CHECK;

/* The value of a keyword; NULL: not given. */
const char *url_value(const PQconninfoOption *parsed, const char *keyword);

/* A libpq connection string as a URI that also says the user and the database, which libpq would
 * take from elsewhere: user and dbname are used where neither the string nor PGUSER or PGDATABASE
 * has one. *out is a heap copy. */
enum status url_complete(const char *url, const char *user, const char *dbname, char **out,
                         struct err *err) MUST_CHECK;

#endif
