/* SPDX-License-Identifier: PostgreSQL */
/* Who is listed in which channel, and who is told when that changes. Hub thread only. */
#ifndef HERALD_CORE_HUB_PRESENCE_PRESENCE_H
#define HERALD_CORE_HUB_PRESENCE_PRESENCE_H

#include "core/hub/ground/hub_state.h"

struct member; /* an entry in a list */

/* Lists the session in the channel, or goes on with an entry that it left behind a moment ago. The
 * entry belongs to the channel. In a large channel it is arriving until the next flush. */
struct member *presence_arrive(struct hub *hub, const struct session *session,
                               struct channel *channel);
/* The same for a member of a channel whose rule has just begun to list them: nobody is told. */
struct member *presence_arrive_quietly(struct hub *hub, const struct session *session,
                                       struct channel *channel);
/* The session may have other extras: lists that are sent from now on show them, and who is told of
 * states is told an update. The others are told nothing: they know only of who comes and goes. */
void presence_renew(struct hub *hub, const struct session *session, struct subscription *in);
/* Is it yet to be announced? */
bool presence_is_arriving(const struct member *member);
const struct channel *presence_channel(const struct member *member);
/* The entry ends. The channel may be gone afterwards, unless somebody has it. NULL is fine. */
void presence_leave(struct hub *hub, struct member *member);
/* All entries of a session that ends, or that of a join that did not come to its end. */
void presence_leave_all(struct hub *hub, struct session *session);
void presence_end_arrival(struct hub *hub, struct session *session);
/* The rule lists members no more: all entries end, nobody is told. */
void presence_end(struct hub *hub, struct channel *channel);
/* The list as announced, to the member if it wants presence and the rule lists anybody. */
void presence_send(struct hub *hub, const struct session *session, struct channel *channel);
void presence_tick(struct hub *hub);               /* announces what is due, tells SQL */
void presence_tell_all(struct hub *hub);           /* SQL has forgotten, or was away */
uint64_t presence_n_listed(const struct hub *hub); /* over all channels */
struct presence_book *presence_book_new(void);
void presence_book_free(struct hub *hub); /* the hub ends: frees everything */

#endif
