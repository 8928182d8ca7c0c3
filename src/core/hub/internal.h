/* SPDX-License-Identifier: PostgreSQL */
/* What the hub's own files share: hub.c (life, order of commands, what the store tells), join.c
 * (join, leave, history), reads.c (what they read, and replays), message.c (messages and fan-out),
 * call.c (the owner's functions), users.c (how many sessions each has), revoke.c (rights that end)
 * and presence.c with grace.c. Nobody else includes this. */
#ifndef HERALD_CORE_HUB_INTERNAL_H
#define HERALD_CORE_HUB_INTERNAL_H

#include "base/buf.h"
#include "core/channel_name.h"
#include "core/hub/channel.h"
#include "core/hub/grace.h"
#include "core/hub/hub.h"
#include "core/hub/presence.h"
#include "core/hub/session.h"
#include "core/recent.h"

struct judgement;

/* What a join or a history asks, or a replay for its next page. It waits for its turn, then for the
 * answer; its session may be gone by then, its channel not. */
struct read {
    struct read *next;
    struct hub *hub;
    struct session_id session;
    struct channel *channel;
    enum command_type type; /* JOIN or HISTORY */
    enum store_read_kind kind;
    bool is_page;    /* the session's replay goes on with it */
    bool is_void;    /* JOIN: its position is of another epoch: a gap */
    bool was_member; /* JOIN: not its first */
    bool wants_presence;
    uint32_t limit;   /* LAST */
    uint32_t n_epoch; /* the hub's when it was asked */
    uint64_t since;   /* SINCE */
    uint64_t queued_ms;
};

enum read_queue { READ_QUEUE_JOINS, READ_QUEUE_REPLAYS, READ_QUEUE_COUNT };

struct reads { /* first come, first served, in each queue */
    struct {
        struct read *first, **end; /* end: valid if there is a first */
        uint32_t n_under_way;
    } queues[READ_QUEUE_COUNT];
    uint32_t n_queued;
};

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
    struct recent recent;
    struct reads reads;
    uint32_t n_replayed;        /* frames of replays in this turn */
    struct session_list paused; /* replays that go on in another turn */
    uint32_t n_epoch;           /* how many there have been */
    char *epoch;                /* NULL until the store was up once */
    bool is_up;
    bool is_draining;
    char *down_reason;
    char *warnings;           /* of the database, lines; NULL: none yet */
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

/* What a read asks, if it can be told without the store: says it. False: it cannot. */
bool hub_answer_from_memory(struct hub *hub, struct session *session, const struct read *read);
/* The answer to a join or a history; the session is there. */
void hub_take_answer(struct hub *hub, struct session *session, const struct read *read,
                     const struct store_answer *found);
/* Who is here, if it has asked for that. */
void hub_send_presence(struct hub *hub, const struct session *session, struct channel *channel);
/* All that it has missed was sent: live frames go on. */
void hub_release(struct hub *hub, const struct session *session, const struct channel *channel,
                 uint64_t skip_to);

/* ---- reads.c ---- */

#define HUB_HISTORY_BYTES (1024 * 1024) /* of payloads in a history (CONTRACT.md) */

/* Answers at once from memory, or the session waits for its turn and the answer. */
void hub_ask(struct hub *hub, struct session *session, struct read what);
void hub_release_reads(struct hub *hub);
/* Sends the session what it may see in (since, until], page by page, and then releases it; it waits
 * meanwhile. `page`: what of it was read already, NULL: nothing. */
void hub_replay(struct hub *hub, struct session *session, struct channel *channel, uint64_t since,
                uint64_t until, const struct store_answer *page);
void hub_replay_drained(struct hub *hub, struct session *session);
void hub_replay_paused(struct hub *hub); /* another turn: the paused ones go on */
void hub_end_replay(struct hub *hub, struct session *session); /* of one that is gone */

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
void hub_take_directive(struct hub *hub, const struct store_directive *order);
/* Is the one with this identity and socketId to be disconnected? */
bool hub_is_meant(const struct store_directive *order, const struct identity *who,
                  const char *socket_id);

#endif
