/* SPDX-License-Identifier: PostgreSQL */
/* Members whose sessions are on other nodes. Each node owns the entries of its own sessions and tells
 * the others what changes; all have all entries, so nobody is asked when somebody joins. */
#ifndef HERALD_CORE_HUB_PRESENCE_REMOTE_H
#define HERALD_CORE_HUB_PRESENCE_REMOTE_H

#include "core/hub/ground/hub_state.h"
#include "core/nodes/bus.h"

/* One of the kinds PRESENCE, PRESENCE_WISH, PRESENCE_LIST. */
void remote_hear(struct hub *hub, const char *from, enum bus_kind kind, struct str body);
void remote_peer(struct hub *hub, const struct bus_peer *peer, enum bus_news news);
void remote_beat(struct hub *hub, const char *from, const struct bus_beat *beat);
void remote_fill_beat(struct hub *hub, struct bus_beat *beat); /* what is the lists' of it */

void remote_flush(struct hub *hub);       /* the end of a turn: others are told of it */
uint64_t remote_n(const struct hub *hub); /* members on other nodes, over all channels */

#endif
