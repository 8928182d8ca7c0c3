/* SPDX-License-Identifier: PostgreSQL */
/* From the claims of a token (RFC 7519) to an identity. */
#ifndef HERALD_AUTH_CLAIMS_H
#define HERALD_AUTH_CLAIMS_H

#include <jansson.h>

#include "core/authenticator.h"

#define CLAIMS_MAX_EXTRAS 4096 /* bytes of JSON: they travel in every frame that names the user */
#define CLAIMS_MAX_ROW_ID 255

struct claims_rules {
    const char *issuer, *audience; /* NULL: not checked */
    int64_t leeway_s;
    /* The names of the claims. A member of the whole name wins, else a dot goes into an object. */
    const char *dbo, *row, *extras;
};

/* As authenticator's check. expires_at of the identity is exp plus the leeway: until then the token
 * is accepted. */
enum verdict claims_check(const struct claims_rules *rules, struct str text, int64_t now_s,
                          struct identity **out, const char **why);

#endif
