/* SPDX-License-Identifier: PostgreSQL */
/* What the hub's own files share: hub.c (life, order of commands, what the store tells), hub_join.c
 * (join, history and their reads) and hub_message.c (messages and fan-out). Nobody else includes
 * this. */
#ifndef HERALD_CORE_HUB_INTERNAL_H
#define HERALD_CORE_HUB_INTERNAL_H

#include "base/buf.h"
#include "core/hub/channel.h"
#include "core/hub/hub.h"
#include "core/hub/session.h"

struct hub {
    struct hub_options options;
    const struct protocol *protocol;
    const struct transport *transport;
    const struct store *store;
    struct session_table sessions;
    struct channel_table channels;
    struct site *site;
    char *epoch; /* NULL until the store was up once */
    bool is_up;
    bool is_draining;
    char *down_reason;
};

/* hub.c. Sends the frame and lets go of it. */
void hub_answer(struct hub *hub, const struct session *session, struct frame *frame);
void hub_answer_error(struct hub *hub, const struct session *session, struct str channel,
                      enum error_code code);
/* The session's JSON as other clients see it; the span lives in *buf. */
struct str hub_client_json(struct hub *hub, const struct session *session, struct buf *buf);
/* Ends the wait and handles what was held back, until one waits again. */
void hub_go_on(struct hub *hub, struct session *session);
/* True if the session's own messages are still on their way to the log: then it waits, a read now
 * would miss them. */
bool hub_waits_for_appends(struct session *session);
/* Takes the session's subscription off the channel's count; the channel may be gone afterwards. */
void hub_forget_member(struct hub *hub, struct session *session, struct channel *channel);

/* hub_join.c and hub_message.c: one per command. False: it must wait, and be handled again later.
 */
bool hub_join(struct hub *hub, struct session *session, const struct command *command);
bool hub_history(struct hub *hub, struct session *session, const struct command *command);
void hub_leave(struct hub *hub, struct session *session, const struct command *command);
bool hub_message(struct hub *hub, struct session *session, const struct command *command);
/* The rules have changed: takes the session out of the channels it may no longer be in, and tells
 * it. */
void hub_recheck(struct hub *hub, struct session *session);
/* One frame for all members of the channel, on all workers. */
void hub_publish(struct hub *hub, struct channel *channel, const struct event *event);

#endif
