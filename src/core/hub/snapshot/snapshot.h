/* SPDX-License-Identifier: PostgreSQL */
/* The rows that there are, and from then on what happens to them, without a hole and without a row
 * twice. Hub thread only. */
#ifndef HERALD_CORE_HUB_SNAPSHOT_SNAPSHOT_H
#define HERALD_CORE_HUB_SNAPSHOT_SNAPSHOT_H

#include "core/hub/ground/hub_state.h"

struct snapshots *snapshots_new(void);
void snapshots_free(struct hub *hub); /* the store has answered all */

/* Whether the channel's table gives snapshots, in this order. False: *code and *why say why not. */
bool snapshot_may(struct hub *hub, struct channel *channel, const struct view *view,
                  enum error_code *code, struct buf *why);
/* The session is in the view and not at its worker. It is acknowledged, sent the rows and what came
 * since, and then is live; it waits meanwhile. If that fails it is told so and leaves the view. */
void snapshot_begin(struct hub *hub, struct session *session, struct channel *channel,
                    struct view *view, bool is_gap);
void snapshot_drained(struct hub *hub, struct session *session); /* it has taken most of the rows */
void snapshot_end(struct session *session);                      /* of one that is gone */
void snapshot_tick(struct hub *hub);                             /* who waits too long is told */

#endif
