/* SPDX-License-Identifier: PostgreSQL */
/* The query of an address: a=1&b=two%20words. */
#ifndef HERALD_PROTO_HTTP_QUERY_H
#define HERALD_PROTO_HTTP_QUERY_H

#include "base/buf.h"

/* The value of the first parameter of that name, percent-decoded into *decoded, where the span
 * lies; absent without one. May hold any byte. A percent sign that begins no escape stands for
 * itself, and so does a plus. */
struct str http_query_value(struct str query, const char *name, struct buf *decoded);

/* Whether there is a parameter of that name, with a value or without. */
bool http_query_has(struct str query, const char *name);

#endif
