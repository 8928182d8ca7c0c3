/* SPDX-License-Identifier: PostgreSQL */
/* Which pages may connect: a list of origins as an administrator writes it, against the Origin of a
 * request (RFC 6454). */
#ifndef HERALD_PROTO_ORIGIN_H
#define HERALD_PROTO_ORIGIN_H

#include "base/str.h"

/* What is wrong with a list, and what to write instead; NULL: nothing. *bad is the word. */
const char *origins_complaint(const char *list, struct str *bad);
/* Is that Origin in a list without complaint? */
bool origins_have(const char *list, struct str origin);

#endif
