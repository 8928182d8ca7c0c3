/* SPDX-License-Identifier: PostgreSQL */
/* Sessions of other nodes that have dropped, or whose node is gone: who they were, for the one that comes
 * back here. */
#ifndef HERALD_CORE_HUB_PRESENCE_NODES_ABSENT_H
#define HERALD_CORE_HUB_PRESENCE_NODES_ABSENT_H

#include "core/hub/presence/nodes/book.h"

/* The entry's session may be taken up, if it can return; nobody has done so yet. */
void absent_add(struct absent **table, struct entry *entry);
void absent_remove(struct absent **table, struct entry *entry); /* it may not; or never could */
/* Somebody has taken it up. */
void absent_claim(struct absent **table, const struct identity *identity, struct str socket_id);
/* The socketId of one that this user may go on for; NULL: none. Other nodes may be choosing, too: this
 * is the one that is the node's of this id to take first. */
const char *absent_choose(struct absent *table, const struct identity *identity,
                          const char *node_id);

#endif
