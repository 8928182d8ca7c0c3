/* SPDX-License-Identifier: PostgreSQL */
/* The list of a channel's members, and its news.
 *
 * A change is announced by a flush: one frame with all that has changed since the last one, for the
 * members that asked for presence. In a small channel every change is flushed at once. In a large
 * one changes wait for a tick, the longer the more members there are: ten thousand who come in a
 * second are some bursts of updates, not ten thousand fan-outs. Who came and went between two
 * flushes was never there.
 *
 * Nobody may ever see a wrong list. Between two flushes the announced list stands still: it is
 * those LISTED and LEAVING. A joiner is sent that list, then only updates of later flushes, since
 * its worker lets updates through from resume_live on (core/transport.h). It must find itself in
 * the list and is never told of its own arrival: so the join of who wants presence in a large
 * channel waits for the flush that lists it. All who come between two flushes share one encoded
 * list, where a list for each would be a gigabyte for ten thousand.
 *
 * SQL is told the same changes (herald.presence), about twice a second. */
#include "core/hub/presence/presence.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/hub/ground/say.h"
#include "core/hub/presence/dropped.h"
#include "core/hub/presence/member.h"
#include "core/hub/presence/states.h"
#include "core/hub/presence/told.h"

enum {
    MEMBERS_PER_MS = 20, /* in large channels: 10 000, half a second between flushes */
};

/* ---- lists ---- */

static void member_push(struct member ***list, uint32_t *n, uint32_t *cap, struct member *member)
{
    if (*n == *cap) {
        *cap = *cap > 0 ? *cap * 2 : 4;
        *list = mem_array(*list, *cap, sizeof(**list));
    }
    (*list)[(*n)++] = member;
}

static void member_list(struct hub *hub, struct presence *presence, struct member *member)
{
    hub->presence->n_listed++;
    member->place = presence->n;
    member_push(&presence->members, &presence->n, &presence->cap, member);
}

static void member_unlist(struct hub *hub, struct presence *presence, struct member *member)
{
    hub->presence->n_listed--;
    state_forget(hub, presence, member);
    struct member *last = presence->members[--presence->n];
    presence->members[member->place] = last;
    last->place = member->place;
}

/* ---- which channels have news ---- */

static void channel_set_due(struct hub *hub, struct channel *channel)
{
    struct due *due = &hub->presence->due;
    if (channel->presence->is_due) {
        return;
    }
    channel->presence->is_due = true;
    if (due->n == due->cap) {
        due->cap = due->cap > 0 ? due->cap * 2 : 16;
        due->channels = mem_array(due->channels, due->cap, sizeof(*due->channels));
    }
    due->channels[due->n++] = channel;
}

static void channel_unset_due(struct hub *hub, struct channel *channel)
{
    struct due *due = &hub->presence->due;
    size_t i = 0;
    if (!channel->presence->is_due) {
        return;
    }
    channel->presence->is_due = false;
    while (due->channels[i] != channel) {
        i++;
    }
    due->channels[i] = due->channels[--due->n];
}

static void presence_free(struct hub *hub, struct channel *channel)
{
    struct presence *presence = channel->presence;
    channel_unset_due(hub, channel);
    frame_unref(presence->full);
    states_free(hub, presence);
    free(presence->members);
    free(presence->changed);
    free(presence);
    channel->presence = NULL;
}

static void presence_free_if_empty(struct hub *hub, struct channel *channel)
{
    if (channel->presence->n == 0) {
        presence_free(hub, channel);
        channel_drop_if_unused(&hub->channels, channel);
    }
}

/* ---- announcing ---- */

/* What the session may wait for has come, or will not come any more. */
static void presence_wake(struct hub *hub, struct session_id id)
{
    struct session *session = session_table_find(&hub->sessions, id);
    if (session && session->wait == SESSION_WAIT_PRESENCE) {
        session_end_wait(&hub->sessions, session);
    }
}

/* What has changed becomes the list. */
static void presence_apply(struct hub *hub, struct presence *presence)
{
    for (uint32_t i = 0; i < presence->n_changed; i++) {
        struct member *member = presence->changed[i];
        if (!member) {
            continue;
        }
        if (member->state == MEMBER_STATE_ARRIVING) {
            member->state = MEMBER_STATE_LISTED;
            told_note(hub, member, true);
            presence_wake(hub, member->session);
        } else {
            told_note(hub, member, false);
            member_unlist(hub, presence, member);
            member_unref(member);
        }
    }
    presence->n_changed = 0;
    frame_unref(presence->full);
    presence->full = NULL;
    states_void(presence);
    presence->flushed_ms = hub->now_ms;
}

static void presence_announce_to(struct hub *hub, const struct channel *channel, bool with_states)
{
    const struct presence *presence = channel->presence;
    struct protocol_member *updates = mem_array(NULL, presence->n_changed, sizeof(*updates));
    size_t n = 0;
    for (uint32_t i = 0; i < presence->n_changed; i++) {
        const struct member *member = presence->changed[i];
        if (member) {
            updates[n++] = (struct protocol_member){
                .action = member->state == MEMBER_STATE_ARRIVING ? PROTOCOL_MEMBER_JOIN
                                                                 : PROTOCOL_MEMBER_LEAVE,
                .client = member->client,
                .state = with_states ? state_of(presence, member) : (struct str){0},
            };
        }
    }
    if (n > 0) {
        say_to_channel(hub, channel,
                       hub->protocol->presence_updates(channel_name(channel), updates, n));
    }
    free(updates);
}

static void presence_announce(struct hub *hub, const struct channel *channel)
{
    presence_announce_to(hub, channel, false);
    if (states_are_watched(channel->presence)) {
        presence_announce_to(hub, channel, true);
    }
}

static void presence_flush(struct hub *hub, struct channel *channel)
{
    struct presence *presence = channel->presence;
    if (channel->groups.n_plain > 0) {
        presence_announce(hub, channel);
    }
    channel_unset_due(hub, channel);
    presence_apply(hub, presence);
    presence_free_if_empty(hub, channel);
}

static struct frame *presence_encode(const struct hub *hub, const struct channel *channel,
                                     bool with_states)
{
    const struct presence *presence = channel->presence;
    struct protocol_member *members = mem_array(NULL, presence->n, sizeof(*members));
    size_t n = 0;
    for (uint32_t i = 0; i < presence->n; i++) {
        const struct member *member = presence->members[i];
        if (member->state != MEMBER_STATE_ARRIVING) {
            members[n++] = (struct protocol_member){
                .client = member->client,
                .state = with_states ? state_of(presence, member) : (struct str){0},
            };
        }
    }
    struct frame *frame = hub->protocol->presence_full(channel_name(channel), members, n);
    free(members);
    return frame;
}

void presence_send(struct hub *hub, const struct session *session, struct channel *channel)
{
    enum presence_wish wish = session_in(session, channel)->wish;
    if (!channel->presence || wish == PRESENCE_WISH_NONE) {
        return;
    }
    bool with_states = wish == PRESENCE_WISH_STATES;
    struct frame **full = with_states ? states_watch(channel) : &channel->presence->full;
    if (!*full) {
        *full = presence_encode(hub, channel, with_states);
    }
    say_frame(hub, session, frame_ref(*full));
}

/* ---- changes ---- */

static void presence_note_change(struct hub *hub, struct member *member)
{
    struct channel *channel = member->channel;
    struct presence *presence = channel->presence;
    member->change = presence->n_changed;
    member_push(&presence->changed, &presence->n_changed, &presence->changed_cap, member);
    if (presence->n <= hub->options.presence_at_once) {
        presence_flush(hub, channel);
    } else {
        channel_set_due(hub, channel);
    }
}

static struct member *member_add(struct hub *hub, const struct session *session,
                                 struct channel *channel)
{
    if (!channel->presence) {
        channel->presence = mem_zalloc(sizeof(*channel->presence));
    }
    struct member *member = member_new(hub, session, channel);
    member_list(hub, channel->presence, member);
    return member;
}

struct member *presence_arrive(struct hub *hub, const struct session *session,
                               struct channel *channel)
{
    struct member *member = dropped_take(session, channel);
    if (member && member_shows(hub, session, member)) {
        member->session = session->id;
        return member;
    }
    channel_pin(channel);        /* its old entry may be all that keeps it */
    presence_leave(hub, member); /* it has come back with other extras */
    channel->n_pins--;           /* and it stays: it is entered now */
    member = member_add(hub, session, channel);
    presence_note_change(hub, member);
    return member;
}

struct member *presence_arrive_quietly(struct hub *hub, const struct session *session,
                                       struct channel *channel)
{
    struct member *member = member_add(hub, session, channel);
    member->state = MEMBER_STATE_LISTED;
    told_note(hub, member, true);
    return member;
}

/* The list has another entry in the place of this one. Told is who is told of states. */
static struct member *member_replace(struct hub *hub, const struct session *session,
                                     struct member *old)
{
    struct channel *channel = old->channel;
    struct presence *presence = channel->presence;
    char *state = str_dup(state_of(presence, old));
    told_note(hub, old, false);
    struct member *member = presence_arrive_quietly(hub, session, channel);
    member->since_ms = old->since_ms;
    member_unlist(hub, presence, old);
    member_unref(old);
    frame_unref(presence->full);
    presence->full = NULL;
    states_void(presence);
    if (presence->states) {
        (void)state_set(hub, member, str_of(state)); /* there is room: it was there */
    }
    free(state);
    return member;
}

/* The same of one that is yet to be announced: it was never there. */
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
    presence_note_change(hub, member);
    return member;
}

void presence_renew(struct hub *hub, const struct session *session, struct subscription *in)
{
    struct member *member = in->member;
    if (!member || member_shows(hub, session, member)) {
        return;
    }
    if (member->state == MEMBER_STATE_LISTED) {
        in->member = member_replace(hub, session, member);
    } else {
        in->member = member_begin_anew(hub, session, member);
    }
}

void presence_leave(struct hub *hub, struct member *member)
{
    if (!member) {
        return;
    }
    struct channel *channel = member->channel;
    if (member->dropped) {
        dropped_forget(member);
    }
    if (member->state == MEMBER_STATE_ARRIVING) {
        presence_wake(hub, member->session);
        channel->presence->changed[member->change] = NULL;
        member_unlist(hub, channel->presence, member);
        member_unref(member);
        presence_free_if_empty(hub, channel);
        return;
    }
    member->session = (struct session_id){0};
    member->state = MEMBER_STATE_LEAVING;
    presence_note_change(hub, member);
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
    while (presence->n > 0) {
        struct member *member = presence->members[0];
        if (member->dropped) {
            dropped_forget(member);
        }
        if (member->state == MEMBER_STATE_ARRIVING) {
            presence_wake(hub, member->session);
        } else {
            told_note(hub, member, false);
        }
        member_unlist(hub, presence, member);
        member_unref(member);
    }
    presence_free(hub, channel);
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
    /* Backwards, because a flush takes its channel out of the list. */
    for (size_t i = hub->presence->due.n; i > 0; i--) {
        struct channel *channel = hub->presence->due.channels[i - 1];
        const struct presence *presence = channel->presence;
        if (hub->now_ms - presence->flushed_ms >= presence->n / MEMBERS_PER_MS) {
            presence_flush(hub, channel);
        }
    }
    states_tick(hub);
    told_tick(hub);
}

uint64_t presence_n_listed(const struct hub *hub)
{
    return hub->presence->n_listed;
}

struct presence_book *presence_book_new(void)
{
    return mem_zalloc(sizeof(struct presence_book));
}

void presence_book_free(struct hub *hub)
{
    struct channel *channel, *next;
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
    told_release(&hub->presence->told);
    free(hub->presence->due.channels);
    free(hub->presence);
}
