/* SPDX-License-Identifier: PostgreSQL */
/* Messages to one socketId. Whoever has it may be on any node, and only that one knows: so if it is
 * not here, the others are asked, with the message itself. */
#ifndef HERALD_CORE_HUB_NODES_PRIVATE_H
#define HERALD_CORE_HUB_NODES_PRIVATE_H

#include "core/hub/ground/hub_state.h"

struct questions;

/* Who has it, is here and in this channel; or NULL. */
struct session *private_find(const struct hub *hub, const struct channel *channel,
                             struct str socket_id);
/* To all other nodes. The session waits until they have answered, and what it waits with is handled
 * again, with its `delivery` set. False: nobody is asked; *why says what to answer. */
bool private_ask(struct hub *hub, struct session *session, const struct event_fields *message,
                 enum error_code *why);
void private_drop(struct hub *hub, const struct session *session); /* it ends; asks nothing: fine */
void private_tick(struct hub *hub);

/* Of another node: the message; what one has said to ours. */
void private_hear(struct hub *hub, const char *from, struct str body);
void private_hear_answer(struct hub *hub, const char *from, struct str body);
void private_forget(struct hub *hub, uint64_t gone); /* a set of peers */

struct questions *questions_new(void);
void questions_free(struct questions *questions);

#endif
