/* SPDX-License-Identifier: PostgreSQL */
/* What of a filter the database can answer itself, as herald.read_snapshot() takes it: conditions that
 * hold for each row that passes. They only save reading: every row is judged again. */
#ifndef HERALD_CORE_LIVE_NARROW_H
#define HERALD_CORE_LIVE_NARROW_H

#include "core/live/filter.h"
#include "core/row/shape.h"

/* Appends {"column":2,"op":"eq","values":["7"]}, … without brackets, a comma before each but the
 * buffer's first. */
void narrow_filter(struct buf *out, const struct filter *filter, const struct shape *shape,
                   const struct identity *identity);
/* The same for what the name of a channel says of the template's columns. */
void narrow_channel(struct buf *out, const struct shape *shape, struct str name);

#endif
