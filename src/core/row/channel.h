/* SPDX-License-Identifier: PostgreSQL */
/* The channels of a shape: its template filled from a row, and which names it may give. */
#ifndef HERALD_CORE_ROW_CHANNEL_H
#define HERALD_CORE_ROW_CHANNEL_H

#include "core/row/shape.h"

#define ROW_CHANNEL_MAX 255 /* bytes, as CHANNEL_NAME_MAX */

enum row_channel {
    ROW_CHANNEL_OK,
    ROW_CHANNEL_NULL,  /* a column of the template is NULL: the row is announced nowhere */
    ROW_CHANNEL_BAD,   /* empty or too long */
    ROW_CHANNEL_STALE, /* a value does not fit its type: it would be a guess */
};

/* `values` has one per column of the shape, absent for NULL. Puts the name only if it is OK; `plain`
 * is for in between. Values are percent-encoded, so that none can forge a level. */
enum row_channel row_channel_put(struct buf *name, const struct shape *shape,
                                 const struct str *values, struct buf *plain);

/* The text in front of the template's first column; may be empty. All its channels start so. */
struct str shape_channel_prefix(const struct shape *shape);
/* Whether the template may give this name: a value may be empty, and has no / . * { or }. */
bool shape_matches(const struct shape *shape, struct str name);

/* What a matching name says of the column in this part of the template, decoded and appended. False:
 * it cannot be told, because another column follows at once. */
bool shape_channel_value(const struct shape *shape, struct str name, size_t part,
                         struct buf *value);

#endif
