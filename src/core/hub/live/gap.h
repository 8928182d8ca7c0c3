/* SPDX-License-Identifier: PostgreSQL */
/* Something has happened that cannot be told: who gets this has to read anew. Hub thread only. */
#ifndef HERALD_CORE_HUB_LIVE_GAP_H
#define HERALD_CORE_HUB_LIVE_GAP_H

#include "core/hub/ground/hub_state.h"

/* It has a place among the events: who is held meanwhile and reads past it must not be told later. */
struct frame *gap_frame(const struct hub *hub, const struct channel *channel,
                        const struct view *view, uint64_t offset);
/* To one, or to all of a group; counted. */
void gap_tell(struct hub *hub, const struct session *session, const struct subscription *in,
              uint64_t offset);
void gap_tell_group(struct hub *hub, const struct channel *channel, const struct group *group,
                    uint64_t offset);

#endif
