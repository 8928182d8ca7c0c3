/* SPDX-License-Identifier: PostgreSQL */
/* Command: message. False: it must wait, and be handled again later. */
#ifndef HERALD_CORE_HUB_MESSAGE_H
#define HERALD_CORE_HUB_MESSAGE_H

#include "core/hub/ground/hub_state.h"

bool message_handle(struct hub *hub, struct session *session, const struct command *command);

#endif
