/* SPDX-License-Identifier: PostgreSQL */
/* Messages that nobody keeps, to a channel or to an identity, whose readers may be on any node: each
 * node publishes them to its own. At most once, and those of one sender in order. */
#ifndef HERALD_CORE_HUB_NODES_RELAY_H
#define HERALD_CORE_HUB_NODES_RELAY_H

#include "core/hub/ground/hub_state.h"

/* Nothing can be sent now, to whomever. */
bool relay_is_cut(const struct hub *hub);
/* To all other nodes. False: none of them will have it, so nobody may; *why says what to answer. */
bool relay_send(struct hub *hub, const struct event_fields *message, enum error_code *why);
/* The same of any body. */
bool relay_body(struct hub *hub, enum bus_kind kind, struct str body, enum error_code *why);
void relay_hear(struct hub *hub, struct str body); /* of another node */

#endif
