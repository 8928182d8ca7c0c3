/* SPDX-License-Identifier: PostgreSQL */
/* One list of conditions, in one order, for the handshake and for who asks why: a browser tells its
 * page nothing of a refused handshake but that there is no connection, and a second list would
 * drift from what really decides. Who asks takes no place and counts against no limit of
 * handshakes; but he may have a signature checked, so he has a limit of his own.
 *
 * What ends a session after its handshake (too many sessions of one user, a token that the database
 * refuses) is told by its error frame and its close code; nobody has to ask. */
#include "net/http/entrance.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/metrics.h"
#include "core/site.h"
#include "net/http/admission.h"
#include "net/http/handshake.h"
#include "net/http/refuse.h"
#include "net/http/respond.h"
#include "net/socket/socket.h"
#include "net/worker/worker.h"
#include "proto/http_query.h"

#define GRANTED METRIC_N_REFUSALS /* for no reason */

/* ---- the conditions ---- */

bool entrance_is_open(const struct worker *worker, unsigned *reason)
{
    const struct site_gate *gate = worker->gate;
    if (worker->is_stopping) {
        *reason = METRIC_REFUSAL_STOPPING;
    } else if (!gate || !gate->is_ready) {
        *reason = METRIC_REFUSAL_NOT_READY;
    } else if (!gate->is_enabled) {
        *reason = METRIC_REFUSAL_SWITCHED_OFF;
    } else {
        return true;
    }
    return false;
}

static void count_limit(const struct socket *socket, unsigned limit, bool is_asking)
{
    if (!is_asking) {
        metrics_count(socket->worker->counts, METRIC_LIMITS + limit);
    }
}

static unsigned judge_address(struct socket *socket, const struct http_head *head, bool is_asking)
{
    static const struct {
        unsigned refusal, limit;
    } reasons[2][2] = {
        {{METRIC_REFUSAL_ADDRESS_RATE, METRIC_LIMIT_ADDRESS_HANDSHAKES},
         {METRIC_REFUSAL_PROXY_RATE, METRIC_LIMIT_PROXY_HANDSHAKES}},
        {{METRIC_REFUSAL_ADDRESS_SESSIONS, METRIC_LIMIT_ADDRESS_SESSIONS},
         {METRIC_REFUSAL_PROXY_SESSIONS, METRIC_LIMIT_PROXY_SESSIONS}},
    };
    enum admission admission =
        is_asking ? admission_judge(socket, head) : admission_enter(socket, head);
    if (admission == ADMISSION_GRANTED) {
        return GRANTED;
    }
    unsigned is_sessions = admission == ADMISSION_SESSIONS, is_proxy = socket->is_proxy;
    count_limit(socket, reasons[is_sessions][is_proxy].limit, is_asking);
    return reasons[is_sessions][is_proxy].refusal;
}

static bool take_place(struct socket *socket)
{
    struct net_shared *shared = socket->worker->shared;
    if (atomic_fetch_add(&shared->n_sessions, 1) >=
        socket->worker->settings->options.max_sessions) {
        atomic_fetch_sub(&shared->n_sessions, 1);
        return false;
    }
    socket->is_counted = true;
    return true;
}

static void give_place(struct socket *socket)
{
    atomic_fetch_sub(&socket->worker->shared->n_sessions, 1);
    socket->is_counted = false;
}

static unsigned judge_place(struct socket *socket, bool is_asking)
{
    const struct net_shared *shared = socket->worker->shared;
    if (is_asking
            ? atomic_load(&shared->n_sessions) < socket->worker->settings->options.max_sessions
            : take_place(socket)) {
        return GRANTED;
    }
    admission_leave(socket);
    count_limit(socket, METRIC_LIMIT_SESSIONS, is_asking);
    return METRIC_REFUSAL_SESSIONS;
}

/* GRANTED, or for what it is refused. Granted to who does not only ask: he has his place. */
static unsigned judge(struct socket *socket, const struct http_head *head, bool is_asking)
{
    struct str canonical = {head->path.ptr + 4, head->path.len - 4}; /* behind /rt/ */
    const struct worker *worker = socket->worker;
    unsigned reason;
    if (head->is_1_0) {
        return METRIC_REFUSAL_NO_UPGRADE;
    }
    if (!entrance_is_open(worker, &reason)) {
        return reason;
    }
    if (!site_gate_has(worker->gate, canonical)) {
        return METRIC_REFUSAL_CANONICAL;
    }
    if (!admission_has_origin(worker->settings->options.limits.origins, head)) {
        return METRIC_REFUSAL_ORIGIN;
    }
    reason = judge_address(socket, head, is_asking);
    return reason == GRANTED ? judge_place(socket, is_asking) : reason;
}

/* ---- the handshake ---- */

/* The token is looked at last: who is turned away anyway costs no signature. */
struct command *entrance_upgrade(struct socket *socket, const struct http_head *head)
{
    const struct worker *worker = socket->worker;
    const struct net_options *options = &worker->settings->options;
    unsigned reason = judge(socket, head, false);
    if (reason != GRANTED) {
        refuse_request(socket, head, reason);
        return NULL;
    }
    struct command *open = handshake_command(options, worker->settings->metrics_token, head);
    if (open->why && options->rejects_invalid_tokens) {
        give_place(socket);
        admission_leave(socket);
        refuse_token(socket, head, open->why);
        command_free(open);
        return NULL;
    }
    struct buf bytes = {0};
    http_accept(&bytes, head, worker->hash);
    respond_upgrade(socket, &bytes);
    return open;
}

/* ---- why ---- */

bool entrance_is_why(const struct http_head *head)
{
    return http_query_has(head->query, "why");
}

static void say(struct socket *socket, const struct http_head *head, const char *code,
                const char *message)
{
    const char *node = socket->worker->settings->options.node;
    bool is_limit = strcmp(code, "rate_limited") == 0;
    struct buf json = {0};
    buf_literal(&json, "{\"code\":");
    buf_json_string(&json, str_of(code));
    buf_literal(&json, ",\"message\":");
    buf_json_string(&json, str_of(message));
    buf_literal(&json, ",\"node\":");
    buf_json_string(&json, str_of(node ? node : ""));
    buf_char(&json, '}');
    respond_json(socket, head, is_limit ? 429 : 200,
                 is_limit ? RESPOND_NO_STORE RESPOND_ANY_ORIGIN RESPOND_RETRY
                          : RESPOND_NO_STORE RESPOND_ANY_ORIGIN,
                 &json);
}

static void say_token(struct socket *socket, const struct http_head *head)
{
    const struct net_options *options = &socket->worker->settings->options;
    struct command *open =
        handshake_command(options, socket->worker->settings->metrics_token, head);
    if (!open->why) {
        say(socket, head, "none",
            open->payload.ptr ? "Nothing here would refuse you. Your token is checked when you are "
                                "connected."
                              : "Nothing here would refuse you.");
    } else {
        char *text = mem_printf("The token was not accepted: %s.%s", open->why,
                                options->rejects_invalid_tokens
                                    ? ""
                                    : " You would be connected, but as an anonymous client.");
        say(socket, head, error_code_name(open->error), text);
        free(text);
    }
    command_free(open);
}

/* The preflight: a page may not send Authorization elsewhere without having asked (CORS). */
static void allow_authorization(struct socket *socket, const struct http_head *head)
{
    respond(socket, head,
            &(struct http_answer){.status = 200,
                                  .extra_headers = RESPOND_ANY_ORIGIN
                                  "Access-Control-Allow-Methods: GET\r\n"
                                  "Access-Control-Allow-Headers: Authorization\r\n"
                                  "Access-Control-Max-Age: 86400\r\n"});
}

void entrance_tell_why(struct socket *socket, const struct http_head *head)
{
    if (str_equals(head->method, STR("OPTIONS"))) {
        allow_authorization(socket, head);
        return;
    }
    if (!admission_may_ask(socket, head)) {
        say(socket, head, "rate_limited", "You ask too often why: once a second is enough.");
        return;
    }
    unsigned reason = judge(socket, head, true);
    if (reason == GRANTED) {
        say_token(socket, head);
    } else {
        say(socket, head, refuse_code(reason), refuse_sentence(reason));
    }
}
