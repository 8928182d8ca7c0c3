/* SPDX-License-Identifier: PostgreSQL */
/* A session opens, is welcomed once it is clear who it is, and closes. */
#ifndef HERALD_CORE_HUB_OPEN_H
#define HERALD_CORE_HUB_OPEN_H

#include "core/hub/ground/hub_state.h"

/* The sentence for a token that was not accepted; `why` is half a one. */
#define OPEN_REFUSAL_SIZE 200
void open_write_refusal(char out[OPEN_REFUSAL_SIZE], enum error_code code, const char *why);
void open_handle(struct hub *hub, const struct command *command);
void close_handle(struct hub *hub, struct session *session); /* frees it */

#endif
