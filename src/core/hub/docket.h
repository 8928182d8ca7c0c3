/* SPDX-License-Identifier: PostgreSQL */
/* A channel's durable events wait here, in order, while the database is asked who may see their rows.
 * Other channels do not wait, nor does what is not in the log. Hub thread only. */
#ifndef HERALD_CORE_HUB_DOCKET_H
#define HERALD_CORE_HUB_DOCKET_H

#include "core/event.h"
#include "core/hub/ground/hub_state.h"

/* False: nothing needs to be asked, and nothing waits: it is to be told now. */
bool docket_take(struct hub *hub, struct channel *channel, struct event *event);
/* What waits is told to nobody; a channel of which nobody else knows may be gone then. */
void docket_clear(struct hub *hub, struct channel *channel);
void docket_drop_channel(struct channel *channel); /* of a channel that ends */

#endif
