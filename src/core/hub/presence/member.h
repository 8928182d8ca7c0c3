/* SPDX-License-Identifier: PostgreSQL */
/* An entry in a list. */
#ifndef HERALD_CORE_HUB_PRESENCE_MEMBER_H
#define HERALD_CORE_HUB_PRESENCE_MEMBER_H

#include "core/hub/presence/book.h"

struct member *member_new(const struct hub *hub, const struct session *session,
                          struct channel *channel);                             /* one reference */
struct member *member_new_remote(struct channel *channel, struct entry *entry); /* the same */
void member_unref(struct member *member);
/* Does it show what the session would show now? */
bool member_shows(const struct hub *hub, const struct session *session,
                  const struct member *member);

#endif
