/* SPDX-License-Identifier: PostgreSQL */
/* Who joins is asked for permission first, in this order: the rule's on_join function (not for one
 * that is in already), the rule's flags, its authorize function. A join that had to wait is handled
 * again from the top, so each of these is looked at as it is then. What a join is answered is
 * answer.c's. */
#include "core/hub/join.h"

#include "core/hub/answer.h"
#include "core/hub/authorize.h"
#include "core/hub/function.h"
#include "core/hub/ground/access.h"
#include "core/hub/ground/say.h"
#include "core/hub/live/sight.h"
#include "core/hub/live/view.h"
#include "core/hub/membership.h"
#include "core/hub/open.h"
#include "core/hub/presence/presence.h"
#include "core/hub/snapshot/snapshot.h"
#include "core/hub/snapshot/wish.h"

enum {
    VIEWS_MAX = 16,         /* of a session on a channel */
    RESIDUE_MAX = 64,       /* views of a channel that no index finds */
    RESIDUE_ANONYMOUS = 32, /* so many may be there for who has no name to open another one */
    RESIDUE_OF_SESSION = 4, /* on a channel */
};

/* Why its token was not accepted is told once, where its owner will look. */
static void tell_token_error(struct hub *hub, struct session *session, struct str channel)
{
    char text[OPEN_REFUSAL_SIZE];
    if (!session->token_why) {
        return;
    }
    open_write_refusal(text, session->token_error, session->token_why);
    say_error(hub, session, channel, session->token_error, text);
    session->token_why = NULL;
}

static bool join_refuse(struct hub *hub, const struct session *session, struct str channel,
                        unsigned limit, enum error_code code)
{
    say_count(hub, METRIC_LIMITS + limit);
    say_refusal(hub, session, channel, code);
    return false;
}

/* False: it is refused, and told so. */
static bool join_is_allowed(struct hub *hub, struct session *session, const struct command *command,
                            const struct rule *rule)
{
    const struct hub_options *options = &hub->options;
    enum error_code code;
    if (!access_may_join(rule, session->identity, &code)) {
        say_refusal(hub, session, command->channel, code);
        return false;
    }
    if (!channel_find(&hub->channels, command->channel) && options->max_open_channels > 0 &&
        HASH_COUNT(hub->channels.by_name) >= options->max_open_channels) {
        return join_refuse(hub, session, command->channel, METRIC_LIMIT_CHANNELS,
                           ERROR_CODE_UNAVAILABLE);
    }
    return true;
}

static uint32_t n_views_of(const struct session *session, const struct channel *channel,
                           bool is_residue)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        const struct subscription *in = &session->subscriptions[i];
        n += in->channel == channel && in->view && in->view->is_residue >= is_residue;
    }
    return n;
}

/* Each row of the channel pays for such a view: one session must not have them all, nor strangers.
 * One that is there already costs nothing more. */
static bool residue_has_room(const struct session *session, const struct channel *channel,
                             const struct view *view)
{
    uint32_t most = session->identity ? RESIDUE_MAX : RESIDUE_ANONYMOUS;
    return !view || !view->is_residue ||
           (channel_n_residue(channel) <= most &&
            n_views_of(session, channel, true) < RESIDUE_OF_SESSION);
}

/* Of a session that is not in yet. False: it is refused, and told so. */
static bool join_has_room(struct hub *hub, const struct session *session, struct channel *channel,
                          const struct view *view)
{
    const struct hub_options *options = &hub->options;
    const struct group_list *groups = &channel->groups;
    uint32_t n_plain = groups->n_plain_subscribers;
    uint32_t n = view ? groups->n_subscribers - n_plain : n_plain;
    if (session->n_subscriptions >= options->max_channels ||
        (view && n_views_of(session, channel, false) >= VIEWS_MAX)) {
        return join_refuse(hub, session, channel_name(channel), METRIC_LIMIT_SESSION_CHANNELS,
                           ERROR_CODE_TOO_MANY_CHANNELS);
    }
    if (!residue_has_room(session, channel, view)) {
        say_refusal_text(hub, session, channel_name(channel), ERROR_CODE_TOO_MANY_GROUPS,
                         "This channel has too many different filters that each row must be tried "
                         "with: there is room for one with an equality (eq or in) on top.");
        return false;
    }
    if (sights_are_crowded(hub, channel, view, session->identity)) {
        say_refusal(hub, session, channel_name(channel), ERROR_CODE_TOO_MANY_GROUPS);
        return false;
    }
    if (options->max_channel_members > 0 && n >= options->max_channel_members) {
        return join_refuse(hub, session, channel_name(channel), METRIC_LIMIT_CHANNEL_MEMBERS,
                           ERROR_CODE_CHANNEL_FULL);
    }
    return true;
}

/* Into the list. False: it waits there. */
static bool join_list(struct hub *hub, struct session *session, const struct command *command,
                      struct channel *channel)
{
    const struct subscription *in = session_in(session, channel);
    if (channel->rule->presence && !in && !session->arriving) {
        session->arriving = presence_arrive(hub, session, channel);
    }
    const struct member *entry = in ? in->member : session->arriving;
    if (entry && presence_is_arriving(entry) && command->wants_presence) {
        session->wait = SESSION_WAIT_PRESENCE;
        return false;
    }
    return true;
}

/* The view that it asks for, if it does, pinned. False: the filter is refused, and told so. */
static bool join_open_view(struct hub *hub, const struct session *session,
                           const struct command *command, struct channel *channel,
                           struct view **view)
{
    struct buf why = {0}, wish = {0};
    enum error_code code = ERROR_CODE_BAD_FILTER;
    uint32_t n_tables;
    *view = NULL;
    if (!command->filter.ptr && !command->snapshot.ptr) {
        return true;
    }
    (void)view_table(hub, channel, &n_tables);
    if (command->snapshot.ptr && n_tables == 0) {
        code = ERROR_CODE_SNAPSHOT_OFF;
    }
    if (!command->snapshot.ptr || wish_parse(command->snapshot, &wish, &why)) {
        struct str filter = command->filter.ptr ? command->filter : STR("{}");
        *view = view_open(hub, channel, filter, buf_text(&wish), &why);
    }
    channel_pin_view(*view);
    if (*view && command->snapshot.ptr && !snapshot_may(hub, channel, *view, &code, &why)) {
        channel_unpin_view(channel, *view);
        *view = NULL;
    }
    if (!*view) {
        say_refusal_text(hub, session, command->channel, code, why.len > 0 ? buf_text(&why) : NULL);
    }
    buf_release(&why);
    buf_release(&wish);
    return *view;
}

/* The permissions are there. Channel and view are pinned. */
static bool join_answer(struct hub *hub, struct session *session, const struct command *command,
                        struct channel *channel, struct view *view)
{
    struct question question = question_of_join(hub, session, command, channel, view);
    if (!session_in_view(session, channel, view) && !join_has_room(hub, session, channel, view)) {
        return true;
    }
    if (question.read.kind != STORE_READ_HEAD && session_awaits_appends(session)) {
        return false;
    }
    if (!view && !join_list(hub, session, command, channel)) {
        return false;
    }
    answer_join(hub, session, question);
    return true;
}

static bool join_enter(struct hub *hub, struct session *session, const struct command *command,
                       const struct rule *rule)
{
    struct channel *channel = channel_open(&hub->channels, command->channel);
    struct view *view;
    bool is_done = true;
    channel->rule = rule;
    channel_pin(channel);
    if (join_open_view(hub, session, command, channel, &view)) {
        is_done = join_answer(hub, session, command, channel, view);
        channel_unpin_view(channel, view);
    }
    channel_unpin(&hub->channels, channel);
    return is_done;
}

static bool join_try(struct hub *hub, struct session *session, const struct command *command)
{
    const struct rule *rule = site_rule(hub->site, command->channel);
    const struct channel *channel = channel_find(&hub->channels, command->channel);
    bool is_member = channel && session_is_in(session, channel);
    tell_token_error(hub, session, command->channel);
    if (!rule || (rule->is_operators && !session->is_operator)) {
        say_refusal(hub, session, command->channel, ERROR_CODE_NO_CHANNEL);
        return true;
    }
    if (rule->on_join && !is_member && !command->has_function_passed) {
        function_ask(hub, session, command, rule->on_join);
        return false;
    }
    if (!join_is_allowed(hub, session, command, rule)) {
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

/* The channel and the view that the command names, if the session is there; NULL: it is not. */
static struct channel *command_place(struct hub *hub, const struct session *session,
                                     const struct command *command, struct view **view)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    *view = NULL;
    if (!channel) {
        return NULL;
    }
    if (command->view.ptr) {
        *view = channel_find_view(channel, command->view);
        return *view && session_in_view(session, channel, *view) ? channel : NULL;
    }
    return session_in(session, channel) ? channel : NULL;
}

bool history_handle(struct hub *hub, struct session *session, const struct command *command)
{
    struct view *view;
    struct channel *channel = command_place(hub, session, command, &view);
    if (!channel) {
        say_refusal(hub, session, command->channel, ERROR_CODE_NOT_JOINED);
        return true;
    }
    /* Private messages are never kept, so a client's own history (socketId) is always empty. */
    if (!channel->rule || channel->rule->message_history == 0 || command->socket_id.ptr) {
        answer_empty_history(hub, session, command->channel, view_name(view));
        return true;
    }
    if (session_awaits_appends(session)) {
        return false;
    }
    answer_history(hub, session, channel, view);
    return true;
}

void leave_handle(struct hub *hub, struct session *session, const struct command *command)
{
    struct view *view;
    struct channel *channel = command_place(hub, session, command, &view);
    if (!channel) {
        say_refusal(hub, session, command->channel, ERROR_CODE_NOT_JOINED);
        return;
    }
    say_frame(hub, session, hub->protocol->left(command->channel, view_name(view), command->ref));
    membership_detach(hub, session, channel, view);
}
