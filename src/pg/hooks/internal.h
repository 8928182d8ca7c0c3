/* SPDX-License-Identifier: PostgreSQL */
/* What the files of this folder share: hooks.c (the seam, life, time), queue.c (who waits, and who
 * is next), lane.c (a connection and the calls on it) and answer.c (what a result means). Nobody
 * else includes this.
 *
 * The life of a call: asked → waits for the call of its session before it → waits in its function's
 * queue → sent on a lane → answered. */
#ifndef HERALD_PG_HOOKS_INTERNAL_H
#define HERALD_PG_HOOKS_INTERNAL_H

/* Before uthash.h: its hash function. */
#include "base/hash.h"

#include <uthash.h>
#include <utlist.h>

#include "pg/hooks/hooks.h"
#include "pg/query.h"

enum hook_kind { HOOK_KIND_AUTHORIZE, HOOK_KIND_TRIGGER, HOOK_KIND_TOKEN };

enum { HOOK_KEY_SIZE = 32 };

enum hook_stage {
    HOOK_STAGE_NEW,
    HOOK_STAGE_BEHIND, /* in its session's queue: one of that session is before it */
    HOOK_STAGE_READY,  /* in its function's queue */
    HOOK_STAGE_SENT,   /* in its lane's */
};

struct hook_call {
    struct hook_call *prev, *next;     /* in the queue that `stage` says */
    struct hook_call *older, *younger; /* among all that wait and have the same patience */
    enum hook_kind kind;
    enum hook_stage stage;
    struct hook_function *function;
    struct hook_session *session; /* NULL: it has no order */
    struct lane *lane;            /* SENT */
    struct params params;         /* until it is sent, then with its signature */
    size_t bytes;                 /* that it adds to waiting_bytes */
    struct metrics_block *counts;
    uint64_t number; /* in order of asking */
    uint64_t asked_ms;
    enum error_code error;    /* TOKEN: what it is answered with if it is never sent */
    store_verdict_fn *called; /* NULL: nobody wants to know */
    store_token_fn *checked;
    void *arg;
};

/* So that a broken function under load is a line now and then, not a flood. */
struct hook_complaint {
    bool was_said;
    uint64_t said_ms;
    unsigned long long n_unsaid;
};

struct hook_function { /* stays once it was named: rules have few functions */
    UT_hash_handle hh;
    struct hook_function *prev, *next; /* among those with ready calls */
    struct hook_call *ready;
    size_t n_lanes; /* that its calls are on */
    bool is_known;  /* one of its calls has been answered */
    uint64_t slow_until_ms;
    struct hook_complaint complaint;
    char name[];
};

struct hook_session { /* as long as a call of it waits or runs */
    UT_hash_handle hh;
    struct session_id id;
    struct hook_call *behind;
};

/* A connection. All its calls are of one function at a time. */
struct lane {
    struct hooks *hooks;
    struct connection *connection;
    struct hook_function *function; /* NULL: idle */
    struct hook_function *last;     /* whose leftovers the session may hold; NULL: nobody's */
    struct hook_call *calls;        /* the one that runs, and those that follow */
    size_t n_calls;
    uint64_t since_ms; /* when the oldest of them became the oldest */
};

struct hooks {
    struct loop *loop;
    struct hooks_options options;
    char *token_function;
    unsigned char key[HOOK_KEY_SIZE];
    bool has_key;
    bool has_said_pooled;
    char prologue[192]; /* what makes a call's transaction safe for us */
    const char *before[2], *behind[2];
    struct lane *lanes;
    size_t n_lanes;
    struct hook_function *functions;       /* by name */
    struct hook_function *hungry;          /* those with ready calls */
    struct hook_session *sessions;         /* by id */
    struct hook_call *patient, *impatient; /* all that wait, oldest first; impatient: somebody waits
                                              for the answer */
    struct hook_call *refused;             /* answered at the next turn, without being sent */
    size_t n_waiting, waiting_bytes;
    size_t n_running;
    uint64_t n_asked;
    struct loop_timer *soon_timer; /* the next turn of the loop */
    struct loop_timer *tick_timer; /* while calls wait: those that waited too long */
    bool is_ticking;
    bool is_started, is_used, is_stopped, is_draining; /* used: a call was asked */
    struct hook_complaint crowded, away;
};

/* queue.c */
struct hook_function *hook_queue_function(struct hooks *hooks, struct str name);
void hook_queue_add(struct hooks *hooks, struct hook_call *call, struct session_id order);
/* The oldest call that has a place now, taken out, and its place. NULL: there is none. */
struct hook_call *hook_queue_next(struct hooks *hooks, struct lane **lane);
void hook_queue_remove(struct hooks *hooks, struct hook_call *call); /* it waits no longer */
/* The call was removed or has been answered: the next one of its session may run. */
void hook_queue_end(struct hooks *hooks, struct hook_call *call);

/* lane.c */
void lane_init(struct lane *lane, struct hooks *hooks);
bool lane_is_open(const struct lane *lane);
bool lane_can_follow(const struct lane *lane, const struct hook_function *function,
                     uint64_t now_ms); /* one more call behind those that are on it */
void lane_send(struct lane *lane, struct hook_call *call);

/* hooks.c. The call has left its lane. */
void hooks_answered(struct hooks *hooks, struct hook_call *call, const struct query_result *result);
void hooks_run(struct hooks *hooks); /* sends what has a place */

/* answer.c. All of them free the call. */
void hook_answer(struct hook_call *call, const struct query_result *result);
void hook_fail(struct hook_call *call);
/* False: not now; it is counted and told with the next one. */
bool hook_may_complain(struct hook_complaint *complaint, unsigned long long *n_unsaid);
void hook_complain(struct hook_call *call, const char *sqlstate, const char *message);

#endif
