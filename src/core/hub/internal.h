/* SPDX-License-Identifier: PostgreSQL */
/* What the hub's own files share: hub.c (life, order of commands, what the store tells), join.c
 * (join, leave, history and their reads), message.c (messages and fan-out), call.c (the owner's
 * functions), users.c (how many sessions each has), revoke.c (rights that end) and presence.c with
 * grace.c. Nobody else includes this. */
#ifndef HERALD_CORE_HUB_INTERNAL_H
#define HERALD_CORE_HUB_INTERNAL_H

#include "base/buf.h"
#include "core/channel_name.h"
#include "core/hub/channel.h"
#include "core/hub/grace.h"
#include "core/hub/hub.h"
#include "core/hub/presence.h"
#include "core/hub/session.h"

struct judgement;

struct told_change {
    struct member *member; /* a reference */
    bool is_join;
};

struct told { /* changes of presence that SQL has yet to be told */
    struct told_change *list;
    size_t n, cap;
    bool is_reset;
    uint64_t at_ms; /* of the last time */
};

struct due { /* channels whose presence has changed and waits to be announced */
    struct channel **channels;
    size_t n, cap;
};

struct ready { /* sessions that waited for a list and may go on, at the end of the turn */
    struct session_id *list;
    size_t n, cap;
};

struct hub {
    struct hub_options options;
    const struct protocol *protocol;
    const struct transport *transport;
    const struct store *store;
    struct session_table sessions;
    struct channel_table channels;
    struct site *site;
    struct user *users;           /* with their sessions, if these are limited */
    struct judgement *judgements; /* what authorize functions have said */
    struct grace grace;
    struct due due;
    struct told told;
    struct ready ready;
    char *epoch; /* NULL until the store was up once */
    bool is_up;
    bool is_draining;
    char *down_reason;
    uint64_t n_listed;        /* members in lists of presence */
    uint64_t now_ms, wall_ms; /* of the last tick */
};

/* ---- hub.c ---- */

/* Sends the frame and lets go of it. */
void hub_answer(struct hub *hub, const struct session *session, struct frame *frame);
void hub_answer_error(struct hub *hub, const struct session *session, struct str channel,
                      enum error_code code);
/* An error with a text of its own; NULL: the code's. */
void hub_answer_error_text(struct hub *hub, const struct session *session, struct str channel,
                           enum error_code code, const char *text);
void hub_count(struct hub *hub, unsigned cell);
/* The session's JSON as other clients see it; the span lives in *buf. */
struct str hub_client_json(struct hub *hub, const struct session *session, struct buf *buf);
void hub_close(struct hub *hub, struct session *session, uint16_t code, const char *reason);
/* Ends the wait and handles what was held back, until one waits again. */
void hub_go_on(struct hub *hub, struct session *session);
/* True if the session's own messages are still on their way to the log: then it waits, a read now
 * would miss them. */
bool hub_waits_for_appends(struct session *session);
/* Takes the session's subscription off the channel's count; the channel may be gone afterwards. */
void hub_forget_member(struct hub *hub, struct session *session, struct channel *channel);

/* ---- join.c and message.c: one per command. False: it must wait, and be handled again later ----
 */

bool hub_join(struct hub *hub, struct session *session, struct command *command);
bool hub_history(struct hub *hub, struct session *session, const struct command *command);
void hub_leave(struct hub *hub, struct session *session, const struct command *command);
/* A join that did not come to its end: its entry in the list, if there is one, leaves. */
void hub_end_arrival(struct hub *hub, struct session *session);
bool hub_message(struct hub *hub, struct session *session, struct command *command);
/* The session leaves the channel, is told to others and to the rule's function; the channel may be
 * gone afterwards. */
void hub_detach(struct hub *hub, struct session *session, struct channel *channel);
/* One frame for all members of the channel, on all workers. */
void hub_publish(struct hub *hub, struct channel *channel, const struct event *event);
void hub_fan_out(struct hub *hub, struct channel *channel, struct frame *frame); /* takes it */

/* ---- call.c ---- */

/* Starts the rule's function; the command waits and comes again with has_hook_passed, or is
 * answered. */
void hub_ask_hook(struct hub *hub, struct session *session, const struct command *command,
                  const char *function);
/* Tells the function what has happened; nobody waits for it. channel absent: none. */
void hub_tell_hook(struct hub *hub, const struct session *session, const char *function,
                   const char *action, struct str channel);

enum judged { JUDGED_ALLOWED, JUDGED_ANSWERED, JUDGED_WAITS };
/* What the rule's authorize function says. ANSWERED: it refuses, and the client has been told.
 * WAITS: the command comes again with has_rule_passed, or is answered. */
enum judged hub_authorize(struct hub *hub, struct session *session, const struct command *command,
                          const struct rule *rule);
/* A member whose right to be there is in doubt: it is removed if the function says so. */
void hub_judge_again(struct hub *hub, struct session *session, struct channel *channel);
/* Cached answers are void: for all channels, one, or those of a pattern. */
void hub_forget_answers(struct hub *hub, struct str channel);
void hub_release_answers(struct hub *hub);

/* ---- users.c ---- */

/* The session is its identity's. False: that has too many already. */
bool hub_take_user(struct hub *hub, struct session *session);
void hub_give_user(struct hub *hub, struct session *session);
void hub_release_users(struct hub *hub);

/* ---- revoke.c ---- */

/* The site has changed, and channels have their new rules: who lost a right is told and removed. */
void hub_recheck_all(struct hub *hub);
void hub_take_order(struct hub *hub, const struct store_order *order);
/* Is the one with this identity and socketId to be disconnected? */
bool hub_is_meant(const struct store_order *order, const struct identity *who,
                  const char *socket_id);

#endif
