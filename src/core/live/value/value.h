/* SPDX-License-Identifier: PostgreSQL */
/* The scalars that filters and claims consist of. */
#ifndef HERALD_CORE_LIVE_VALUE_VALUE_H
#define HERALD_CORE_LIVE_VALUE_VALUE_H

#include "base/buf.h"

/* Appends the one spelling of a JSON value: a text, a number, true or false. NULL, or else what is
 * wrong with it, and nothing is appended. The value must be JSON, and is not null. */
const char *value_put(struct buf *out, struct str json);
/* Appends the text of a JSON string. False: it is none, or no Postgres can have it: it holds a NUL,
 * or half of a surrogate pair. The value must be JSON. */
bool value_unquote(struct buf *out, struct str json);

#endif
