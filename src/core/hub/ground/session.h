/* SPDX-License-Identifier: PostgreSQL */
/* What the hub knows of a session, and the table that finds it by (worker, slot, generation) or by
 * socketId. Hub thread only; the socket itself belongs to the worker. */
#ifndef HERALD_CORE_HUB_GROUND_SESSION_H
#define HERALD_CORE_HUB_GROUND_SESSION_H

#include "base/id.h"
#include "core/command.h"
#include "core/hub/ground/channel.h"

struct member;
struct dropped;
struct replay;
struct sending;
struct question;
struct user;

/* Commands of one session are handled strictly in order: while one waits, the later ones are held.
 */
enum session_wait {
    SESSION_WAIT_NONE,
    SESSION_WAIT_TOKEN,    /* until the database has said who it is */
    SESSION_WAIT_CALL,     /* until a function of the rule has answered */
    SESSION_WAIT_RIGHTS,   /* until it is clear where it may stay */
    SESSION_WAIT_PRESENCE, /* until it is in the list of a large channel */
    SESSION_WAIT_READ,     /* until the store has answered */
    SESSION_WAIT_JUDGES,   /* until the database has judged what it asked for */
    SESSION_WAIT_SNAPSHOT, /* until the rows that it asked for are there */
    SESSION_WAIT_REPLAY,   /* until it was sent them, or what it has missed */
    SESSION_WAIT_APPENDS,  /* until its own messages are in the log */
    SESSION_WAIT_NODES,    /* until other nodes have said whether they have its addressee */
};

struct held_total { /* over all sessions */
    uint64_t n, bytes;
};

struct session_list {
    struct session_id *ids;
    size_t n, cap;
};

struct subscription {
    struct channel *channel;
    struct view *view;     /* NULL: the plain membership */
    struct group *group;   /* of its view: those who are shown the same rows */
    struct group *held_in; /* another one, where its worker has it until the hold ends; or NULL */
    struct member *member; /* its entry in the channel's presence; NULL: the rule lists nobody */
    uint64_t offset;       /* the head that its last answer named: what came up to it was before */
    uint64_t version;      /* of the tables whose rows it was sent (live/version.h); 0: of none */
    uint64_t as_of;        /* the log's newest id when those were read */
    enum presence_wish wish; /* for the list of members and its news */
    bool is_joined;          /* was acknowledged */
    bool is_attached;        /* its worker knows of it */
    bool is_held;            /* and keeps live frames aside for it */
};

struct session {
    UT_hash_handle hh; /* by socket_id */
    struct session_id id;
    enum session_wait wait;
    struct identity *identity; /* NULL: anonymous */
    struct user *user;         /* whose sessions are counted; NULL: nobody's */
    bool is_operator;
    const char *token_why; /* to be told at the first join: why the token was not accepted */
    enum error_code token_error;
    struct subscription *subscriptions; /* in no order */
    uint32_t n_subscriptions;
    struct member *arriving;     /* in a presence list, while the join is under way */
    struct dropped *left_behind; /* entries of a session whose place it has taken (grace.c) */
    struct replay *replay;       /* of what it has missed, under way; NULL: none */
    struct sending *sending;     /* of a snapshot, under way; NULL: none */
    struct question *question;   /* that other nodes are asked (nodes/private.c); NULL: none */
    uint32_t n_appending;        /* messages handed to the store, not answered yet */
    uint32_t n_invalid;
    uint32_t n_held;
    uint32_t held_bytes;
    struct held_total *held_total;
    struct command *held, **held_end; /* commands that came while one waits; the first one waits */
    bool is_closing;                  /* told to close: what it still says is ignored */
    bool is_welcome;                  /* who it is has become clear; on_connect was told */
    bool has_joined;                  /* ever, so that somebody knows it by its socketId */
    bool is_taken;                    /* its socketId was first that of a session of another node */
    char socket_id[ID_TEXT_SIZE];     /* how other clients know it */
    uint8_t n_txids;                  /* transactions that it waits for (snapshot/txid.c) */
    uint32_t n_questioned;            /* of its channels it is asked whether it may stay */
};

struct session_table {
    struct session ***slots; /* [worker][slot] */
    struct session *by_socket_id;
    uint32_t *n_slots;
    uint32_t n_workers;
    uint32_t n_open;
    struct held_total held_total;
    struct session_list ready; /* whose wait has ended in this turn */
};

void session_table_init(struct session_table *table, uint32_t n_workers);
void session_table_release(struct session_table *table); /* frees the sessions that are left */
/* Calls fn for every session; it may not open or close any. */
void session_table_each(const struct session_table *table,
                        void (*fn)(void *arg, struct session *session), void *arg);
struct session *session_table_open(struct session_table *table, struct session_id id);
/* Another socketId, which nobody has. */
void session_table_rename(struct session_table *table, struct session *session,
                          const char socket_id[ID_TEXT_SIZE]);
struct session *session_table_find(const struct session_table *table,
                                   struct session_id id); /* NULL: gone */
struct session *session_table_find_socket(const struct session_table *table, struct str socket_id);
void session_table_close(struct session_table *table, struct session *session); /* frees it */
/* What it waited for has come. What it said meanwhile is handled at the end of the turn. */
void session_end_wait(struct session_table *table, struct session *session);
/* True if its own messages are still on their way to the log: then it waits, a read now would miss
 * them. */
bool session_awaits_appends(struct session *session);

void session_list_add(struct session_list *list, struct session_id id);

/* Its plain membership, and any; NULL: it has none. Valid until the next add or remove. */
struct subscription *session_in(const struct session *session, const struct channel *channel);
struct subscription *session_in_view(const struct session *session, const struct channel *channel,
                                     const struct view *view);
bool session_is_in(const struct session *session, const struct channel *channel); /* with any */
struct subscription *session_add(struct session *session, struct channel *channel,
                                 struct view *view);
void session_remove(struct session *session, struct subscription *in);
/* For loops over subscriptions [i - 1] that may remove some, and so move others to lower places:
 * from n down, the next i, 0 at the end. */
uint32_t session_before(const struct session *session, uint32_t i);

void session_hold(struct session *session, struct command *command);       /* takes the command */
void session_replace_payload(struct session *session, struct str payload); /* of the first held */
struct command *session_next_held(struct session *session);                /* NULL: none */

#endif
