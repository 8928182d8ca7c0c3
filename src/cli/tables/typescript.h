/* SPDX-License-Identifier: PostgreSQL */
/* A shape as a TypeScript type: what a row of it looks like when it has become JSON. It follows
 * core/row/json.c kind by kind, so that what the types promise is what the server sends. */
#ifndef HERALD_CLI_TABLES_TYPESCRIPT_H
#define HERALD_CLI_TABLES_TYPESCRIPT_H

#include <stdio.h>

#include "core/row/shape.h"

/* A member of an interface, indented by two blanks:
 *
 *   "public.orders": {
 *     channel: `orders/${string}`;
 *     key: "id";
 *     row: {
 *       id: string;
 *       …
 *     };
 *   };
 *
 * `not_null` has a '1' for each of the shape's columns that cannot be NULL; columns behind its end
 * can be. */
void typescript_put_watch(struct buf *out, const struct shape_fields *shape, const char *not_null);

#endif
