/* SPDX-License-Identifier: PostgreSQL */
/* What comes from the bus, and whose matter it is. While no other node is known nobody is told anything,
 * and nothing is noted for it. */
#include "core/hub/presence/remote.h"

#include "core/hub/ground/say.h"
#include "core/hub/presence/book.h"
#include "core/hub/presence/nodes/entry.h"
#include "core/hub/presence/nodes/replica.h"
#include "core/hub/presence/nodes/room.h"
#include "core/hub/presence/nodes/share.h"
#include "core/hub/presence/states.h"

static void begin(struct hub *hub)
{
    struct channel *channel, *next;
    share_begin(hub);
    HASH_ITER(hh, hub->channels.by_name, channel, next)
    {
        const struct presence *presence = channel->presence;
        for (uint32_t i = 0; presence && i < presence->n; i++) {
            struct member *member = presence->members[i];
            if (!member->is_remote && member->state != MEMBER_STATE_LEAVING) {
                share_put(hub, member, state_of(presence, member));
            }
        }
    }
}

void remote_peer(struct hub *hub, const struct bus_peer *peer, enum bus_news news)
{
    switch (news) {
    case BUS_NEWS_CAME:
        if (!share_is_on(hub)) {
            begin(hub);
        }
        replica_came(hub, peer->id);
        break;
    case BUS_NEWS_LEFT:
    case BUS_NEWS_DEAD:
        replica_gone(hub, peer->id);
        share_forget(hub, peer->id);
        if (replicas_are_none(hub)) {
            share_end(hub);
        }
        break;
    case BUS_NEWS_STALE: /* its members stay, and what it missed the beats will tell it */
    case BUS_NEWS_BACK:
        break;
    }
}

static bool hear_wish(struct hub *hub, const char *from, struct str body)
{
    struct parcel parcel = parcel_of(body);
    uint32_t wish = parcel_u32(&parcel);
    if (!parcel_is_done(&parcel)) {
        return false;
    }
    if (share_is_on(hub)) {
        share_answer(hub, from, wish);
    }
    return true;
}

void remote_hear(struct hub *hub, const char *from, enum bus_kind kind, struct str body)
{
    bool is_good = kind == BUS_KIND_PRESENCE        ? replica_hear_changes(hub, from, body)
                   : kind == BUS_KIND_PRESENCE_LIST ? replica_hear_list(hub, from, body)
                                                    : hear_wish(hub, from, body);
    if (!is_good) {
        say_count(hub, METRIC_PARCELS_BAD);
    }
}

void remote_beat(struct hub *hub, const char *from, const struct bus_beat *beat)
{
    replica_hear_beat(hub, from, beat);
}

void remote_flush(struct hub *hub)
{
    share_flush(hub);
}

void remote_fill_beat(struct hub *hub, struct bus_beat *beat)
{
    share_flush(hub);
    beat->presence_seq = share_seq(hub);
    beat->presence_digest = share_digest(hub);
}

uint64_t remote_n(const struct hub *hub)
{
    return rooms_n(hub);
}
