/* SPDX-License-Identifier: PostgreSQL */
/* How much each sender may send on one channel by its rule (messages_per_minute). A sender is a user
 * with all his sessions, or a session whose identity names no row. Hub thread only. */
#ifndef HERALD_CORE_HUB_GROUND_RATES_H
#define HERALD_CORE_HUB_GROUND_RATES_H

#include "core/hub/ground/hub_state.h"

/* Counts a message. 0: it may be sent; else in so many milliseconds, and nothing was counted. */
uint32_t rates_take(struct hub *hub, const struct session *session, const struct channel *channel);
void rates_tick(struct hub *hub);
struct rates *rates_new(void);
void rates_free(struct rates *rates);

#endif
