/* SPDX-License-Identifier: PostgreSQL */
/* The one place where a session enters and leaves a channel, for three lists change with it: the
 * session's, the roster with its worker's, and who is present.
 *
 * A second join of a member reads again: what arrives meanwhile must come after its answer, so it is
 * detached and attached anew. */
#include "core/hub/membership.h"

#include "core/hub/function.h"
#include "core/hub/ground/say.h"
#include "core/hub/presence/presence.h"

uint64_t membership_position(const struct subscription *in, const struct channel *channel)
{
    return in->offset > channel->fanned ? in->offset : channel->fanned;
}

void membership_attach(struct hub *hub, struct session *session, struct channel *channel)
{
    const struct transport *transport = hub->transport;
    uint32_t number = channel->roster->number;
    struct subscription *in = session_in(session, channel);
    if (in) {
        in->offset = membership_position(in, channel);
        transport->detach(transport->ctx, session->id, number);
    } else {
        in = session_add(session, channel);
        in->member = session->arriving;
        session->arriving = NULL;
        roster_add(channel->roster, session->id.worker);
        say_count(hub, METRIC_SUBSCRIPTIONS);
    }
    in->is_held = true;
    transport->attach(transport->ctx, session->id, number, true);
}

void membership_forget(struct hub *hub, const struct session *session, struct channel *channel)
{
    roster_remove(channel->roster, session->id.worker);
    metrics_add(hub->options.counts, METRIC_SUBSCRIPTIONS, UINT64_MAX);
    channel_drop_if_unused(&hub->channels, channel);
}

void membership_detach(struct hub *hub, struct session *session, struct channel *channel)
{
    const struct subscription *in = session_in(session, channel);
    if (!in) {
        return;
    }
    struct member *member = in->member;
    if (in->is_joined && channel->rule && channel->rule->on_leave) {
        function_tell(hub, session, channel->rule->on_leave, "leave", channel_name(channel));
    }
    session_remove(session, channel);
    hub->transport->detach(hub->transport->ctx, session->id, channel->roster->number);
    presence_leave(hub, member);
    membership_forget(hub, session, channel);
}
