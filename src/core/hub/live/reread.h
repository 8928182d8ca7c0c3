/* SPDX-License-Identifier: PostgreSQL */
/* When rows were last to be read anew though nobody was told of a change of them: those of a table of
 * which a part was truncated, and all that somebody has of tables whose rows the database judges
 * (herald.reread). It comes as an event on a channel of its own (core/event.h), in its place in the
 * log; whoever has such rows from before it is told that he has a gap, at once or when he comes
 * back. Hub thread only. */
#ifndef HERALD_CORE_HUB_LIVE_REREAD_H
#define HERALD_CORE_HUB_LIVE_REREAD_H

#include "core/hub/ground/hub_state.h"

struct rereads *rereads_new(void);
void rereads_free(struct rereads *rereads);

void rereads_load(struct hub *hub, const struct site *site);   /* what was before this process */
void rereads_take(struct hub *hub, const struct event *event); /* such an event */
bool rereads_are_due(const struct hub *hub);                   /* members are to be told */
void rereads_note_told(struct hub *hub);
/* Events were lost, or ids of the log mean others than before: what was read until now is void. */
void rereads_void(struct hub *hub);

/* Whether rows of the channel that somebody read, when the log's newest id was `as_of`, are not to be
 * relied on. */
bool reread_since(struct hub *hub, struct channel *channel, const struct identity *who,
                  uint64_t as_of);
/* Whether he is to read anew what he may have of the channel, and was not told. */
bool reread_is_news(struct hub *hub, struct channel *channel, const struct identity *who);
/* The same as reread_since of a position from before his connection ended: also if it is so old that nobody knows. */
bool reread_perhaps(struct hub *hub, struct channel *channel, const struct identity *who,
                    uint64_t as_of);

#endif
