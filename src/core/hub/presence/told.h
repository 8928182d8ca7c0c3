/* SPDX-License-Identifier: PostgreSQL */
/* What SQL has yet to be told of the lists. */
#ifndef HERALD_CORE_HUB_PRESENCE_TOLD_H
#define HERALD_CORE_HUB_PRESENCE_TOLD_H

#include "core/hub/presence/book.h"

void told_note(struct hub *hub, struct member *member, bool is_join);
/* What was told is void: all is told again, as if SQL had never been told. */
void told_reset(struct told *told);
void told_tick(struct hub *hub); /* writes to SQL, if it is time */
void told_release(struct told *told);

#endif
