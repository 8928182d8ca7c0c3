/* SPDX-License-Identifier: PostgreSQL */
/* Rights that end while somebody uses them. Who loses something is told first. */
#ifndef HERALD_CORE_HUB_REVOKE_H
#define HERALD_CORE_HUB_REVOKE_H

#include "core/hub/ground/hub_state.h"

/* The site has changed, and channels have their new rules: who lost a right is told and removed. */
void revoke_recheck(struct hub *hub);
/* The session has new claims, which its channels' rules are asked about: the same. What functions say
 * comes later, while session->n_questioned. */
void revoke_renewed(struct hub *hub, struct session *session);
/* Out of the channel, for this reason; NULL: the code's text. The channel may be gone afterwards. */
void revoke_membership(struct hub *hub, struct session *session, struct channel *channel,
                       const char *reason);
/* A command that waits for something else must not go on by what was true before. */
void revoke_waiting(struct session *session);

#endif
