/* SPDX-License-Identifier: PostgreSQL */
/* As whom the database is asked what somebody may see: a role, and the claims that the table's owner
 * named. Equal parties are shown the same rows, and are asked for once. Pure functions. */
#ifndef HERALD_CORE_HUB_LIVE_PARTY_H
#define HERALD_CORE_HUB_LIVE_PARTY_H

#include "base/buf.h"
#include "core/hub/options.h"
#include "core/identity.h"
#include "core/row/shape.h"

/* Whether the database is asked who may see rows of such a table. */
bool party_is_asked(const struct shape *shape);
/* Two tables that are asked about as the same parties. */
bool party_is_alike(const struct shape *shape, const struct shape *other);
/* Appends the party of an identity (NULL: anonymous) as one text, which parties are compared by.
 * False: there is no role for it, it may see nothing. */
bool party_put(struct buf *out, const struct hub_options *options, const struct shape *shape,
               const struct identity *who);
struct store_party party_of(struct str text); /* such a text, taken apart */

#endif
