/* SPDX-License-Identifier: PostgreSQL */
/* A worker takes orders one after the other: who is moved from roster to roster gets the next frame by
 * the new one, and none twice. But what is kept aside for one that is held goes when it is moved. So it
 * stays where it is until the hold ends, and then is told again what came meanwhile. */
#include "core/hub/live/place.h"

#include "core/hub/ground/say.h"
#include "core/hub/live/gap.h"
#include "core/hub/live/sight.h"

static void group_leave(struct hub *hub, struct channel *channel, struct group *group,
                        uint32_t worker)
{
    group_remove(&channel->groups, group, worker);
    if (group->roster->n == 0) {
        sights_drop_group(hub, channel, group);
    }
}

void place_enter(struct hub *hub, const struct session *session, struct subscription *in)
{
    in->group = sights_group(hub, in->channel, in->view, session->identity);
    group_add(&in->channel->groups, in->group, session->id.worker);
    channel_pin_view(in->view);
    say_count(hub, METRIC_SUBSCRIPTIONS);
}

void place_leave(struct hub *hub, const struct session *session, const struct subscription *in)
{
    group_leave(hub, in->channel, in->group, session->id.worker);
    if (in->held_in) {
        group_leave(hub, in->channel, in->held_in, session->id.worker);
    }
    channel_unpin_view(in->channel, in->view);
    metrics_add(hub->options.counts, METRIC_SUBSCRIPTIONS, UINT64_MAX);
}

void place_detach(struct hub *hub, const struct session *session, const struct subscription *in)
{
    const struct group *at = in->held_in ? in->held_in : in->group;
    if (in->is_attached) {
        hub->transport->detach(hub->transport->ctx, session->id, at->roster->number);
    }
}

static void place_forget_old(struct hub *hub, const struct session *session,
                             struct subscription *in)
{
    if (in->held_in) {
        group_leave(hub, in->channel, in->held_in, session->id.worker);
        in->held_in = NULL;
    }
}

void place_release(struct hub *hub, const struct session *session, struct subscription *in)
{
    place_detach(hub, session, in);
    place_forget_old(hub, session, in);
    in->is_attached = in->is_held = false;
}

void place_hold(struct hub *hub, const struct session *session, struct subscription *in)
{
    place_detach(hub, session, in);
    place_forget_old(hub, session, in);
    in->is_attached = in->is_held = true;
    hub->transport->attach(hub->transport->ctx, session->id, in->group->roster->number, true);
}

/* It has what its old group was told, and by its answer perhaps more; its new one may have been told
 * more than that: what the old one still waited for nobody can say any more for it. */
static void place_go_on(struct hub *hub, const struct session *session, struct subscription *in,
                        const struct group *from)
{
    const struct transport *transport = hub->transport;
    uint64_t told = channel_told(in->channel, from);
    uint64_t has = in->offset > told ? in->offset : told;
    uint64_t next = channel_told(in->channel, in->group);
    transport->resume_live(transport->ctx, session->id, in->group->roster->number, has, in->wish);
    if (next > has) {
        gap_tell(hub, session, in, next);
    }
    in->offset = has > next ? has : next; /* its new group may still wait for less than it has */
}

static void place_move(struct hub *hub, const struct session *session, struct subscription *in,
                       struct group *from)
{
    const struct transport *transport = hub->transport;
    transport->detach(transport->ctx, session->id, from->roster->number);
    transport->attach(transport->ctx, session->id, in->group->roster->number, true);
    if (!in->is_held) {
        place_go_on(hub, session, in, from);
    }
    group_leave(hub, in->channel, from, session->id.worker);
}

bool place_settle(struct hub *hub, const struct session *session, struct subscription *in)
{
    struct group *from = in->held_in;
    in->held_in = NULL;
    if (from) {
        place_move(hub, session, in, from);
    }
    return from;
}

bool place_anew(struct hub *hub, const struct session *session, struct subscription *in)
{
    struct group *group = sights_group(hub, in->channel, in->view, session->identity);
    struct group *old = in->group;
    if (group == old) {
        return false;
    }
    group_add(&in->channel->groups, group, session->id.worker);
    in->group = group;
    if (in->is_attached && !in->is_held) {
        place_move(hub, session, in, old);
    } else if (!in->is_attached || in->held_in) {
        group_leave(hub, in->channel, old, session->id.worker);
    } else {
        in->held_in = old;
    }
    return true;
}

struct placing {
    struct hub *hub;
    const struct channel *channel;
};

static void session_place(void *arg, struct session *session)
{
    const struct placing *placing = arg;
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        struct subscription *in = &session->subscriptions[i];
        if (!placing->channel || placing->channel == in->channel) {
            place_anew(placing->hub, session, in);
        }
    }
}

void place_all(struct hub *hub, const struct channel *which)
{
    struct channel *channel, *next;
    HASH_ITER(hh, hub->channels.by_name, channel, next)
    {
        channel->n_regrouped += !which || which == channel;
    }
    session_table_each(&hub->sessions, session_place, &(struct placing){hub, which});
}
