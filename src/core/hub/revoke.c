/* SPDX-License-Identifier: PostgreSQL */
/* Rules have changed. What a rule no longer allows ends at once; what its new authorize function
 * has to say is asked. Lists begin and end with the rules as well: everybody left in a channel
 * enters first, so that whoever is sent the list finds all of them in it. */
#include "core/hub/revoke.h"

#include "core/hub/authorize.h"
#include "core/hub/ground/access.h"
#include "core/hub/ground/say.h"
#include "core/hub/membership.h"
#include "core/hub/presence/presence.h"

void revoke_membership(struct hub *hub, struct session *session, struct channel *channel,
                       const char *reason)
{
    say_error(hub, session, channel_name(channel), ERROR_CODE_REMOVED, reason);
    membership_leave(hub, session, channel);
}

static bool is_listing(const struct channel *channel)
{
    return channel->rule && channel->rule->presence;
}

/* Entries in lists that end do so with the list, in a moment. */
static void let_go_of_lists(struct session *session)
{
    if (session->arriving && !is_listing(presence_channel(session->arriving))) {
        session->arriving = NULL;
    }
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        if (!is_listing(session->subscriptions[i].channel)) {
            session->subscriptions[i].member = NULL;
        }
    }
}

void revoke_waiting(struct session *session)
{
    if (session->held) {
        session->held->is_authorized = false;
    }
}

/* Each channel that it is in: by the flags of the rule, and by its function if that is another one
 * or is_renewed. */
static void recheck_rights(struct hub *hub, struct session *session, bool is_renewed)
{
    enum error_code why;
    for (uint32_t i = session->n_subscriptions; i > 0; i = session_before(session, i)) {
        struct subscription *in = &session->subscriptions[i - 1];
        struct channel *channel = in->channel;
        if (!channel->rule || !access_may_join(channel->rule, session->identity, &why)) {
            revoke_membership(hub, session, channel, NULL);
            continue;
        }
        if (channel->is_new_judge || (is_renewed && channel->rule->authorize)) {
            authorize_member(hub, session, channel);
        }
    }
}

static void recheck(void *arg, struct session *session)
{
    revoke_waiting(session);
    let_go_of_lists(session);
    if (!session->is_closing) {
        recheck_rights(arg, session, false);
    }
}

void revoke_renewed(struct hub *hub, struct session *session)
{
    recheck_rights(hub, session, true);
}

/* Who is left in a channel that has just begun to list its members. */
static void enter_new_lists(void *arg, struct session *session)
{
    for (uint32_t i = 0; i < session->n_subscriptions && !session->is_closing; i++) {
        struct subscription *in = &session->subscriptions[i];
        if (is_listing(in->channel) && !in->view && !in->member) {
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
        if (in->channel->has_new_list && !in->view && !in->is_held) {
            presence_send(hub, session, in->channel);
        }
    }
}

void revoke_recheck(struct hub *hub)
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
