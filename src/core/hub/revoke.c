/* SPDX-License-Identifier: PostgreSQL */
/* Rights that end while somebody uses them: a rule has changed, an answer was forgotten, somebody
 * is to be disconnected. Who loses something is told first. */
#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "core/close_code.h"
#include "core/hub/access.h"
#include "core/hub/internal.h"

/* ---- the site has changed ---- */

static void remove_from(struct hub *hub, struct session *session, struct channel *channel,
                        const char *reason)
{
    hub_answer_error_text(hub, session, channel_name(channel), ERROR_CODE_REMOVED, reason);
    hub_detach(hub, session, channel);
}

static bool is_listing(const struct channel *channel)
{
    return channel->rule && channel->rule->presence;
}

/* Entries in lists that end do so with the list, in a moment. */
static void let_go_of_lists(struct session *session)
{
    if (session->arriving && !is_listing(session->arriving->channel)) {
        session->arriving = NULL;
    }
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        if (!is_listing(session->subscriptions[i].channel)) {
            session->subscriptions[i].member = NULL;
        }
    }
}

/* A command that waits for something else must not go on by what was true before. */
static void judge_waiting(struct session *session)
{
    if (session->held) {
        session->held->has_rule_passed = false;
    }
}

static void recheck(void *arg, struct session *session)
{
    struct hub *hub = arg;
    enum error_code why;
    judge_waiting(session);
    let_go_of_lists(session);
    if (session->is_closing) {
        return;
    }
    /* Backwards: taking one out moves the last one into its place. */
    for (uint32_t i = session->n_subscriptions; i > 0; i--) {
        struct subscription *in = &session->subscriptions[i - 1];
        struct channel *channel = in->channel;
        if (!channel->rule || !access_may_join(channel->rule, session->identity, &why)) {
            remove_from(hub, session, channel, NULL);
            continue;
        }
        if (channel->is_new_judge) {
            hub_judge_again(hub, session, channel);
        }
    }
}

/* Who is left in a channel that has just begun to list its members. */
static void enter_new_lists(void *arg, struct session *session)
{
    for (uint32_t i = 0; i < session->n_subscriptions && !session->is_closing; i++) {
        struct subscription *in = &session->subscriptions[i];
        if (is_listing(in->channel) && !in->member) {
            in->member = presence_arrive_quietly(arg, session, in->channel);
        }
    }
}

/* Who wants presence gets such a list; one whose join is under way gets it with the answer. */
static void send_new_lists(void *arg, struct session *session)
{
    struct hub *hub = arg;
    for (uint32_t i = 0; i < session->n_subscriptions && !session->is_closing; i++) {
        const struct subscription *in = &session->subscriptions[i];
        if (in->channel->has_new_list && in->wants_presence && !in->is_held) {
            hub_answer(hub, session, presence_full(hub, in->channel));
        }
    }
}

void hub_recheck_all(struct hub *hub)
{
    struct channel *channel, *next;
    HASH_ITER(hh, hub->channels.by_name, channel, next)
    {
        channel->has_new_list = is_listing(channel) && !channel->presence;
    }
    session_table_each(&hub->sessions, recheck, hub);
    session_table_each(&hub->sessions, enter_new_lists, hub);
    session_table_each(&hub->sessions, send_new_lists, hub);
    HASH_ITER(hh, hub->channels.by_name, channel, next)
    {
        channel->has_new_list = channel->is_new_judge = false;
        if (channel->presence && !is_listing(channel)) {
            presence_end(hub, channel);
            channel_drop_if_unused(&hub->channels, channel);
        }
    }
}

/* ---- directives from SQL ---- */

struct search {
    struct hub *hub;
    const struct store_directive *directive;
    uint32_t n_found;
};

bool hub_is_meant(const struct store_directive *directive, const struct identity *who,
                  const char *socket_id)
{
    if (directive->has_dbo_id && (!who || who->dbo_id != directive->dbo_id)) {
        return false;
    }
    if (directive->row_id.ptr &&
        (!who || !who->row_id.ptr || !str_equals(who->row_id, directive->row_id))) {
        return false;
    }
    return !directive->socket_id.ptr || str_equals(directive->socket_id, str_of(socket_id));
}

static void disconnect(void *arg, struct session *session)
{
    struct search *search = arg;
    struct hub *hub = search->hub;
    const struct store_directive *directive = search->directive;
    if (session->is_closing || !hub_is_meant(directive, session->identity, session->socket_id)) {
        return;
    }
    if (!directive->channel.ptr) {
        search->n_found++;
        hub_answer_error_text(hub, session, (struct str){0}, ERROR_CODE_REMOVED,
                              directive->reason ? directive->reason : "You were disconnected.");
        hub_close(hub, session, CLOSE_CODE_POLICY, "disconnected by the server");
        return;
    }
    struct channel *channel = channel_find(&hub->channels, directive->channel);
    if (channel && session_in(session, channel)) {
        search->n_found++;
        remove_from(hub, session, channel, directive->reason);
    }
}

static void judge_members(void *arg, struct session *session)
{
    const struct search *search = arg;
    struct str pattern = search->directive->channel;
    judge_waiting(session);
    for (uint32_t i = session->n_subscriptions; i > 0 && !session->is_closing; i--) {
        struct channel *channel = session->subscriptions[i - 1].channel;
        if (channel->rule && channel->rule->authorize &&
            (!pattern.ptr || channel_pattern_matches(pattern, channel_name(channel)))) {
            hub_judge_again(search->hub, session, channel);
        }
    }
}

/* Whom it meant is nobody's business but the database's. */
static void tell_disconnected(const struct store_directive *directive, uint32_t n)
{
    if (directive->channel.ptr) {
        log_info("herald.disconnect: %u sessions are out of channel %.*s", n,
                 (int)directive->channel.len, directive->channel.ptr);
    } else {
        log_info("herald.disconnect: %u sessions are closed", n);
    }
}

void hub_take_directive(struct hub *hub, const struct store_directive *directive)
{
    struct search search = {hub, directive, 0};
    switch (directive->kind) {
    case STORE_DIRECTIVE_DISCONNECT:
        session_table_each(&hub->sessions, disconnect, &search);
        grace_disconnect(hub, directive);
        tell_disconnected(directive, search.n_found);
        break;
    case STORE_DIRECTIVE_FORGET:
        hub_forget_answers(hub, directive->channel);
        log_info("herald.forget(%.*s): its answers are asked for again",
                 (int)directive->channel.len,
                 directive->channel.len > 0 ? directive->channel.ptr : "");
        session_table_each(&hub->sessions, judge_members, &search);
        break;
    }
}
