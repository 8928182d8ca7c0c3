/* SPDX-License-Identifier: PostgreSQL */
/* The one place where a session enters and leaves a channel, for three lists change with it: the
 * session's, the roster with its worker's, and who is present.
 *
 * A second join of a member reads again: what arrives meanwhile must come after its answer, so it is
 * detached and attached anew. */
#include "core/hub/membership.h"

#include "core/hub/function.h"
#include "core/hub/ground/say.h"
#include "core/hub/live/place.h"
#include "core/hub/presence/presence.h"

uint64_t membership_position(const struct subscription *in, const struct channel *channel)
{
    uint64_t told = channel_told(channel, in->group);
    return in->offset > told ? in->offset : told;
}

static void membership_enter(struct hub *hub, struct session *session, struct channel *channel,
                             struct view *view)
{
    struct subscription *in = session_add(session, channel, view);
    place_enter(hub, session, in);
    if (!view) {
        in->member = session->arriving;
        session->arriving = NULL;
    }
}

void membership_attach(struct hub *hub, struct session *session, struct channel *channel,
                       struct view *view)
{
    struct subscription *in = session_in_view(session, channel, view);
    if (in) {
        in->offset = membership_position(in, channel);
    } else {
        membership_enter(hub, session, channel, view);
        in = session_in_view(session, channel, view);
    }
    place_hold(hub, session, in);
}

void membership_forget(struct hub *hub, const struct session *session, struct subscription in)
{
    place_leave(hub, session, &in);
    channel_drop_if_unused(&hub->channels, in.channel);
}

void membership_detach(struct hub *hub, struct session *session, struct channel *channel,
                       struct view *view)
{
    struct subscription *found = session_in_view(session, channel, view);
    if (!found) {
        return;
    }
    struct subscription in = *found;
    session_remove(session, found);
    if (in.is_joined && !session_is_in(session, channel) && channel->rule &&
        channel->rule->on_leave) {
        function_tell(hub, session, channel->rule->on_leave, "leave", channel_name(channel));
    }
    place_detach(hub, session, &in);
    presence_leave(hub, in.member);
    membership_forget(hub, session, in);
}

void membership_leave(struct hub *hub, struct session *session, struct channel *channel)
{
    channel_pin(channel);
    for (uint32_t i = session->n_subscriptions; i > 0; i = session_before(session, i)) {
        const struct subscription *in = &session->subscriptions[i - 1];
        if (in->channel == channel) {
            membership_detach(hub, session, channel, in->view);
        }
    }
    channel_unpin(&hub->channels, channel);
}
