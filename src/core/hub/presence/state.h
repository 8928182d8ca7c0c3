/* SPDX-License-Identifier: PostgreSQL */
/* The command that sets what a member shows of itself besides who it is: told at most five times a
 * second, the newest; in large channels later. */
#ifndef HERALD_CORE_HUB_PRESENCE_STATE_H
#define HERALD_CORE_HUB_PRESENCE_STATE_H

#include "core/hub/ground/hub_state.h"

void state_handle(struct hub *hub, const struct session *session, const struct command *command);

#endif
