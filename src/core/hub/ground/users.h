/* SPDX-License-Identifier: PostgreSQL */
/* How many sessions each user has (option max-user-sessions). */
#ifndef HERALD_CORE_HUB_GROUND_USERS_H
#define HERALD_CORE_HUB_GROUND_USERS_H

#include "core/hub/ground/hub_state.h"

/* The session is its identity's. False: that has too many already. */
bool user_take(struct hub *hub, struct session *session);
void user_give(struct hub *hub, struct session *session);
void user_release_all(struct hub *hub);

#endif
