/* SPDX-License-Identifier: PostgreSQL */
/* Who of those that contend for a seat is shown. */
#ifndef HERALD_CORE_HUB_PRESENCE_NODES_CONTEND_H
#define HERALD_CORE_HUB_PRESENCE_NODES_CONTEND_H

#include "core/hub/presence/nodes/entry.h"

/* There is a list that could show it, which does not, and it has given its seat to nobody. */
bool entry_may_show(const struct entry *entry);
/* It stands in that list: announced, or as if it always had. */
void entry_show(struct hub *hub, struct entry *entry, bool is_told);
void entry_unshow(struct hub *hub, struct entry *entry); /* it is shown: it leaves */
/* It has the seat of another one, which is shown. */
void entry_succeed(struct hub *hub, struct entry *entry, struct entry *holder);
/* The same of a member of this node; whose session may have let go of it. The channel may be gone. */
void entry_take_over(struct hub *hub, struct entry *entry, struct member *member);
/* It is new, or alive again: it has the seat, or somebody else keeps it. */
void entry_contend(struct hub *hub, struct entry *entry);
/* Another node claims this socketId. True: a session of this one has it. False: none has it, any more. */
bool session_keeps(struct hub *hub, struct str socket_id, bool other_is_taken, const char *other);

#endif
