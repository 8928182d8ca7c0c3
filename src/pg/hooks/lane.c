/* SPDX-License-Identifier: PostgreSQL */
/* A lane: one connection, and the calls on it.
 *
 * How a call is kept from taking too long. statement_timeout is set in the call's own transaction,
 * in a statement before it, because the server starts that clock when it parses the statement; and
 * local, so that it does not depend on what the session has been through, and holds behind a
 * pooler, too. A function can catch the cancel: against that the connection's deadline stands
 * (GRACE_MS later), which costs this connection and what is on it, nothing else.
 *
 * What a function leaves behind in the session (settings, temporary tables, locks, LISTEN, …) would
 * be there for the functions of others. herald.call_function cleans up in the call's own
 * transaction, also after an error, and refuses what it could not clean (sql/0010_access.sql says
 * how). Tried instead: a transaction behind each call, of all that DISCARD ALL is made of but for
 * DISCARD PLANS. Equally sound, 100 µs more a call; DISCARD ALL itself 250, as it makes the next
 * call plan everything anew. What stays either way is memory that a procedural language shares
 * within a session (%_SHARED in PL/Perl, GD in PL/Python) and the seed of random(). */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "pg/hooks/internal.h"
#include "pg/hooks/token.h"

enum {
    GRACE_MS = 500,  /* that the server has to answer after it has cancelled a call */
    MAX_CALLS = 4,   /* on a lane: so many keep it busy, and a slow one harms three at most */
    YOUNG_MS = 20,   /* behind a call that runs longer nobody is put */
    QUICK_MS = 20,   /* a function that took longer … */
    SLOW_MS = 10000, /* … is not trusted so long */
};

static const char *sql_of(enum hook_kind kind)
{
    switch (kind) {
    case HOOK_KIND_AUTHORIZE:
        return "SELECT herald.call_authorize($1, $2, $3, $4)";
    case HOOK_KIND_TRIGGER:
        return "SELECT herald.call_hook($1, $2, $3, $4, $5, $6)";
    case HOOK_KIND_TOKEN:
        return token_sql;
    }
    return "";
}

/* ---- the connection ---- */

static void on_open(void *arg)
{
    struct lane *lane = arg;
    connection_settle(lane->connection);
    hooks_run(lane->hooks);
}

/* What was on it has been answered, and sessions may have asked the next. */
static void on_lost(void *arg, const char *reason)
{
    struct lane *lane = arg;
    unsigned long long n_unsaid;
    if (hook_may_complain(&lane->hooks->away, &n_unsaid)) {
        log_warn("a connection for functions is away: %s", reason);
    }
    hooks_run(lane->hooks);
}

void lane_init(struct lane *lane, struct hooks *hooks, const char *url, uint32_t timeout_ms)
{
    struct connection_options options = {
        .name = "hook",
        .url = url,
        .query_timeout_ms = timeout_ms + GRACE_MS,
        .is_pipelined = true,
        .is_quiet = true,
        .arg = lane,
        .on_open = on_open,
        .on_lost = on_lost,
    };
    *lane = (struct lane){.hooks = hooks, .connection = connection_new(hooks->loop, &options)};
}

bool lane_is_open(const struct lane *lane)
{
    return connection_is_open(lane->connection);
}

bool lane_can_follow(const struct lane *lane, const struct hook_function *function, uint64_t now_ms)
{
    bool is_quick = function->is_known && now_ms >= function->slow_until_ms;
    return lane->function == function && is_quick && lane->n_calls < MAX_CALLS &&
           now_ms - lane->since_ms < YOUNG_MS && lane_is_open(lane);
}

/* ---- calls ---- */

static void leave(struct lane *lane, struct hook_call *call)
{
    struct hook_function *function = lane->function;
    uint64_t now_ms = clock_ms();
    DL_DELETE(lane->calls, call);
    lane->n_calls--;
    function->is_known = true;
    if (now_ms - lane->since_ms > QUICK_MS) {
        function->slow_until_ms = now_ms + SLOW_MS;
    }
    lane->since_ms = now_ms;
    if (lane->n_calls == 0) {
        lane->function = NULL;
        function->n_lanes--;
    }
}

static void on_called(void *arg, const struct query_result *result)
{
    struct hook_call *call = arg;
    struct lane *lane = call->lane;
    assert(call == lane->calls);
    leave(lane, call);
    hooks_answered(lane->hooks, call, result);
}

void lane_send(struct lane *lane, struct hook_call *call)
{
    struct hooks *hooks = lane->hooks;
    if (lane->n_calls == 0) {
        lane->function = call->function;
        lane->function->n_lanes++;
        lane->since_ms = clock_ms();
    }
    assert(lane->function == call->function);
    call->stage = HOOK_STAGE_SENT;
    call->lane = lane;
    DL_APPEND(lane->calls, call);
    lane->n_calls++;
    connection_query_after(lane->connection, hooks->before, sql_of(call->kind), &call->params,
                           on_called, call);
}
