/* SPDX-License-Identifier: PostgreSQL */
/* The functions that a rule names: on_join and on_message are asked, the others are told. */
#ifndef HERALD_CORE_HUB_FUNCTION_H
#define HERALD_CORE_HUB_FUNCTION_H

#include "core/hub/ground/hub_state.h"

/* Starts the function; the command waits and comes again with has_function_passed, or is answered. */
void function_ask(struct hub *hub, struct session *session, const struct command *command,
                  const char *function);
/* Tells the function what has happened; nobody waits for it. channel absent: none. */
void function_tell(struct hub *hub, const struct session *session, const char *function,
                   const char *action, struct str channel);

/* The command that the session waits with is done with: its client has been told. */
void function_finish_waiting(struct hub *hub, struct session *session);
/* True if the function has said no of its own, or erred: the waiting command's client is told. */
bool function_refuses(struct hub *hub, struct session *session,
                      const struct store_verdict *verdict);

#endif
