/* SPDX-License-Identifier: PostgreSQL */
/* Commands: join, leave, history. False: it must wait, and be handled again later. */
#ifndef HERALD_CORE_HUB_JOIN_H
#define HERALD_CORE_HUB_JOIN_H

#include "core/hub/ground/hub_state.h"

bool join_handle(struct hub *hub, struct session *session, const struct command *command);
void leave_handle(struct hub *hub, struct session *session, const struct command *command);
bool history_handle(struct hub *hub, struct session *session, const struct command *command);

#endif
