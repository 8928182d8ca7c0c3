/* SPDX-License-Identifier: PostgreSQL */
/* The functions of the owner, asked and answered: the seam, the pool's life, and time.
 *
 * A call has one timeout to get a place, and one to run once it has got it; so whoever asks hears
 * within two, whatever the functions do. What nobody waits for (leave, disconnect) may wait longer
 * for its place: a thousand sessions that go at once are no reason to forget what comes of it.
 *
 * The pool follows the main connection: as long as that serves, calls wait for a place even if none
 * of our connections is there yet; while it is away everything fails, but only at the next turn of
 * the loop. So what is asked in the same turn that brings the database back does not fail. */
#include "pg/functions/functions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/functions/internal.h"

enum {
    PATIENCE = 10, /* timeouts that a call may wait whose answer nobody waits for */
    TICK_MIN_MS = 5,
    TICK_MAX_MS = 100,
};

bool functions_is_idle(const struct functions *functions)
{
    return functions->n_waiting == 0 && functions->n_running == 0 && !functions->refused;
}

static void note_idle(struct functions *functions)
{
    if (functions->is_draining && functions_is_idle(functions)) {
        loop_timer_start(functions->soon_timer, 0, 0);
    }
}

/* ---- sending and answering ---- */

void functions_run(struct functions *functions)
{
    struct lane *lane;
    struct call *call;
    while (functions->is_started && functions->has_key &&
           (call = call_queue_next(functions, &lane)) != NULL) {
        functions->n_running++;
        lane_send(lane, call);
    }
}

void functions_answered(struct functions *functions, struct call *call,
                        const struct query_result *result)
{
    functions->n_running--;
    call_queue_end(functions, call);
    functions_run(functions); /* before the answer: it may take a while to work it off */
    call_answer(call, result);
    functions_run(functions);
    note_idle(functions);
}

/* ---- failing ---- */

static void fail_waiting(struct functions *functions, struct call *call)
{
    call_queue_remove(functions, call);
    call_queue_end(functions, call);
    call_fail(call);
}

static void fail_all_waiting(struct functions *functions)
{
    while (functions->impatient || functions->patient) {
        fail_waiting(functions, functions->impatient ? functions->impatient : functions->patient);
    }
}

static void fail_refused(struct functions *functions)
{
    while (functions->refused) {
        struct call *call = functions->refused;
        DL_DELETE(functions->refused, call);
        call_fail(call);
    }
}

static void calls_fail_old(struct functions *functions, struct call **line, uint64_t age_ms)
{
    uint64_t now_ms = clock_ms();
    while (*line && now_ms - (*line)->asked_ms >= age_ms) {
        call_complain(*line, "", "no connection was free for it in time");
        fail_waiting(functions, *line);
    }
}

static void on_tick(void *arg)
{
    struct functions *functions = arg;
    uint64_t timeout_ms = functions->options.timeout_ms;
    calls_fail_old(functions, &functions->impatient, timeout_ms);
    calls_fail_old(functions, &functions->patient, timeout_ms * PATIENCE);
    functions_run(functions);
    if (functions->n_waiting == 0) {
        functions->is_ticking = false;
        loop_timer_stop(functions->tick_timer);
    }
    note_idle(functions);
}

static void on_soon(void *arg)
{
    struct functions *functions = arg;
    fail_refused(functions);
    if (!functions->is_started) {
        fail_all_waiting(functions);
    }
    if (functions->is_draining && functions_is_idle(functions)) {
        functions->options.on_idle(functions->options.arg);
    }
}

/* ---- asking ---- */

static void call_refuse(struct functions *functions, struct call *call)
{
    params_release(&call->params);
    DL_APPEND(functions->refused, call);
    loop_timer_start(functions->soon_timer, 0, 0);
}

void functions_measure(struct functions *functions)
{
    metrics_set(functions->options.counts, METRIC_HOOKS_WAITING, functions->n_waiting);
    metrics_set(functions->options.counts, METRIC_HOOKS_RUNNING, functions->n_running);
}

static bool is_crowded(struct functions *functions, const struct call *call)
{
    unsigned long long n_unsaid;
    bool is = functions->n_waiting >= FUNCTIONS_MAX_WAITING ||
              functions->waiting_bytes + call->bytes > FUNCTIONS_MAX_WAITING_BYTES;
    if (is && complaint_is_due(&functions->crowded, &n_unsaid)) {
        log_warn("the rules' functions are too slow for what is asked of them: %zu calls wait, "
                 "more are refused (and %llu were before)",
                 functions->n_waiting, n_unsaid);
    }
    return is;
}

static void start_ticking(struct functions *functions)
{
    if (!functions->is_ticking) {
        uint64_t tick_ms = functions->options.timeout_ms / 4;
        tick_ms = tick_ms < TICK_MIN_MS   ? TICK_MIN_MS
                  : tick_ms > TICK_MAX_MS ? TICK_MAX_MS
                                          : tick_ms;
        functions->is_ticking = true;
        loop_timer_start(functions->tick_timer, tick_ms, tick_ms);
    }
}

static void connect_lanes(struct functions *functions)
{
    for (size_t i = 0; i < functions->n_lanes; i++) {
        connection_start(functions->lanes[i].connection);
    }
}

static void call_ask(struct functions *functions, struct call *call, struct session_id queue)
{
    if (!functions->is_used && !functions->is_stopped) {
        functions->is_used = true;
        if (functions->is_started) {
            connect_lanes(functions);
        }
    }
    call->counts = functions->options.counts;
    call->number = ++functions->n_asked;
    call->asked_ms = clock_ms();
    call->bytes = sizeof(*call) + call->params.bytes.len;
    if (functions->is_stopped || is_crowded(functions, call)) {
        call_refuse(functions, call);
        return;
    }
    call_queue_add(functions, call, queue);
    if (functions->is_started) {
        functions_run(functions);
    } else {
        loop_timer_start(functions->soon_timer, 0, 0);
    }
    if (functions->n_waiting > 0) {
        start_ticking(functions);
    }
}

/* The first parameter of herald.call_function(); the second, the signature over it, is made when it
 * is sent: there may be no key yet. */
static void params_call(struct params *params, const struct str *parts, size_t n)
{
    params_array_begin(params, n);
    for (size_t i = 0; i < n; i++) {
        params_array_add(params, parts[i]);
    }
    params_array_end(params);
}

static struct str kind_of_action(struct str action)
{
    static const struct {
        const char *action, *kind;
    } kinds[] = {
        {"join", "on_join"},       {"message", "on_message"},       {"leave", "on_leave"},
        {"connect", "on_connect"}, {"disconnect", "on_disconnect"},
    };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        if (str_equals(action, str_of(kinds[i].action))) {
            return str_of(kinds[i].kind);
        }
    }
    return STR("none"); /* refused there by name */
}

static void functions_call(void *ctx, const struct store_call *call, store_verdict_fn *done,
                           void *arg)
{
    struct functions *functions = ctx;
    struct call *asked = mem_zalloc(sizeof(*asked));
    asked->function = functions_named(functions, call->function);
    asked->on_verdict = done;
    asked->arg = arg;
    if (call->kind == STORE_CALL_AUTHORIZE) {
        const struct str parts[] = {call->function, STR("authorize"), call->channel, call->client,
                                    call->action};
        asked->kind = CALL_KIND_AUTHORIZE;
        params_call(&asked->params, parts, sizeof(parts) / sizeof(*parts));
    } else {
        const struct str parts[] = {call->function,
                                    kind_of_action(call->action),
                                    call->action,
                                    call->channel,
                                    call->client,
                                    call->options,
                                    call->payload.ptr ? call->payload : STR("null")};
        asked->kind = CALL_KIND_ON_ACTION;
        params_call(&asked->params, parts, sizeof(parts) / sizeof(*parts));
    }
    call_ask(functions, asked, call->queue);
}

/* What is no text for Postgres cannot be a token that it knows. */
static bool is_text(struct str token)
{
    return token.ptr && !memchr(token.ptr, 0, token.len) && str_is_utf8(token);
}

static void functions_check_token(void *ctx, struct str token, store_token_fn *done, void *arg)
{
    struct functions *functions = ctx;
    struct call *asked = mem_zalloc(sizeof(*asked));
    asked->kind = CALL_KIND_TOKEN;
    asked->on_token = done;
    asked->arg = arg;
    if (!functions->token_function || !is_text(token)) {
        asked->error = ERROR_CODE_TOKEN_INVALID;
        call_refuse(functions, asked);
        return;
    }
    struct str function = str_of(functions->token_function);
    asked->error = ERROR_CODE_UNAVAILABLE;
    asked->function = functions_named(functions, function);
    const struct str parts[] = {function, STR("token"), token};
    params_call(&asked->params, parts, sizeof(parts) / sizeof(*parts));
    call_ask(functions, asked, (struct session_id){0});
}

struct store_functions functions_seam(struct functions *functions)
{
    return (struct store_functions){
        .ctx = functions, .call = functions_call, .check_token = functions_check_token};
}

/* ---- life ---- */

static void write_prologue(struct functions *functions)
{
    snprintf(functions->prologue, sizeof(functions->prologue),
             "SELECT pg_catalog.set_config('statement_timeout', '%u', true),"
             " pg_catalog.set_config('client_min_messages', 'error', true)%s",
             (unsigned)functions->options.timeout_ms,
             functions->options.is_trial
                 ? ", pg_catalog.set_config('transaction_read_only', 'on', true)"
                 : "");
}

void functions_set_timeout(struct functions *functions, uint32_t timeout_ms)
{
    functions->options.timeout_ms = timeout_ms;
    write_prologue(functions);
    for (size_t i = 0; i < functions->n_lanes; i++) {
        lane_set_timeout(&functions->lanes[i], timeout_ms);
    }
}

struct functions *functions_new(struct loop *loop, const struct functions_options *options)
{
    struct functions *functions = mem_zalloc(sizeof(*functions));
    functions->loop = loop;
    functions->options = *options;
    if (options->token_function) {
        bool has_types = strchr(options->token_function, '(') != NULL;
        functions->token_function =
            mem_printf("%s%s", options->token_function, has_types ? "" : "(text)");
    }
    write_prologue(functions);
    functions->before[0] = functions->prologue;
    functions->behind[0] = options->is_trial ? "ROLLBACK" : "SET CONSTRAINTS ALL IMMEDIATE";
    functions->soon_timer = loop_timer_new(loop, on_soon, functions);
    functions->tick_timer = loop_timer_new(loop, on_tick, functions);
    functions->n_lanes = options->n_connections > 0 ? options->n_connections : 1;
    functions->lanes = mem_array(NULL, functions->n_lanes, sizeof(*functions->lanes));
    for (size_t i = 0; i < functions->n_lanes; i++) {
        lane_init(&functions->lanes[i], functions);
    }
    return functions;
}

void functions_start(struct functions *functions)
{
    if (functions->is_stopped) {
        return;
    }
    functions->is_started = true;
    if (functions->is_used) {
        connect_lanes(functions);
    }
}

void functions_set_key(struct functions *functions, struct str key)
{
    functions->has_key = key.len == sizeof(functions->key);
    if (functions->has_key) {
        memcpy(functions->key, key.ptr, sizeof(functions->key));
    } else {
        log_error("the key for calls of rules' functions has %zu bytes, not %zu: they refuse until "
                  "herald.renew_signing_key() was called and the server started again",
                  key.len, sizeof(functions->key));
    }
    functions_run(functions);
}

void functions_pause(struct functions *functions)
{
    functions->is_started = false;
    for (size_t i = 0; i < functions->n_lanes; i++) {
        connection_stop(functions->lanes[i].connection);
    }
    if (!functions->is_stopped) {
        loop_timer_start(functions->soon_timer, 0, 0);
    }
}

void functions_drain(struct functions *functions)
{
    functions->is_draining = true;
    loop_timer_start(functions->soon_timer, 0, 0);
}

void functions_stop(struct functions *functions)
{
    functions->is_stopped = true;
    functions->is_draining = false;
    functions_pause(functions);
    /* The callback of one may ask the next; a session has a bounded number of commands in hand. */
    while (!functions_is_idle(functions)) {
        fail_all_waiting(functions);
        fail_refused(functions);
    }
}

static void free_functions(struct functions *functions)
{
    struct function *function;
    struct function *next;
    HASH_ITER(hh, functions->by_name, function, next)
    {
        HASH_DEL(functions->by_name, function);
        free(function);
    }
}

void functions_free(struct functions *functions)
{
    if (!functions) {
        return;
    }
    functions_stop(functions);
    for (size_t i = 0; i < functions->n_lanes; i++) {
        connection_free(functions->lanes[i].connection);
    }
    free_functions(functions);
    loop_timer_free(functions->soon_timer);
    loop_timer_free(functions->tick_timer);
    free(functions->lanes);
    free(functions->token_function);
    explicit_bzero(functions->key, sizeof(functions->key));
    free(functions);
}
