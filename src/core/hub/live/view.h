/* SPDX-License-Identifier: PostgreSQL */
/* Views as clients make them, and what is to be known of the tables behind a channel to fill one. */
#ifndef HERALD_CORE_HUB_LIVE_VIEW_H
#define HERALD_CORE_HUB_LIVE_VIEW_H

#include "base/buf.h"
#include "core/hub/ground/hub_state.h"

/* The view that a client's filter makes, unpinned. NULL: *why is a sentence for the client. */
struct view *view_open(struct hub *hub, struct channel *channel, struct str json, const char *wish,
                       struct buf *why);

/* The one table whose rows may come on the channel; NULL: there are *n others than one. */
const struct watch *view_table(struct hub *hub, struct channel *channel, uint32_t *n);
/* Differs when one of the channel's tables is another, or was changed (version.h). */
uint64_t view_tables_version(struct hub *hub, struct channel *channel);
/* Conditions that hold for each row that the group may see (core/live/narrow.h). */
void view_narrow(struct hub *hub, struct channel *channel, const struct group *group,
                 struct buf *out);

#endif
