/* SPDX-License-Identifier: PostgreSQL */
/* The worker has checked what a token of its own says; an opaque one is the database's to judge. The
 * session is there meanwhile, and what it says is held. It is welcomed when it is clear who it is:
 * then it counts as one of its user's, takes up what a dropped session of the same user left, and
 * on_connect is told. */
#include "core/hub/open.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/close_code.h"
#include "core/hub/function.h"
#include "core/hub/ground/say.h"
#include "core/hub/ground/users.h"
#include "core/hub/membership.h"
#include "core/hub/nodes/private.h"
#include "core/hub/presence/grace.h"
#include "core/hub/presence/presence.h"
#include "core/hub/resume/replay.h"
#include "core/hub/snapshot/snapshot.h"

enum { ON_CONNECT, ON_DISCONNECT };

static const char *function_of(const struct rule *rule, int which)
{
    return which == ON_CONNECT ? rule->on_connect : rule->on_disconnect;
}

/* Sessions belong to no rule, so each function that any rule names is told once. */
static void tell_rules(struct hub *hub, const struct session *session, int which)
{
    const struct site *site = hub->site;
    for (size_t i = 0; i < site->n_rules; i++) {
        const char *function = function_of(&site->rules[i], which);
        bool is_told = false;
        for (size_t k = 0; function && k < i && !is_told; k++) {
            const char *other = function_of(&site->rules[k], which);
            is_told = other && strcmp(other, function) == 0;
        }
        if (function && !is_told) {
            function_tell(hub, session, function, which == ON_CONNECT ? "connect" : "disconnect",
                          (struct str){0});
        }
    }
}

/* Who it is has become clear. */
static void welcome(struct hub *hub, struct session *session)
{
    if (!user_take(hub, session)) {
        say_count(hub, METRIC_LIMITS + METRIC_LIMIT_USER_SESSIONS);
        say_error(hub, session, (struct str){0}, ERROR_CODE_RATE_LIMITED,
                  "You have too many sessions.");
        say_close(hub, session, CLOSE_CODE_POLICY, "too many sessions of this user");
        return;
    }
    session->is_welcome = true;
    grace_adopt(hub, session);
    tell_rules(hub, session, ON_CONNECT);
}

static void take_token(struct hub *hub, struct session *session, const struct store_token *token)
{
    bool is_unavailable = token->error == ERROR_CODE_UNAVAILABLE;
    if (token->identity) {
        session->identity = identity_ref(token->identity);
        hub->transport->identify(hub->transport->ctx, session->id, session->identity);
    } else if (hub->options.rejects_invalid_tokens) {
        say_error(hub, session, (struct str){0}, token->error, NULL);
        say_close(hub, session, is_unavailable ? CLOSE_CODE_TRY_AGAIN : CLOSE_CODE_UNAUTHORIZED,
                  is_unavailable ? "the token could not be checked" : "the token was not accepted");
        return;
    } else {
        session->token_error = token->error;
        session->token_why = is_unavailable ? "it could not be checked" : "the database refused it";
    }
    welcome(hub, session);
}

static void on_token(void *arg, const struct store_token *token)
{
    struct asker *asker = arg;
    struct hub *hub = asker->hub;
    struct session *session = session_table_find(&hub->sessions, asker->session);
    free(asker);
    if (session) {
        if (!session->is_closing) {
            take_token(hub, session, token);
        }
        session_end_wait(&hub->sessions, session);
    }
}

void open_handle(struct hub *hub, const struct command *command)
{
    struct session *session = session_table_open(&hub->sessions, command->session);
    session->identity = identity_ref(command->identity);
    session->is_operator = command->is_operator;
    session->token_why = command->why;
    session->token_error = command->error;
    if (!command->payload.ptr) {
        welcome(hub, session);
        return;
    }
    struct asker *asker = mem_alloc(sizeof(*asker));
    *asker = (struct asker){hub, session->id};
    session->wait = SESSION_WAIT_TOKEN;
    hub->store->functions.check_token(hub->store->functions.ctx, command->payload, on_token, asker);
}

void open_write_refusal(char out[OPEN_REFUSAL_SIZE], enum error_code code, const char *why)
{
    const char *text = error_code_text(code);
    snprintf(out, OPEN_REFUSAL_SIZE, "%.*s: %s.", (int)(strlen(text) - 1), text, why);
}

static void leave_lists(struct hub *hub, struct session *session)
{
    presence_end_arrival(hub, session);
    if (session->is_closing) { /* told to go: nobody waits for it */
        presence_leave_all(hub, session);
        grace_end(hub, session);
    } else {
        grace_keep(hub, session);
    }
}

/* Of its subscriptions, which may be several on one channel. */
static bool is_last_of_channel(const struct session *session, uint32_t i)
{
    for (uint32_t k = i + 1; k < session->n_subscriptions; k++) {
        if (session->subscriptions[k].channel == session->subscriptions[i].channel) {
            return false;
        }
    }
    return true;
}

void close_handle(struct hub *hub, struct session *session)
{
    leave_lists(hub, session);
    replay_end(hub, session);
    snapshot_end(session);
    private_drop(hub, session);
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        const struct subscription *in = &session->subscriptions[i];
        const struct rule *rule = in->channel->rule;
        if (in->is_joined && is_last_of_channel(session, i) && rule && rule->on_leave) {
            function_tell(hub, session, rule->on_leave, "leave", channel_name(in->channel));
        }
        /* The worker has dropped a closed socket's subscriptions itself: nothing to detach. */
        membership_forget(hub, session, *in);
    }
    if (session->is_welcome) {
        tell_rules(hub, session, ON_DISCONNECT);
    }
    user_give(hub, session);
    session_table_close(&hub->sessions, session);
}
