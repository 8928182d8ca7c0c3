/* SPDX-License-Identifier: PostgreSQL */
/* What a rule's authorize function says: asked once, kept for a while (option authorize-cache). */
#ifndef HERALD_CORE_HUB_AUTHORIZE_H
#define HERALD_CORE_HUB_AUTHORIZE_H

#include "core/hub/ground/hub_state.h"

enum judged { JUDGED_ALLOWED, JUDGED_ANSWERED, JUDGED_WAITS };
/* ANSWERED: it refuses, and the client has been told. WAITS: the command comes again with
 * is_authorized, or is answered. */
enum judged authorize_command(struct hub *hub, struct session *session,
                              const struct command *command, const struct rule *rule);
/* A member whose right to be there is in doubt: it is removed if the function says so. */
void authorize_member(struct hub *hub, struct session *session, struct channel *channel);
/* Cached answers are void: for all channels, one, or those of a pattern. */
void authorize_forget(struct hub *hub, struct str channel);
void authorize_release(struct hub *hub);

#endif
