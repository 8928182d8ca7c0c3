/* SPDX-License-Identifier: PostgreSQL */
/* What a token function says, as an identity. */
#ifndef HERALD_PG_FUNCTIONS_TOKEN_H
#define HERALD_PG_FUNCTIONS_TOKEN_H

#include <libpq-fe.h>

#include "core/identity.h"

enum token_verdict {
    TOKEN_ACCEPTED,
    TOKEN_REFUSED, /* it returned NULL */
    TOKEN_EXPIRED,
    TOKEN_UNCLEAR, /* what it returned is not of the shape: `mistake` says what */
};

/* herald.call_function($1 call, $2 signature), taken apart by the server, which keeps the text of
 * what it takes out: no number is read and written again. */
extern const char token_sql[];

/* ACCEPTED: *out has one reference, for the caller. UNCLEAR: *mistake is a literal. */
enum token_verdict token_read(const PGresult *rows, int64_t now_s, struct identity **out,
                              const char **mistake);

#endif
