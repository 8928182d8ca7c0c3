/* SPDX-License-Identifier: PostgreSQL */
/* The answers to joins and histories: from memory at once, or when the store has been read. */
#ifndef HERALD_CORE_HUB_ANSWER_H
#define HERALD_CORE_HUB_ANSWER_H

#include "core/hub/resume/reads.h"

struct question { /* what a join or a history wants to know */
    struct read read;
    enum command_type type; /* JOIN or HISTORY */
    bool is_void;           /* JOIN: its position is of another epoch: a gap */
    bool was_member;        /* JOIN: not its first */
    enum presence_wish wish;
    bool owes_history;   /* JOIN: it awaits a history, and none is kept: an empty one */
    bool owes_presence;  /* JOIN: the same of a list */
    bool wants_snapshot; /* JOIN: the rows, unless it can resume */
    uint64_t version;    /* JOIN: of the tables whose rows it has (live/version.h); 0: of none */
    uint64_t as_of;      /* JOIN: the log's newest id when those were read */
};

struct question question_of_join(struct hub *hub, const struct session *session,
                                 const struct command *command, struct channel *channel,
                                 struct view *view);
/* The session enters the channel, is acknowledged, sent what it wants to know, and live frames go
 * on. */
void answer_join(struct hub *hub, struct session *session, struct question question);
/* The newest rows that the rule keeps for it. The session is in the channel. */
void answer_history(struct hub *hub, struct session *session, struct channel *channel,
                    struct view *view);
void answer_empty_history(struct hub *hub, const struct session *session, struct str channel,
                          struct str view);

#endif
