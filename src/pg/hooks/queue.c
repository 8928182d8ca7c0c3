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
#include "pg/hooks/internal.h"

/* ---- functions and sessions ---- */

struct hook_function *hook_queue_function(struct hooks *hooks, struct str name)
{
    struct hook_function *function = NULL;
    HASH_FIND(hh, hooks->functions, name.ptr, name.len, function);
    if (!function) {
        function = mem_zalloc(sizeof(*function) + name.len + 1);
        memcpy(function->name, name.ptr, name.len);
        HASH_ADD_KEYPTR(hh, hooks->functions, function->name, name.len, function);
    }
    return function;
}

/* NULL: the session has none. */
static struct hook_session *find_session(struct hooks *hooks, struct session_id id)
{
    struct hook_session *session = NULL;
    HASH_FIND(hh, hooks->sessions, &id, sizeof(id), session);
    return session;
}

static struct hook_session *begin_session(struct hooks *hooks, struct session_id id)
{
    struct hook_session *session = mem_zalloc(sizeof(*session));
    session->id = id;
    HASH_ADD(hh, hooks->sessions, id, sizeof(session->id), session);
    return session;
}

/* ---- in and out ---- */

static void make_ready(struct hooks *hooks, struct hook_call *call)
{
    struct hook_function *function = call->function;
    if (!function->ready) {
        DL_APPEND(hooks->hungry, function);
    }
    call->stage = HOOK_STAGE_READY;
    DL_APPEND(function->ready, call);
}

static struct hook_call **line_of(struct hooks *hooks, const struct hook_call *call)
{
    return call->called || call->checked ? &hooks->impatient : &hooks->patient;
}

void hook_queue_add(struct hooks *hooks, struct hook_call *call, struct session_id order)
{
    hooks->n_waiting++;
    hooks->waiting_bytes += call->bytes;
    struct hook_call **line = line_of(hooks, call);
    DL_APPEND2(*line, call, older, younger);
    if (order.generation == 0) {
        make_ready(hooks, call);
        return;
    }
    call->session = find_session(hooks, order);
    if (call->session) {
        call->stage = HOOK_STAGE_BEHIND;
        DL_APPEND(call->session->behind, call);
    } else {
        call->session = begin_session(hooks, order);
        make_ready(hooks, call);
    }
}

void hook_queue_remove(struct hooks *hooks, struct hook_call *call)
{
    hooks->n_waiting--;
    hooks->waiting_bytes -= call->bytes;
    struct hook_call **line = line_of(hooks, call);
    DL_DELETE2(*line, call, older, younger);
    if (call->stage == HOOK_STAGE_BEHIND) {
        DL_DELETE(call->session->behind, call);
        call->session = NULL; /* it was not its turn: nobody's turn comes by its end */
        return;
    }
    DL_DELETE(call->function->ready, call);
    if (!call->function->ready) {
        DL_DELETE(hooks->hungry, call->function);
    }
}

void hook_queue_end(struct hooks *hooks, struct hook_call *call)
{
    struct hook_session *session = call->session;
    call->session = NULL;
    if (!session) {
        return;
    }
    struct hook_call *next = session->behind;
    if (next) {
        DL_DELETE(session->behind, next);
        make_ready(hooks, next);
    } else {
        HASH_DEL(hooks->sessions, session);
        free(session);
    }
}

/* ---- whose turn it is ---- */

static bool may_spread(const struct hooks *hooks, const struct hook_function *function)
{
    size_t most = hooks->n_lanes > 1 ? hooks->n_lanes / 2 : 1;
    return function->n_lanes < most;
}

/* Better one that the function had before: it need not be cleaned. NULL: any. */
static struct lane *idle_lane(const struct hooks *hooks, const struct hook_function *function)
{
    struct lane *idle = NULL;
    for (size_t i = 0; i < hooks->n_lanes; i++) {
        struct lane *lane = &hooks->lanes[i];
        bool is_idle = !lane->function && lane_is_open(lane);
        if (is_idle && (!idle || (function && lane->last == function))) {
            idle = lane;
        }
    }
    return idle;
}

/* The one with the fewest calls. */
static struct lane *lane_to_follow(const struct hooks *hooks, const struct hook_function *function,
                                   uint64_t now_ms)
{
    struct lane *best = NULL;
    for (size_t i = 0; i < hooks->n_lanes; i++) {
        struct lane *lane = &hooks->lanes[i];
        if (lane_can_follow(lane, function, now_ms) && (!best || lane->n_calls < best->n_calls)) {
            best = lane;
        }
    }
    return best;
}

static bool is_before(const struct hook_function *function, const struct hook_function *other)
{
    return !other || function->ready->number < other->ready->number;
}

struct hook_call *hook_queue_next(struct hooks *hooks, struct lane **lane)
{
    struct lane *idle = idle_lane(hooks, NULL);
    uint64_t now_ms = clock_ms();
    struct hook_function *best = NULL;
    struct hook_function *starved = NULL; /* the oldest that lacks an idle lane */
    struct lane *place = NULL;
    struct hook_function *function;
    DL_FOREACH(hooks->hungry, function)
    {
        bool wants_idle = may_spread(hooks, function);
        struct lane *found = wants_idle && idle ? idle : lane_to_follow(hooks, function, now_ms);
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
    struct hook_call *call = best->ready;
    hook_queue_remove(hooks, call);
    *lane = place == idle ? idle_lane(hooks, best) : place;
    return call;
}
