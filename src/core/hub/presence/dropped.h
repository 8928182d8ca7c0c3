/* SPDX-License-Identifier: PostgreSQL */
/* Sessions that dropped and have left entries in lists. */
#ifndef HERALD_CORE_HUB_PRESENCE_DROPPED_H
#define HERALD_CORE_HUB_PRESENCE_DROPPED_H

#include "core/channel_name.h"
#include "core/hub/presence/book.h"

#define DROPPED_KEY_MAX (sizeof(int32_t) + CHANNEL_NAME_MAX)

/* Only who names a row of a table can be told from another one. */
bool dropped_can_return(const struct identity *identity);
/* Which user it is, as bytes. It can return. */
size_t dropped_key(const struct identity *identity, char out[DROPPED_KEY_MAX]);
struct dropped *dropped_new(struct hub *hub, const struct session *session, uint64_t until_ms);
/* One that this session goes on for, if there is one; nobody else takes it up then. */
struct dropped *dropped_adopt(struct grace *grace, const struct session *session);
/* One that nobody of this node has taken up. */
struct dropped *dropped_find(const struct grace *grace, const struct identity *identity,
                             struct str socket_id);
/* Another node has taken it up; who had done so here has it no more. */
void dropped_go_elsewhere(struct grace *grace, struct dropped *dropped);
/* The session has the socketId of one that went elsewhere from here, and goes on for what is left of it;
 * NULL: nothing is. */
struct dropped *dropped_come_back(struct grace *grace, const struct session *session,
                                  const char *socket_id);
void dropped_free(struct grace *grace, struct dropped *dropped);
void dropped_free_all(struct grace *grace);
struct member *dropped_member(const struct dropped *dropped, const struct channel *channel);
void dropped_put(struct dropped *dropped, struct member *member);
/* The entry that the session left behind in the channel, no longer kept; NULL: none. */
struct member *dropped_take(const struct session *session, const struct channel *channel);
void dropped_forget(struct member *member); /* it ends while it is kept */

#endif
