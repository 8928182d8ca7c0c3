/* SPDX-License-Identifier: PostgreSQL */
/* Messages that nobody keeps, to a channel or to an identity, whose readers may be on any node: each
 * node publishes them to its own. At most once, and those of one sender in order. */
#ifndef HERALD_CORE_HUB_NODES_RELAY_H
#define HERALD_CORE_HUB_NODES_RELAY_H

#include "core/hub/ground/hub_state.h"

/* To all other nodes. False: none of them will have it, so nobody may. */
bool relay_send(struct hub *hub, const struct event_fields *message);
void relay_hear(struct hub *hub, struct str body); /* of another node */

#endif
