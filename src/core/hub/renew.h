/* SPDX-License-Identifier: PostgreSQL */
/* A session shows a newer token. */
#ifndef HERALD_CORE_HUB_RENEW_H
#define HERALD_CORE_HUB_RENEW_H

#include "core/hub/ground/hub_state.h"

/* COMMAND_TOKEN. False: it waits, for the database or for functions, and is to be handled again. */
bool renew_handle(struct hub *hub, struct session *session, struct command *command);

#endif
