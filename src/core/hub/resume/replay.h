/* SPDX-License-Identifier: PostgreSQL */
/* A session is sent what it has missed, and then live frames go on. Hub thread only. */
#ifndef HERALD_CORE_HUB_RESUME_REPLAY_H
#define HERALD_CORE_HUB_RESUME_REPLAY_H

#include "core/hub/ground/hub_state.h"

/* Of a replay that completes something else. */
struct replay_rule {
    void *arg;
    bool (*passes)(const void *arg, const struct event_fields *event); /* or is known already */
    /* All was sent up to this offset; live frames come next. */
    void (*finish)(struct hub *hub, struct session *session, void *arg, uint64_t offset);
    void (*release)(void *arg);
};

/* Sends the session what it may see in (since, until], page by page, and then resume_live; it waits
 * meanwhile. `page`: what of it was read already, NULL: nothing. */
void replay_begin(struct hub *hub, struct session *session, struct channel *channel,
                  struct view *view, uint64_t since, uint64_t until,
                  const struct store_answer *page);
/* The same, from memory or reads, by a rule, of which it takes the arg. */
void replay_begin_by(struct hub *hub, struct session *session, struct channel *channel,
                     struct view *view, uint64_t since, uint64_t until,
                     const struct replay_rule *rule);
void replay_drained(struct hub *hub, struct session *session); /* it has taken most of a page */
void replay_resume_paused(struct hub *hub);                /* another turn: the paused ones go on */
void replay_end(struct hub *hub, struct session *session); /* of a session that is gone */

/* All that the session has missed was sent: its worker lets live frames through, but those up to
 * skip_to, and news of presence if it wants them. If it was grouped anew meanwhile, what came since
 * is replayed first. */
void resume_live(struct hub *hub, struct session *session, struct channel *channel,
                 struct view *view, uint64_t skip_to);

#endif
