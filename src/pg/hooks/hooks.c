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
#include "pg/hooks/hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/hooks/internal.h"

enum {
    PATIENCE = 10, /* timeouts that a call may wait whose answer nobody waits for */
    TICK_MIN_MS = 5,
    TICK_MAX_MS = 100,
};

bool hooks_is_idle(const struct hooks *hooks)
{
    return hooks->n_waiting == 0 && hooks->n_running == 0 && !hooks->refused;
}

static void note_idle(struct hooks *hooks)
{
    if (hooks->is_draining && hooks_is_idle(hooks)) {
        loop_timer_start(hooks->soon_timer, 0, 0);
    }
}

/* ---- sending and answering ---- */

void hooks_run(struct hooks *hooks)
{
    struct lane *lane;
    struct hook_call *call;
    while (hooks->is_started && hooks->has_key && (call = hook_queue_next(hooks, &lane)) != NULL) {
        hooks->n_running++;
        lane_send(lane, call);
    }
}

void hooks_answered(struct hooks *hooks, struct hook_call *call, const struct query_result *result)
{
    hooks->n_running--;
    hook_queue_end(hooks, call);
    hooks_run(hooks); /* before the answer: it may take a while to work it off */
    hook_answer(call, result);
    hooks_run(hooks);
    note_idle(hooks);
}

/* ---- failing ---- */

static void fail_waiting(struct hooks *hooks, struct hook_call *call)
{
    hook_queue_remove(hooks, call);
    hook_queue_end(hooks, call);
    hook_fail(call);
}

static void fail_all_waiting(struct hooks *hooks)
{
    while (hooks->impatient || hooks->patient) {
        fail_waiting(hooks, hooks->impatient ? hooks->impatient : hooks->patient);
    }
}

static void fail_refused(struct hooks *hooks)
{
    while (hooks->refused) {
        struct hook_call *call = hooks->refused;
        DL_DELETE(hooks->refused, call);
        hook_fail(call);
    }
}

static void fail_old(struct hooks *hooks, struct hook_call **line, uint64_t age_ms)
{
    uint64_t now_ms = clock_ms();
    while (*line && now_ms - (*line)->asked_ms >= age_ms) {
        hook_complain(*line, "", "no connection was free for it in time");
        fail_waiting(hooks, *line);
    }
}

static void on_tick(void *arg)
{
    struct hooks *hooks = arg;
    uint64_t timeout_ms = hooks->options.timeout_ms;
    fail_old(hooks, &hooks->impatient, timeout_ms);
    fail_old(hooks, &hooks->patient, timeout_ms * PATIENCE);
    hooks_run(hooks);
    if (hooks->n_waiting == 0) {
        hooks->is_ticking = false;
        loop_timer_stop(hooks->tick_timer);
    }
    note_idle(hooks);
}

static void on_soon(void *arg)
{
    struct hooks *hooks = arg;
    fail_refused(hooks);
    if (!hooks->is_started) {
        fail_all_waiting(hooks);
    }
    if (hooks->is_draining && hooks_is_idle(hooks)) {
        hooks->options.on_idle(hooks->options.arg);
    }
}

/* ---- asking ---- */

static void refuse(struct hooks *hooks, struct hook_call *call)
{
    params_release(&call->params);
    DL_APPEND(hooks->refused, call);
    loop_timer_start(hooks->soon_timer, 0, 0);
}

void hooks_measure(struct hooks *hooks)
{
    metrics_set(hooks->options.counts, METRIC_HOOKS_WAITING, hooks->n_waiting);
    metrics_set(hooks->options.counts, METRIC_HOOKS_RUNNING, hooks->n_running);
}

static bool is_crowded(struct hooks *hooks, const struct hook_call *call)
{
    unsigned long long n_unsaid;
    bool is = hooks->n_waiting >= HOOKS_MAX_WAITING ||
              hooks->waiting_bytes + call->bytes > HOOKS_MAX_WAITING_BYTES;
    if (is && hook_may_complain(&hooks->crowded, &n_unsaid)) {
        log_warn("the rules' functions are too slow for what is asked of them: %zu calls wait, "
                 "more are refused (and %llu were before)",
                 hooks->n_waiting, n_unsaid);
    }
    return is;
}

static void start_ticking(struct hooks *hooks)
{
    if (!hooks->is_ticking) {
        uint64_t tick_ms = hooks->options.timeout_ms / 4;
        tick_ms = tick_ms < TICK_MIN_MS   ? TICK_MIN_MS
                  : tick_ms > TICK_MAX_MS ? TICK_MAX_MS
                                          : tick_ms;
        hooks->is_ticking = true;
        loop_timer_start(hooks->tick_timer, tick_ms, tick_ms);
    }
}

static void connect_lanes(struct hooks *hooks)
{
    for (size_t i = 0; i < hooks->n_lanes; i++) {
        connection_start(hooks->lanes[i].connection);
    }
}

static void ask(struct hooks *hooks, struct hook_call *call, struct session_id order)
{
    if (!hooks->is_used && !hooks->is_stopped) {
        hooks->is_used = true;
        if (hooks->is_started) {
            connect_lanes(hooks);
        }
    }
    call->counts = hooks->options.counts;
    call->number = ++hooks->n_asked;
    call->asked_ms = clock_ms();
    call->bytes = sizeof(*call) + call->params.bytes.len;
    if (hooks->is_stopped || is_crowded(hooks, call)) {
        refuse(hooks, call);
        return;
    }
    hook_queue_add(hooks, call, order);
    if (hooks->is_started) {
        hooks_run(hooks);
    } else {
        loop_timer_start(hooks->soon_timer, 0, 0);
    }
    if (hooks->n_waiting > 0) {
        start_ticking(hooks);
    }
}

/* The first parameter of herald.call_function(); the second, the signature over it, is made when it
 * is sent: there may be no key yet. */
static void add_call(struct params *params, const struct str *parts, size_t n)
{
    params_array_begin(params, n);
    for (size_t i = 0; i < n; i++) {
        params_array_add(params, parts[i]);
    }
    params_array_end(params);
}

static struct str kind_of_trigger(struct str action)
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

void hooks_call(struct hooks *hooks, const struct store_call *call, store_verdict_fn *done,
                void *arg)
{
    struct hook_call *asked = mem_zalloc(sizeof(*asked));
    asked->function = hook_queue_function(hooks, call->function);
    asked->called = done;
    asked->arg = arg;
    if (call->kind == STORE_CALL_AUTHORIZE) {
        const struct str parts[] = {call->function, STR("authorize"), call->channel, call->client,
                                    call->action};
        asked->kind = HOOK_KIND_AUTHORIZE;
        add_call(&asked->params, parts, sizeof(parts) / sizeof(*parts));
    } else {
        const struct str parts[] = {call->function,
                                    kind_of_trigger(call->action),
                                    call->action,
                                    call->channel,
                                    call->client,
                                    call->options,
                                    call->payload.ptr ? call->payload : STR("null")};
        asked->kind = HOOK_KIND_TRIGGER;
        add_call(&asked->params, parts, sizeof(parts) / sizeof(*parts));
    }
    ask(hooks, asked, call->queue);
}

/* What is no text for Postgres cannot be a token that it knows. */
static bool is_text(struct str token)
{
    return token.ptr && !memchr(token.ptr, 0, token.len) && str_is_utf8(token);
}

void hooks_check_token(struct hooks *hooks, struct str token, store_token_fn *done, void *arg)
{
    struct hook_call *asked = mem_zalloc(sizeof(*asked));
    asked->kind = HOOK_KIND_TOKEN;
    asked->checked = done;
    asked->arg = arg;
    if (!hooks->token_function || !is_text(token)) {
        asked->error = ERROR_CODE_TOKEN_INVALID;
        refuse(hooks, asked);
        return;
    }
    struct str function = str_of(hooks->token_function);
    asked->error = ERROR_CODE_UNAVAILABLE;
    asked->function = hook_queue_function(hooks, function);
    const struct str parts[] = {function, STR("token"), token};
    add_call(&asked->params, parts, sizeof(parts) / sizeof(*parts));
    ask(hooks, asked, (struct session_id){0});
}

/* ---- life ---- */

struct hooks *hooks_new(struct loop *loop, const struct hooks_options *options)
{
    struct hooks *hooks = mem_zalloc(sizeof(*hooks));
    hooks->loop = loop;
    hooks->options = *options;
    if (options->token_function) {
        bool has_types = strchr(options->token_function, '(') != NULL;
        hooks->token_function =
            mem_printf("%s%s", options->token_function, has_types ? "" : "(text)");
    }
    snprintf(hooks->prologue, sizeof(hooks->prologue),
             "SELECT pg_catalog.set_config('statement_timeout', '%u', true),"
             " pg_catalog.set_config('client_min_messages', 'error', true)",
             (unsigned)options->timeout_ms);
    hooks->before[0] = hooks->prologue;
    hooks->behind[0] = "SET CONSTRAINTS ALL IMMEDIATE";
    hooks->soon_timer = loop_timer_new(loop, on_soon, hooks);
    hooks->tick_timer = loop_timer_new(loop, on_tick, hooks);
    hooks->n_lanes = options->n_connections > 0 ? options->n_connections : 1;
    hooks->lanes = mem_array(NULL, hooks->n_lanes, sizeof(*hooks->lanes));
    for (size_t i = 0; i < hooks->n_lanes; i++) {
        lane_init(&hooks->lanes[i], hooks);
    }
    return hooks;
}

void hooks_start(struct hooks *hooks)
{
    if (hooks->is_stopped) {
        return;
    }
    hooks->is_started = true;
    if (hooks->is_used) {
        connect_lanes(hooks);
    }
}

void hooks_set_key(struct hooks *hooks, struct str key)
{
    hooks->has_key = key.len == sizeof(hooks->key);
    if (hooks->has_key) {
        memcpy(hooks->key, key.ptr, sizeof(hooks->key));
    } else {
        log_error("the key for calls of rules' functions has %zu bytes, not %zu: they refuse until "
                  "herald.renew_signing_key() was called and the server started again",
                  key.len, sizeof(hooks->key));
    }
    hooks_run(hooks);
}

void hooks_pause(struct hooks *hooks)
{
    hooks->is_started = false;
    for (size_t i = 0; i < hooks->n_lanes; i++) {
        connection_stop(hooks->lanes[i].connection);
    }
    if (!hooks->is_stopped) {
        loop_timer_start(hooks->soon_timer, 0, 0);
    }
}

void hooks_drain(struct hooks *hooks)
{
    hooks->is_draining = true;
    loop_timer_start(hooks->soon_timer, 0, 0);
}

void hooks_stop(struct hooks *hooks)
{
    hooks->is_stopped = true;
    hooks->is_draining = false;
    hooks_pause(hooks);
    /* The callback of one may ask the next; a session has a bounded number of commands in hand. */
    while (!hooks_is_idle(hooks)) {
        fail_all_waiting(hooks);
        fail_refused(hooks);
    }
}

static void free_functions(struct hooks *hooks)
{
    struct hook_function *function;
    struct hook_function *next;
    HASH_ITER(hh, hooks->functions, function, next)
    {
        HASH_DEL(hooks->functions, function);
        free(function);
    }
}

void hooks_free(struct hooks *hooks)
{
    if (!hooks) {
        return;
    }
    hooks_stop(hooks);
    for (size_t i = 0; i < hooks->n_lanes; i++) {
        connection_free(hooks->lanes[i].connection);
    }
    free_functions(hooks);
    loop_timer_free(hooks->soon_timer);
    loop_timer_free(hooks->tick_timer);
    free(hooks->lanes);
    free(hooks->token_function);
    explicit_bzero(hooks->key, sizeof(hooks->key));
    free(hooks);
}
