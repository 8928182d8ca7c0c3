/* SPDX-License-Identifier: PostgreSQL */
/* Who waits, and who is next.
 *
 * A call waits in one of two queues: behind the call of its session that was asked before it, or,
 * when it is that session's turn, in its function's. So nothing here looks at calls that cannot
 * run: the work for one call is a look at the functions that have ready calls, and at the lanes.
 *
 * The oldest ready call that may run gets a place:
 *
 *   - an idle lane, as long as its function is on less than half of them. That leaves the other
 *     half to the others, whatever this one does.
 *   - behind calls of the same function on a lane, if that function is quick and the lane's oldest
 *     call has only just begun. Under load this keeps the connections busy; and who is quick makes
 *     nobody wait.
 *
 * If the oldest call lacks nothing but an idle lane, no younger one is put behind others either:
 * the lanes would never become idle, and a function that is asked for rarely would starve. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pg/functions/internal.h"

/* ---- functions and sessions ---- */

struct function *functions_named(struct functions *functions, struct str name)
{
    struct function *function = NULL;
    HASH_FIND(hh, functions->by_name, name.ptr, name.len, function);
    if (!function) {
        function = mem_zalloc(sizeof(*function) + name.len + 1);
        memcpy(function->name, name.ptr, name.len);
        HASH_ADD_KEYPTR(hh, functions->by_name, function->name, name.len, function);
    }
    return function;
}

/* NULL: the session has none. */
static struct call_session *find_session(struct functions *functions, struct session_id id)
{
    struct call_session *session = NULL;
    HASH_FIND(hh, functions->sessions, &id, sizeof(id), session);
    return session;
}

static struct call_session *begin_session(struct functions *functions, struct session_id id)
{
    struct call_session *session = mem_zalloc(sizeof(*session));
    session->id = id;
    HASH_ADD(hh, functions->sessions, id, sizeof(session->id), session);
    return session;
}

/* ---- in and out ---- */

static void make_ready(struct functions *functions, struct call *call)
{
    struct function *function = call->function;
    if (!function->ready) {
        DL_APPEND(functions->hungry, function);
    }
    call->stage = CALL_STAGE_READY;
    DL_APPEND(function->ready, call);
}

static struct call **line_of(struct functions *functions, const struct call *call)
{
    return call->on_verdict || call->on_token ? &functions->impatient : &functions->patient;
}

void call_queue_add(struct functions *functions, struct call *call, struct session_id queue)
{
    functions->n_waiting++;
    functions->waiting_bytes += call->bytes;
    struct call **line = line_of(functions, call);
    DL_APPEND2(*line, call, older, younger);
    if (queue.generation == 0) {
        make_ready(functions, call);
        return;
    }
    call->session = find_session(functions, queue);
    if (call->session) {
        call->stage = CALL_STAGE_BEHIND;
        DL_APPEND(call->session->behind, call);
    } else {
        call->session = begin_session(functions, queue);
        make_ready(functions, call);
    }
}

void call_queue_remove(struct functions *functions, struct call *call)
{
    functions->n_waiting--;
    functions->waiting_bytes -= call->bytes;
    struct call **line = line_of(functions, call);
    DL_DELETE2(*line, call, older, younger);
    if (call->stage == CALL_STAGE_BEHIND) {
        DL_DELETE(call->session->behind, call);
        call->session = NULL; /* it was not its turn: nobody's turn comes by its end */
        return;
    }
    DL_DELETE(call->function->ready, call);
    if (!call->function->ready) {
        DL_DELETE(functions->hungry, call->function);
    }
}

void call_queue_end(struct functions *functions, struct call *call)
{
    struct call_session *session = call->session;
    call->session = NULL;
    if (!session) {
        return;
    }
    struct call *next = session->behind;
    if (next) {
        DL_DELETE(session->behind, next);
        make_ready(functions, next);
    } else {
        HASH_DEL(functions->sessions, session);
        free(session);
    }
}

/* ---- whose turn it is ---- */

static bool may_spread(const struct functions *functions, const struct function *function)
{
    size_t most = functions->n_lanes > 1 ? functions->n_lanes / 2 : 1;
    return function->n_lanes < most;
}

/* Better one that the function had before: it need not be cleaned. NULL: any. */
static struct lane *idle_lane(const struct functions *functions, const struct function *function)
{
    struct lane *idle = NULL;
    for (size_t i = 0; i < functions->n_lanes; i++) {
        struct lane *lane = &functions->lanes[i];
        bool is_idle = !lane->function && lane_is_open(lane);
        if (is_idle && (!idle || (function && lane->last == function))) {
            idle = lane;
        }
    }
    return idle;
}

/* The one with the fewest calls. */
static struct lane *lane_to_follow(const struct functions *functions,
                                   const struct function *function, uint64_t now_ms)
{
    struct lane *best = NULL;
    for (size_t i = 0; i < functions->n_lanes; i++) {
        struct lane *lane = &functions->lanes[i];
        if (lane_can_follow(lane, function, now_ms) && (!best || lane->n_calls < best->n_calls)) {
            best = lane;
        }
    }
    return best;
}

static bool is_before(const struct function *function, const struct function *other)
{
    return !other || function->ready->number < other->ready->number;
}

struct call *call_queue_next(struct functions *functions, struct lane **lane)
{
    struct lane *idle = idle_lane(functions, NULL);
    uint64_t now_ms = clock_ms();
    struct function *best = NULL;
    struct function *starved = NULL; /* the oldest that lacks an idle lane */
    struct lane *place = NULL;
    struct function *function;
    DL_FOREACH(functions->hungry, function)
    {
        bool wants_idle = may_spread(functions, function);
        struct lane *found =
            wants_idle && idle ? idle : lane_to_follow(functions, function, now_ms);
        if (found && is_before(function, best)) {
            best = function;
            place = found;
        }
        if (wants_idle && !idle && is_before(function, starved)) {
            starved = function;
        }
    }
    if (!best || (starved && starved != best && is_before(starved, best))) {
        return NULL;
    }
    struct call *call = best->ready;
    call_queue_remove(functions, call);
    *lane = place == idle ? idle_lane(functions, best) : place;
    return call;
}
