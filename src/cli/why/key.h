/* SPDX-License-Identifier: PostgreSQL */
/* KEY, as it is typed, as the filter of a client that asks for that row. */
#ifndef HERALD_CLI_WHY_KEY_H
#define HERALD_CLI_WHY_KEY_H

#include "base/buf.h"
#include "core/row/shape.h"

/* KEY is the value of the one key column, or a JSON object with exactly the key columns, each with a
 * string, a number or a boolean. NULL: the filter is appended; else why it is none, a literal. */
const char *key_filter(const struct shape *shape, const char *key, struct buf *out);

#endif
