/* SPDX-License-Identifier: PostgreSQL */
/* What other nodes are told of this one's members. Nothing of it is done while there are no others. */
#ifndef HERALD_CORE_HUB_PRESENCE_NODES_SHARE_H
#define HERALD_CORE_HUB_PRESENCE_NODES_SHARE_H

#include "core/hub/presence/book.h"

struct share *share_new(void);
void share_free(struct share *share); /* nothing is told any more */
/* There are others from now on, or none any more. Who begins puts each of its members, which nobody is
 * told: those who come ask for all. */
void share_begin(struct hub *hub);
void share_put(struct hub *hub, struct member *member, struct str state);
void share_end(struct hub *hub);
bool share_is_on(const struct hub *hub);

void share_enter(struct hub *hub, struct member *member);
void share_leave(struct hub *hub, struct member *member, bool is_moved);
void share_state(struct hub *hub, struct member *member, struct str state); /* "null": none */
void share_flags(struct hub *hub, struct member *member); /* it was kept, or is back */
void share_renew(struct hub *hub, struct member *old, struct member *member);
/* The session goes on under a socketId that another one had, or keeps it. */
void share_adopt(struct hub *hub, const struct session *session);
void share_flush(struct hub *hub); /* what was noted goes out */

/* A node wishes to be told all, as the answer to its wish of this number; in parts, with time. */
void share_answer(struct hub *hub, const char *to, uint32_t wish);
void share_forget(struct hub *hub, const char *to); /* that node is gone */
void share_tick(struct hub *hub);

uint64_t share_seq(const struct hub *hub);
uint64_t share_digest(const struct hub *hub);

#endif
