/* SPDX-License-Identifier: PostgreSQL */
/* The compact form of a JWS (RFC 7515, 7.1) and a JWE (RFC 7516, 7.1): three or five parts. */
#ifndef HERALD_AUTH_COMPACT_H
#define HERALD_AUTH_COMPACT_H

#include <jansson.h>

#include "base/buf.h"
#include "base/str.h"

enum { COMPACT_JWS_PARTS = 3, COMPACT_JWE_PARTS = 5 };

struct compact {
    size_t n_parts;
    struct str parts[COMPACT_JWE_PARTS]; /* into the token, base64url; the header is the first */
    json_t *header;                      /* set by compact_read_header */
    const char *algorithm;               /* alg, kid and enc, into the header; NULL: absent */
    const char *key_id;
    const char *encryption;
};

/* Whether it has three or five parts, of which the first looks like base64url of an object. Needs
 * no release. */
bool compact_split(struct str token, struct compact *out);
/* NULL: it is read, and compact_release must follow. Else why it is refused, and nothing need be
 * released. A demand for extensions (crit) is refused here. */
const char *compact_read_header(struct compact *compact);
void compact_release(struct compact *compact);

/* The texts of refusals that more than one file needs. */
extern const char why_malformed[], why_algorithm[];

#endif
