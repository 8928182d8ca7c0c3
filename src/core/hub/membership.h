/* SPDX-License-Identifier: PostgreSQL */
/* Being in a channel: the subscription here, the subscriber at the worker, the entry in the list. A
 * session may be in it plainly, and with views (core/hub/ground/group.h). */
#ifndef HERALD_CORE_HUB_MEMBERSHIP_H
#define HERALD_CORE_HUB_MEMBERSHIP_H

#include "core/hub/ground/hub_state.h"

/* Into the channel, held: live frames wait at the worker until membership_resume_live. */
void membership_attach(struct hub *hub, struct session *session, struct channel *channel,
                       struct view *view);
/* The subscription ends; with the last one the session leaves the channel, and is told to others
 * and to the rule's function. The channel may be gone afterwards. */
void membership_detach(struct hub *hub, struct session *session, struct channel *channel,
                       struct view *view);
void membership_leave(struct hub *hub, struct session *session, struct channel *channel); /* all */
/* Everything up to this offset was sent to the member, or was before it joined. */
uint64_t membership_position(const struct subscription *in, const struct channel *channel);
/* All sessions that end leave like this: takes one off the channel's count; the channel may be gone
 * afterwards. */
void membership_forget(struct hub *hub, const struct session *session, struct subscription in);

#endif
