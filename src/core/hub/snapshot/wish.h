/* SPDX-License-Identifier: PostgreSQL */
/* What a join says of the snapshot that it wants: true, or {"limit":200,"order":["created_at.desc",
 * "id"]}. Its canonical text, "200 [\"created_at.desc\",\"id.asc\"]", goes into the view's name: who
 * wants it otherwise has another view. */
#ifndef HERALD_CORE_HUB_SNAPSHOT_WISH_H
#define HERALD_CORE_HUB_SNAPSHOT_WISH_H

#include "base/buf.h"
#include "core/row/shape.h"

enum { WISH_ORDER_MAX = 8 }; /* columns */

/* Appends the canonical text; "0" for true and {}, so that a view with rows is never one without.
 * False: *why is a sentence for the client. */
bool wish_parse(struct str json, struct buf *out, struct buf *why);
uint32_t wish_limit(const char *wish); /* 0: all */
/* Appends the order as herald.read_snapshot() takes it; nothing if there is none. False: there is no
 * such column to order by, and *why says which there are not. */
bool wish_put_order(const char *wish, const struct shape *shape, struct buf *out, struct buf *why);

#endif
