/* SPDX-License-Identifier: PostgreSQL */
/* Which of a channel's many groups may care for a row. The cost of a look is that of the columns that
 * groups are found by, of the groups that are found, and of those that can only be tried. */
#ifndef HERALD_CORE_LIVE_INDEX_H
#define HERALD_CORE_LIVE_INDEX_H

#include "core/live/judge.h"

struct live_index; /* of one channel and one shape */

struct live_index *live_index_new(void);
void live_index_free(struct live_index *index); /* NULL is fine */

/* A row passes the group if it passes all of its judges, which must be there until the group is
 * removed. A group is added once. */
void live_index_add(struct live_index *index, const struct judge *const *judges, size_t n_judges,
                    void *group);
void live_index_remove(struct live_index *index, void *group); /* one that was not added is fine */

/* The groups that the old or the new row may pass: too many rather than too few. Each is there once,
 * in the order in which they were added. The array is the index's, until it is used again. The rows
 * were read with the columns of all judges. */
size_t live_index_find(struct live_index *index, const struct live_rows *rows,
                       void *const **groups);

#endif
