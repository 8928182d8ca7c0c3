/* SPDX-License-Identifier: PostgreSQL */
/* A subscription's place: the group that it is counted in, and the roster that its worker has it on,
 * which is another group's while it is held and was grouped anew. Hub thread only. */
#ifndef HERALD_CORE_HUB_LIVE_PLACE_H
#define HERALD_CORE_HUB_LIVE_PLACE_H

#include "core/hub/ground/hub_state.h"

/* A new subscription enters its group and pins its view; and what there is of it here ends. Nothing
 * is said to its worker. */
void place_enter(struct hub *hub, const struct session *session, struct subscription *in);
void place_leave(struct hub *hub, const struct session *session, const struct subscription *in);
/* At its worker: from now on held in its group, whatever was kept aside is dropped; or not there
 * any more, until it is held again; or, at the end, not there. */
void place_hold(struct hub *hub, const struct session *session, struct subscription *in);
void place_release(struct hub *hub, const struct session *session, struct subscription *in);
void place_detach(struct hub *hub, const struct session *session, const struct subscription *in);
/* Held, and grouped anew meanwhile? Then what its worker kept aside is another group's: it is held in
 * its own from here on, and what came since it was held has to be replayed. */
bool place_settle(struct hub *hub, const struct session *session, struct subscription *in);
/* Into the group of who its session is now. False: that is the one that it is in. */
bool place_anew(struct hub *hub, const struct session *session, struct subscription *in);
/* Who sees which rows has changed: the subscribers of a channel, or of all (NULL), into the groups
 * that they belong to now. */
void place_all(struct hub *hub, const struct channel *which);

#endif
