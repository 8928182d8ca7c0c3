/* SPDX-License-Identifier: PostgreSQL */
/* Identity parameters: {"identity":"row_id","dbo_id":12} and {"identity":"extras.a.b"}. */
#ifndef HERALD_CORE_LIVE_CLAIM_H
#define HERALD_CORE_LIVE_CLAIM_H

#include "core/identity.h"
#include "core/live/tree.h"

/* Takes the parameter for *out. NULL, or else what is wrong with it. The value must be JSON. */
const char *claim_parse(struct str json, struct tree_claim *out);
/* Appends the canonical JSON of what the identity (NULL: anonymous) has there: a value, or a list of
 * at most FILTER_VALUES_MAX. False: it has none, or another thing. */
bool claim_put(struct buf *out, const struct tree_claim *claim, const struct identity *identity);
/* The same for each claim of the tree, in its order, a line each; null for what there is not. */
void claim_put_all(struct buf *out, const struct tree_node *node, const struct identity *identity);

#endif
