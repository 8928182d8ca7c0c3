/* SPDX-License-Identifier: PostgreSQL */
/* What members show of themselves besides who they are: an object of the client's own, told to those
 * who asked for presence with states. Kept here alone, and as long as the entry in the list. */
#ifndef HERALD_CORE_HUB_PRESENCE_STATES_H
#define HERALD_CORE_HUB_PRESENCE_STATES_H

#include "core/hub/presence/book.h"

/* False: the channel has no room for so much more. */
bool state_set(struct hub *hub, struct member *member, struct str text);
void state_put(struct hub *hub, struct member *member, struct str text); /* there is room */
struct str state_of(const struct presence *presence, const struct member *member); /* or "null" */
static inline struct str state_or_null(struct str state) /* as the wire has it; absent: none */
{
    return state.ptr ? state : STR("null");
}
void state_forget(struct hub *hub, struct presence *presence, const struct member *member);
/* Somebody is sent the list with states, so their news are told from now on. Where that list is kept;
 * NULL there: it is to be encoded. */
struct frame **states_watch(struct channel *channel);
bool states_are_watched(const struct presence *presence);
/* Who is listed has changed, or a state: the list that was encoded is void. */
void states_void(struct presence *presence);
void states_tick(struct hub *hub); /* tells what is due */
void states_free(struct hub *hub, struct presence *presence);

#endif
