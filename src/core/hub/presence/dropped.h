/* SPDX-License-Identifier: PostgreSQL */
/* Sessions that dropped and have left entries in lists. */
#ifndef HERALD_CORE_HUB_PRESENCE_DROPPED_H
#define HERALD_CORE_HUB_PRESENCE_DROPPED_H

#include "core/hub/presence/book.h"

/* Only who names a row of a table can be told from another one. */
bool dropped_can_return(const struct identity *identity);
struct dropped *dropped_new(struct hub *hub, const struct session *session); /* can_return */
/* One that this session goes on for, if there is one; nobody else takes it up then. */
struct dropped *dropped_adopt(struct grace *grace, const struct session *session);
void dropped_free(struct grace *grace, struct dropped *dropped);
void dropped_free_all(struct grace *grace);
void dropped_put(struct dropped *dropped, struct member *member);
/* The entry that the session left behind in the channel, no longer kept; NULL: none. */
struct member *dropped_take(const struct session *session, const struct channel *channel);
void dropped_forget(struct member *member); /* it ends while it is kept */

#endif
