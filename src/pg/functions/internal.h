/* SPDX-License-Identifier: PostgreSQL */
/* What the files of this folder share: functions.c (the seam, life, time), queue.c (who waits, and
 * who is next), lane.c (a connection and the calls on it) and answer.c (what a result means: the
 * verdict). Nobody else includes this.
 *
 * The life of a call: asked → waits for the call of its session before it → waits in its function's
 * queue → sent on a lane → answered. */
#ifndef HERALD_PG_FUNCTIONS_INTERNAL_H
#define HERALD_PG_FUNCTIONS_INTERNAL_H

/* Before uthash.h: its hash function. */
#include "base/hash.h"

#include <uthash.h>
#include <utlist.h>

#include "pg/complaint.h"
#include "pg/functions/functions.h"
#include "pg/query.h"

enum call_kind { CALL_KIND_AUTHORIZE, CALL_KIND_ON_ACTION, CALL_KIND_TOKEN };

enum { SIGNING_KEY_SIZE = 32 };

enum call_stage {
    CALL_STAGE_NEW,
    CALL_STAGE_BEHIND, /* in its session's queue: one of that session is before it */
    CALL_STAGE_READY,  /* in its function's queue */
    CALL_STAGE_SENT,   /* in its lane's */
};

struct call {
    struct call *prev, *next;     /* in the queue that `stage` says */
    struct call *older, *younger; /* among all that wait and have the same patience */
    enum call_kind kind;
    enum call_stage stage;
    struct function *function;
    struct call_session *session; /* NULL: it is in no session's queue */
    struct lane *lane;            /* SENT */
    struct params params;         /* until it is sent, then with its signature */
    size_t bytes;                 /* that it adds to waiting_bytes */
    struct metrics_block *counts;
    uint64_t number; /* in order of asking */
    uint64_t asked_ms;
    enum error_code error;        /* TOKEN: what it is answered with if it is never sent */
    store_verdict_fn *on_verdict; /* NULL: nobody wants to know */
    store_token_fn *on_token;
    void *arg;
};

struct function { /* stays once it was named: rules have few functions */
    UT_hash_handle hh;
    struct function *prev, *next; /* among those with ready calls */
    struct call *ready;
    size_t n_lanes; /* that its calls are on */
    bool is_known;  /* one of its calls has been answered */
    uint64_t slow_until_ms;
    struct complaint complaint;
    char name[];
};

struct call_session { /* as long as a call of it waits or runs */
    UT_hash_handle hh;
    struct session_id id;
    struct call *behind;
};

/* A connection. All its calls are of one function at a time. */
struct lane {
    struct functions *functions;
    struct connection *connection;
    struct function *function; /* NULL: idle */
    struct function *last;     /* whose leftovers the session may hold; NULL: nobody's */
    struct call *calls;        /* the one that runs, and those that follow */
    size_t n_calls;
    uint64_t since_ms; /* when the oldest of them became the oldest */
};

struct functions {
    struct loop *loop;
    struct functions_options options;
    char *token_function;
    unsigned char key[SIGNING_KEY_SIZE];
    bool has_key;
    bool has_said_pooled;
    char prologue[256]; /* what makes a call's transaction safe for us */
    const char *before[2], *behind[2];
    struct lane *lanes;
    size_t n_lanes;
    struct function *by_name;         /* by name */
    struct function *hungry;          /* those with ready calls */
    struct call_session *sessions;    /* by id */
    struct call *patient, *impatient; /* all that wait, oldest first; impatient: somebody waits
                                              for the answer */
    struct call *refused;             /* answered at the next turn, without being sent */
    size_t n_waiting, waiting_bytes;
    size_t n_running;
    uint64_t n_asked;
    struct loop_timer *soon_timer; /* the next turn of the loop */
    struct loop_timer *tick_timer; /* while calls wait: those that waited too long */
    bool is_ticking;
    bool is_started, is_used, is_stopped, is_draining; /* used: a call was asked */
    struct complaint crowded, away;
};

/* queue.c */
struct function *functions_named(struct functions *functions, struct str name);
void call_queue_add(struct functions *functions, struct call *call, struct session_id queue);
/* The oldest call that has a place now, taken out, and its place. NULL: there is none. */
struct call *call_queue_next(struct functions *functions, struct lane **lane);
void call_queue_remove(struct functions *functions, struct call *call); /* it waits no longer */
/* The call was removed or has been answered: the next one of its session may run. */
void call_queue_end(struct functions *functions, struct call *call);

/* lane.c */
void lane_init(struct lane *lane, struct functions *functions);
void lane_set_timeout(struct lane *lane, uint32_t timeout_ms); /* of calls from now on */
bool lane_is_open(const struct lane *lane);
bool lane_can_follow(const struct lane *lane, const struct function *function,
                     uint64_t now_ms); /* one more call behind those that are on it */
void lane_send(struct lane *lane, struct call *call);

/* functions.c. The call has left its lane. */
void functions_answered(struct functions *functions, struct call *call,
                        const struct query_result *result);
void functions_run(struct functions *functions); /* sends what has a place */

/* answer.c. All of them free the call. */
void call_answer(struct call *call, const struct query_result *result);
void call_fail(struct call *call);
void call_complain(struct call *call, const char *sqlstate, const char *message);

#endif
