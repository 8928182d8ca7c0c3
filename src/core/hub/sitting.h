/* SPDX-License-Identifier: PostgreSQL */
/* What waits on a channel's dockets is heard: the database is asked who may see the rows, and whoever
 * may is told. Hub thread only. */
#ifndef HERALD_CORE_HUB_SITTING_H
#define HERALD_CORE_HUB_SITTING_H

#include "core/hub/ground/hub_state.h"

/* After an event was told. Groups of whom too much waits have a gap. */
void sitting_run(struct hub *hub, struct channel *channel);
/* The site has changed, and everybody was grouped anew. */
void sitting_take_site(struct hub *hub);

#endif
