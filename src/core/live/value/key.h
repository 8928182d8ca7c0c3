/* SPDX-License-Identifier: PostgreSQL */
/* Values of a column as keys: bytes that are equal where Postgres says =, and, where the column has
 * an order, compare (key_compare) as Postgres sorts. Constants and rows become keys the same way. */
#ifndef HERALD_CORE_LIVE_VALUE_KEY_H
#define HERALD_CORE_LIVE_VALUE_KEY_H

#include "base/buf.h"
#include "core/row/shape.h"

enum key_fit {
    KEY_FITS,
    KEY_UNKNOWN, /* a label that the enum of this shape does not have */
    KEY_UNFIT,   /* no value of the column */
};

/* Appends the key of a JSON value, which must be valid UTF-8, in all that payloads may make of the
 * column. `scratch` is for in between. Appends nothing unless it fits. */
enum key_fit key_put(struct buf *out, const struct shape_column *column, struct str json,
                     struct buf *scratch);
bool key_is_number(const struct shape_column *column); /* of any type of numbers */
int key_compare(struct str a, struct str b);           /* < 0, 0, > 0: then the shorter one first */

#endif
