/* SPDX-License-Identifier: PostgreSQL */
/* All that the hub says: to a session, to everybody in a channel, to other nodes, and to the operator
 * in counts. */
#ifndef HERALD_CORE_HUB_GROUND_SAY_H
#define HERALD_CORE_HUB_GROUND_SAY_H

#include "base/buf.h"
#include "core/hub/ground/hub_state.h"

/* To one session. Takes the frame. */
void say_frame(struct hub *hub, const struct session *session, struct frame *frame);

/* What the client wrote into the frame that is being answered: the one that is being handled, or
 * that the session waits with; absent: nothing, or none is. */
struct str say_ref(const struct hub *hub, const struct session *session);
/* No, to what is being answered: carries its ref. Whoever refuses does it by one of these. */
void say_refusal(struct hub *hub, const struct session *session, struct str channel,
                 enum error_code code);
/* With a text of its own; NULL: the code's. */
void say_refusal_text(struct hub *hub, const struct session *session, struct str channel,
                      enum error_code code, const char *text);
/* Too much, too fast. retry_after_ms: when it would not be any more; 0: not known. */
void say_rate_limited(struct hub *hub, const struct session *session, struct str channel,
                      uint32_t retry_after_ms);
/* What is being answered was about a channel that the session was taken out of meanwhile. It was told
 * so; but who awaits an answer by its ref has none yet. */
void say_removed(struct hub *hub, const struct session *session, const struct channel *channel);
/* To what somebody remembered: its ref is in the error. */
void say_late_refusal(struct hub *hub, const struct session *session,
                      const struct protocol_error *error);
/* An error that answers nothing: what has happened to the session. Never a refusal: it has no ref. */
void say_error(struct hub *hub, const struct session *session, struct str channel,
               enum error_code code, const char *text);
/* What has become of what is being answered, if it has a ref; else nothing is said. Of the receipt
 * all but the ref is set. */
void say_receipt(struct hub *hub, const struct session *session, struct protocol_receipt receipt);

/* The session ends: what it still says is ignored. `reason` is a literal. */
void say_close(struct hub *hub, struct session *session, uint16_t code, const char *reason);

/* To the channel's plain members, on all workers, encoded once. Rows have judges: live/tell.h. */
void say_event(struct hub *hub, const struct channel *channel, const struct event_fields *event);
void say_to_channel(struct hub *hub, const struct channel *channel,
                    struct frame *frame); /* takes it */

/* To all other nodes, or to one; false: see core/nodes/bus.h. */
bool say_to_nodes(const struct hub *hub, enum bus_kind kind, const char *to, struct str body);

void say_count(struct hub *hub, unsigned cell);
/* The session's JSON as other clients see it; the span lives in *buf. */
struct str say_client_json(const struct hub *hub, const struct session *session, struct buf *buf);

#endif
