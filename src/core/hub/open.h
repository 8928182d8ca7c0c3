/* SPDX-License-Identifier: PostgreSQL */
/* A session opens, is welcomed once it is clear who it is, and closes. */
#ifndef HERALD_CORE_HUB_OPEN_H
#define HERALD_CORE_HUB_OPEN_H

#include "core/hub/ground/hub_state.h"

void open_handle(struct hub *hub, const struct command *command);
void close_handle(struct hub *hub, struct session *session); /* frees it */

#endif
