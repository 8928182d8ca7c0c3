/* SPDX-License-Identifier: PostgreSQL */
/* The presence of sessions that dropped and may come back (option presence-grace). Hub thread only.
 */
#ifndef HERALD_CORE_HUB_PRESENCE_GRACE_H
#define HERALD_CORE_HUB_PRESENCE_GRACE_H

#include "core/directive.h"
#include "core/hub/ground/hub_state.h"

/* The session's connection dropped: its entries stay listed for a while, if it can be known again
 * (it has a row_id); else they leave. Its subscriptions have no entry afterwards. */
void grace_keep(struct hub *hub, struct session *session);
/* Who it is has just become known: it goes on under the socketId of one that dropped. */
void grace_adopt(struct hub *hub, struct session *session);
/* What the session has left behind and not taken up again leaves. */
void grace_end(struct hub *hub, struct session *session);
/* Entries of those whom the directive means leave now. */
void grace_disconnect(struct hub *hub, const struct directive *directive);
void grace_tick(struct hub *hub); /* entries whose time is over leave */

#endif
