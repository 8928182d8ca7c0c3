/* SPDX-License-Identifier: PostgreSQL */
/* The sessions of this node in the lists: who comes, who goes, who is another one than before.
 *
 * SQL is told the same changes (herald.presence), about twice a second. */
#include "core/hub/presence/presence.h"

#include <stdlib.h>

#include "base/mem.h"
#include "core/hub/ground/say.h"
#include "core/hub/presence/dropped.h"
#include "core/hub/presence/list.h"
#include "core/hub/presence/member.h"
#include "core/hub/presence/nodes/entry.h"
#include "core/hub/presence/nodes/replica.h"
#include "core/hub/presence/nodes/room.h"
#include "core/hub/presence/nodes/share.h"
#include "core/hub/presence/states.h"
#include "core/hub/presence/told.h"

/* ---- what is sent ---- */

void presence_send(struct hub *hub, const struct session *session, struct channel *channel)
{
    enum presence_wish wish = session_in(session, channel)->wish;
    if (!channel->presence || wish == PRESENCE_WISH_NONE) {
        return;
    }
    bool with_states = wish == PRESENCE_WISH_STATES;
    struct frame **full = with_states ? states_watch(channel) : &channel->presence->full;
    if (!*full) {
        *full = list_encode(hub, channel, with_states);
    }
    say_frame(hub, session, frame_ref(*full));
}

/* ---- changes ---- */

static void presence_begin(struct hub *hub, struct channel *channel)
{
    if (!channel->presence) {
        list_open(channel);
        room_begin(hub, channel);
    }
}

static struct member *member_add(struct hub *hub, const struct session *session,
                                 struct channel *channel)
{
    presence_begin(hub, channel);
    struct member *member = member_new(hub, session, channel);
    list_put(hub, member);
    share_enter(hub, member);
    return member;
}

struct member *presence_arrive(struct hub *hub, const struct session *session,
                               struct channel *channel)
{
    struct member *member = dropped_take(session, channel);
    if (member && member_shows(hub, session, member)) {
        member->session = session->id;
        share_flags(hub, member);
        return member;
    }
    channel_pin(channel);        /* its old entry may be all that keeps it */
    presence_leave(hub, member); /* it has come back with other extras */
    channel->n_pins--;           /* and it stays: it is entered now */
    presence_begin(hub, channel);
    member = room_take(hub, session, channel);
    if (!member) {
        member = member_add(hub, session, channel);
        list_note_change(hub, member);
    }
    return member;
}

struct member *presence_arrive_quietly(struct hub *hub, const struct session *session,
                                       struct channel *channel)
{
    presence_begin(hub, channel);
    struct member *member = room_take(hub, session, channel);
    if (!member) {
        member = member_add(hub, session, channel);
        member->state = MEMBER_STATE_LISTED;
        told_note(hub, member, true);
    }
    return member;
}

/* It is yet to be announced: so what it was before was never there. */
static struct member *member_begin_anew(struct hub *hub, const struct session *session,
                                        struct member *old)
{
    struct channel *channel = old->channel;
    struct str shown = state_of(channel->presence, old);
    char *state = str_equals(shown, STR("null")) ? NULL : str_dup(shown);
    presence_leave(hub, old);
    struct member *member = member_add(hub, session, channel);
    if (state) {
        (void)state_set(hub, member, str_of(state)); /* there is room: it was there */
    }
    free(state);
    list_note_change(hub, member);
    return member;
}

void presence_renew(struct hub *hub, const struct session *session, struct subscription *in)
{
    struct member *member = in->member;
    if (!member || member_shows(hub, session, member)) {
        return;
    }
    if (member->state == MEMBER_STATE_LISTED) {
        in->member = member_new(hub, session, in->channel);
        in->member->since_ms = member->since_ms;
        share_renew(hub, member, in->member);
        list_replace(hub, member, in->member);
    } else {
        in->member = member_begin_anew(hub, session, member);
    }
}

void presence_leave(struct hub *hub, struct member *member)
{
    if (!member) {
        return;
    }
    if (member->dropped) {
        dropped_forget(member);
    }
    if (!room_vacate(hub, member)) {
        share_leave(hub, member, false);
        list_leave(hub, member);
    }
}

void presence_leave_all(struct hub *hub, struct session *session)
{
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        struct member *member = session->subscriptions[i].member;
        session->subscriptions[i].member = NULL;
        presence_leave(hub, member);
    }
}

void presence_end_arrival(struct hub *hub, struct session *session)
{
    struct member *member = session->arriving;
    session->arriving = NULL;
    presence_leave(hub, member);
}

bool presence_is_arriving(const struct member *member)
{
    return member->state == MEMBER_STATE_ARRIVING;
}

const struct channel *presence_channel(const struct member *member)
{
    return member->channel;
}

void presence_end(struct hub *hub, struct channel *channel)
{
    struct presence *presence = channel->presence;
    for (uint32_t i = presence->n; i > 0; i--) {
        struct member *member = presence->members[i - 1];
        if (member->is_remote) {
            continue; /* it is known on, but not listed */
        }
        if (member->dropped) {
            dropped_forget(member);
        }
        if (member->state == MEMBER_STATE_ARRIVING) {
            list_wake(hub, member->session);
        } else {
            told_note(hub, member, false);
        }
        share_leave(hub, member, false);
        list_remove(hub, member);
    }
    list_free(hub, channel);
}

/* ---- time ---- */

void presence_tell_all(struct hub *hub)
{
    struct channel *channel, *next;
    told_reset(&hub->presence->told);
    HASH_ITER(hh, hub->channels.by_name, channel, next)
    {
        for (uint32_t i = 0; channel->presence && i < channel->presence->n; i++) {
            if (channel->presence->members[i]->state != MEMBER_STATE_ARRIVING) {
                told_note(hub, channel->presence->members[i], true);
            }
        }
    }
}

void presence_tick(struct hub *hub)
{
    list_tick(hub);
    states_tick(hub);
    told_tick(hub);
    room_tick(hub);
    share_tick(hub);
}

uint64_t presence_n_listed(const struct hub *hub)
{
    return hub->presence->n_listed;
}

struct presence_book *presence_book_new(void)
{
    struct presence_book *book = mem_zalloc(sizeof(*book));
    book->share = share_new();
    book->rooms = rooms_new();
    book->replicas = replicas_new();
    return book;
}

void presence_book_free(struct hub *hub)
{
    struct channel *channel, *next;
    share_end(hub);
    dropped_free_all(&hub->presence->grace);
    hub->is_up = false; /* nothing is told any more */
    HASH_ITER(hh, hub->channels.by_name, channel, next)
    {
        if (channel->presence) {
            for (uint32_t i = 0; i < channel->presence->n; i++) {
                channel->presence->members[i]->dropped = NULL;
            }
            presence_end(hub, channel);
        }
    }
    replicas_free(hub->presence->replicas);
    rooms_free(hub->presence->rooms);
    share_free(hub->presence->share);
    told_release(&hub->presence->told);
    free(hub->presence->due.channels);
    free(hub->presence);
}
