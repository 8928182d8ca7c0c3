/* SPDX-License-Identifier: PostgreSQL */
/* Who joins is asked for permission first, in this order: the rule's on_join function (not for one
 * that is in already), the rule's flags, its authorize function. A join that had to wait is handled
 * again from the top, so each of these is looked at as it is then. What a join is answered is
 * answer.c's. */
#include "core/hub/join.h"

#include <stdio.h>
#include <string.h>

#include "core/hub/answer.h"
#include "core/hub/authorize.h"
#include "core/hub/function.h"
#include "core/hub/ground/access.h"
#include "core/hub/ground/say.h"
#include "core/hub/membership.h"
#include "core/hub/presence/presence.h"

/* Why its token was not accepted is told once, where its owner will look. */
static void tell_token_error(struct hub *hub, struct session *session, struct str channel)
{
    char text[200];
    if (!session->token_why) {
        return;
    }
    snprintf(text, sizeof(text), "%.*s: %s.",
             (int)(strlen(error_code_text(session->token_error)) - 1),
             error_code_text(session->token_error), session->token_why);
    say_error_text(hub, session, channel, session->token_error, text);
    session->token_why = NULL;
}

/* False: it is refused, and told so. */
static bool join_is_allowed(struct hub *hub, struct session *session, const struct command *command,
                            const struct rule *rule, bool is_member)
{
    const struct hub_options *options = &hub->options;
    enum error_code code;
    if (!access_may_join(rule, session->identity, &code)) {
        say_error(hub, session, command->channel, code);
        return false;
    }
    if (!is_member && session->n_subscriptions >= hub->options.max_channels) {
        say_count(hub, METRIC_LIMITS + METRIC_LIMIT_SESSION_CHANNELS);
        say_error(hub, session, command->channel, ERROR_CODE_TOO_MANY_CHANNELS);
        return false;
    }
    const struct channel *channel = channel_find(&hub->channels, command->channel);
    if (!channel && options->max_open_channels > 0 &&
        HASH_COUNT(hub->channels.by_name) >= options->max_open_channels) {
        say_count(hub, METRIC_LIMITS + METRIC_LIMIT_CHANNELS);
        say_error(hub, session, command->channel, ERROR_CODE_UNAVAILABLE);
        return false;
    }
    if (channel && !is_member && options->max_channel_members > 0 &&
        channel->roster->n >= options->max_channel_members) {
        say_count(hub, METRIC_LIMITS + METRIC_LIMIT_CHANNEL_MEMBERS);
        say_error(hub, session, command->channel, ERROR_CODE_CHANNEL_FULL);
        return false;
    }
    return true;
}

/* The permissions are there: into the list, then into the channel. */
static bool join_enter(struct hub *hub, struct session *session, const struct command *command,
                       const struct rule *rule)
{
    struct question question = question_of_join(hub, command, rule);
    if (question.read.kind != STORE_READ_HEAD && session_awaits_appends(session)) {
        return false;
    }
    struct channel *channel = channel_open(&hub->channels, command->channel);
    const struct subscription *in = session_in(session, channel);
    channel->rule = rule;
    if (rule->presence && !in && !session->arriving) {
        session->arriving = presence_arrive(hub, session, channel);
    }
    const struct member *entry = in ? in->member : session->arriving;
    if (entry && presence_is_arriving(entry) && command->wants_presence) {
        session->wait = SESSION_WAIT_PRESENCE;
        return false;
    }
    answer_join(hub, session, channel, question);
    return true;
}

static bool join_try(struct hub *hub, struct session *session, const struct command *command)
{
    const struct rule *rule = site_rule(hub->site, command->channel);
    const struct channel *channel = channel_find(&hub->channels, command->channel);
    bool is_member = channel && session_in(session, channel);
    tell_token_error(hub, session, command->channel);
    if (!rule) {
        say_error(hub, session, command->channel, ERROR_CODE_NO_CHANNEL);
        return true;
    }
    if (rule->on_join && !is_member && !command->has_function_passed) {
        function_ask(hub, session, command, rule->on_join);
        return false;
    }
    if (!join_is_allowed(hub, session, command, rule, is_member)) {
        return true;
    }
    enum judged judged = authorize_command(hub, session, command, rule);
    if (judged != JUDGED_ALLOWED) {
        return judged == JUDGED_ANSWERED;
    }
    return join_enter(hub, session, command, rule);
}

bool join_handle(struct hub *hub, struct session *session, const struct command *command)
{
    if (!join_try(hub, session, command)) {
        return false;
    }
    presence_end_arrival(hub, session); /* it was refused after it had waited in the list */
    return true;
}

bool history_handle(struct hub *hub, struct session *session, const struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    if (!channel || !session_in(session, channel)) {
        say_error(hub, session, command->channel, ERROR_CODE_NOT_JOINED);
        return true;
    }
    /* Private messages are never kept, so a client's own history (socketId) is always empty. */
    if (!channel->rule || channel->rule->message_history == 0 || command->socket_id.ptr) {
        answer_empty_history(hub, session, command->channel);
        return true;
    }
    if (session_awaits_appends(session)) {
        return false;
    }
    answer_history(hub, session, channel);
    return true;
}

void leave_handle(struct hub *hub, struct session *session, const struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    if (!channel || !session_in(session, channel)) {
        say_error(hub, session, command->channel, ERROR_CODE_NOT_JOINED);
        return;
    }
    membership_detach(hub, session, channel);
    say_frame(hub, session, hub->protocol->left(command->channel));
}
