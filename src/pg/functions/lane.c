/* SPDX-License-Identifier: PostgreSQL */
/* A lane: one connection, and the calls on it.
 *
 * How a call is kept from taking too long. statement_timeout is set in the call's own transaction,
 * in a statement before it, because the server starts that clock when it parses the statement; and
 * local, so that it does not depend on what the session has been through, and holds behind a
 * pooler, too. A function can catch the cancel: against that the connection's deadline stands
 * (GRACE_MS later), which costs this connection and what is on it, nothing else.
 *
 * Calls of one function follow each other on the lane without waiting for answers. That is a
 * quarter more calls of a function that does nothing, and twice as many where Postgres is half a
 * millisecond away; twice the connections instead are only 1.6 times as many there.
 *
 * What a function leaves for the end of its transaction (deferred triggers) runs in a statement of
 * its own behind the call, as herald_hook and under the same clock: COMMIT has none. What defers
 * itself once more there meets the connection's deadline.
 *
 * What it leaves in the session (settings, temporary tables, locks, LISTEN, …) is met by calls of
 * the same function only: before a call of another one DISCARD ALL is sent. That costs 0.1 to 0.3
 * ms, as it makes the next call plan everything anew, so a function gets the lane it had before if
 * that is idle. What stays is memory that a procedural language shares within a session (%_SHARED
 * in PL/Perl, GD in PL/Python) and the seed of random(). Behind a pooler that changes sessions
 * between transactions none of this holds, and that is said. */
#include <assert.h>

#include "base/clock.h"
#include "base/hmac.h"
#include "base/log.h"
#include "pg/functions/internal.h"
#include "pg/functions/token.h"
#include "pg/rows.h"

enum {
    GRACE_MS = 500,  /* that the server has to answer after it has cancelled a call */
    MAX_CALLS = 4,   /* on a lane: so many keep it busy, and a slow one harms three at most */
    YOUNG_MS = 20,   /* behind a call that runs longer nobody is put */
    QUICK_MS = 20,   /* a function that took longer … */
    SLOW_MS = 10000, /* … is not trusted so long */
};

static const char call_sql[] = "SELECT herald.call_function($1, $2)";

/* ---- the connection ---- */

static void on_pid(void *arg, const struct query_result *result)
{
    struct lane *lane = arg;
    struct functions *functions = lane->functions;
    uint64_t pid = result->rows ? rows_u64(result->rows, 0, 0) : 0;
    if (pid != 0 && pid != (uint64_t)connection_backend_pid(lane->connection) &&
        !functions->has_said_pooled) {
        functions->has_said_pooled = true;
        log_warn("the connections for rules' functions go through a pooler. In its transaction "
                 "mode a function finds in its session what another owner's has left there: give "
                 "--hook-url the database itself, or a pool in session mode");
    }
}

static void on_open(void *arg)
{
    struct lane *lane = arg;
    lane->last = NULL;
    connection_settle(lane->connection);
    connection_query(lane->connection, "SELECT pg_catalog.pg_backend_pid()", NULL, on_pid, lane);
    functions_run(lane->functions);
}

/* What was on it has been answered, and sessions may have asked the next. */
static void on_lost(void *arg, const char *reason)
{
    struct lane *lane = arg;
    unsigned long long n_unsaid;
    if (complaint_is_due(&lane->functions->away, &n_unsaid)) {
        log_warn("no connection for rules' functions, which refuse meanwhile: %s. They run as role "
                 "herald_hook: it must be let in by pg_hba.conf, with a password of its own "
                 "(pgherald install --hook-password-file) or by --hook-url",
                 reason);
    }
    functions_run(lane->functions);
}

void lane_init(struct lane *lane, struct functions *functions)
{
    struct connection_options options = {
        .name = "hook",
        .url = functions->options.url,
        .user = functions->options.user,
        .query_timeout_ms = functions->options.timeout_ms + GRACE_MS,
        .is_pipelined = true,
        .is_quiet = true,
        .arg = lane,
        .on_open = on_open,
        .on_lost = on_lost,
    };
    *lane = (struct lane){.functions = functions,
                          .connection = connection_new(functions->loop, &options)};
}

void lane_set_timeout(struct lane *lane, uint32_t timeout_ms)
{
    connection_set_timeout(lane->connection, timeout_ms + GRACE_MS);
}

bool lane_is_open(const struct lane *lane)
{
    return connection_is_open(lane->connection);
}

bool lane_can_follow(const struct lane *lane, const struct function *function, uint64_t now_ms)
{
    bool is_quick = function->is_known && now_ms >= function->slow_until_ms;
    return lane->function == function && is_quick && lane->n_calls < MAX_CALLS &&
           now_ms - lane->since_ms < YOUNG_MS && lane_is_open(lane);
}

/* ---- calls ---- */

static void lane_leave(struct lane *lane, struct call *call)
{
    struct function *function = lane->function;
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
    struct call *call = arg;
    struct lane *lane = call->lane;
    assert(call == lane->calls);
    lane_leave(lane, call);
    functions_answered(lane->functions, call, result);
}

static void on_clean(void *arg, const struct query_result *result)
{
    struct lane *lane = arg;
    if (!result->is_lost && *result->sqlstate) {
        connection_drop(lane->connection, "DISCARD ALL failed"); /* a new session is clean */
    }
}

static void params_sign(const struct functions *functions, struct params *params)
{
    unsigned char signature[HMAC_SIZE];
    struct str key = {(const char *)functions->key, sizeof(functions->key)};
    hmac_sha256(key, params_last(params), signature);
    params_bytes(params, signature, sizeof(signature));
}

void lane_send(struct lane *lane, struct call *call)
{
    struct functions *functions = lane->functions;
    if (lane->last && lane->last != call->function) {
        connection_query(lane->connection, "DISCARD ALL", NULL, on_clean, lane);
    }
    lane->last = call->function;
    params_sign(functions, &call->params);
    if (lane->n_calls == 0) {
        lane->function = call->function;
        lane->function->n_lanes++;
        lane->since_ms = clock_ms();
    }
    assert(lane->function == call->function);
    call->stage = CALL_STAGE_SENT;
    call->lane = lane;
    DL_APPEND(lane->calls, call);
    lane->n_calls++;
    struct query_frame frame = {.before = functions->before, .behind = functions->behind};
    connection_query_framed(lane->connection, frame,
                            call->kind == CALL_KIND_TOKEN ? token_sql : call_sql, &call->params,
                            on_called, call);
}
