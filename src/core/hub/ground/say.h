/* SPDX-License-Identifier: PostgreSQL */
/* All that the hub says: to a session, to everybody in a channel, and to the operator in counts. */
#ifndef HERALD_CORE_HUB_GROUND_SAY_H
#define HERALD_CORE_HUB_GROUND_SAY_H

#include "base/buf.h"
#include "core/hub/ground/hub_state.h"

/* To one session. Takes the frame. */
void say_frame(struct hub *hub, const struct session *session, struct frame *frame);
void say_error(struct hub *hub, const struct session *session, struct str channel,
               enum error_code code);
/* With a text of its own; NULL: the code's. */
void say_error_text(struct hub *hub, const struct session *session, struct str channel,
                    enum error_code code, const char *text);
/* The session ends: what it still says is ignored. `reason` is a literal. */
void say_close(struct hub *hub, struct session *session, uint16_t code, const char *reason);

/* To the channel's plain members, on all workers, encoded once. Rows have judges: live/tell.h. */
void say_event(struct hub *hub, const struct channel *channel, const struct event_fields *event);
void say_to_channel(struct hub *hub, const struct channel *channel,
                    struct frame *frame); /* takes it */

void say_count(struct hub *hub, unsigned cell);
/* The session's JSON as other clients see it; the span lives in *buf. */
struct str say_client_json(const struct hub *hub, const struct session *session, struct buf *buf);

#endif
