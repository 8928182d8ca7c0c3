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
 * Members whose sessions are on other nodes stand in it like those of this one. A list is there as long as
 * this node has a member in it: nobody would look at one of others alone. */
#include "core/hub/presence/list.h"

#include <assert.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/hub/ground/say.h"
#include "core/hub/presence/member.h"
#include "core/hub/presence/nodes/book.h"
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

void list_put(struct hub *hub, struct member *member)
{
    struct presence *presence = member->channel->presence;
    presence->n_own += !member->is_remote;
    hub->presence->n_listed += !member->is_remote;
    member->place = presence->n;
    member_push(&presence->members, &presence->n, &presence->cap, member);
}

static void list_take_out(struct hub *hub, struct presence *presence, struct member *member)
{
    presence->n_own -= !member->is_remote;
    hub->presence->n_listed -= !member->is_remote;
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

void list_remove(struct hub *hub, struct member *member)
{
    list_take_out(hub, member->channel->presence, member);
    member_unref(member);
}

void list_open(struct channel *channel)
{
    channel->presence = mem_zalloc(sizeof(*channel->presence));
}

/* Those of other nodes are still known, in their room. */
static void list_forget_remote(struct presence *presence)
{
    for (uint32_t i = 0; i < presence->n; i++) {
        struct member *member = presence->members[i];
        assert(member->is_remote);
        if (member->entry) {
            member->entry->member = NULL;
        }
        member_unref(member);
    }
    if (presence->room) {
        presence->room->channel = NULL;
    }
}

void list_free(struct hub *hub, struct channel *channel)
{
    struct presence *presence = channel->presence;
    channel_unset_due(hub, channel);
    frame_unref(presence->full);
    states_free(hub, presence);
    list_forget_remote(presence);
    free(presence->members);
    free(presence->changed);
    free(presence);
    channel->presence = NULL;
}

void list_free_if_empty(struct hub *hub, struct channel *channel)
{
    if (channel->presence->n_own == 0) {
        list_free(hub, channel);
        channel_drop_if_unused(&hub->channels, channel);
    }
}

static void list_void(struct presence *presence)
{
    frame_unref(presence->full);
    presence->full = NULL;
    states_void(presence);
}

/* ---- announcing ---- */

/* What the session may wait for has come, or will not come any more. */
void list_wake(struct hub *hub, struct session_id id)
{
    struct session *session = session_table_find(&hub->sessions, id);
    if (session && session->wait == SESSION_WAIT_PRESENCE) {
        session_end_wait(&hub->sessions, session);
    }
}

/* What has changed becomes the list. */
static void list_apply(struct hub *hub, struct presence *presence)
{
    for (uint32_t i = 0; i < presence->n_changed; i++) {
        struct member *member = presence->changed[i];
        if (!member) {
            continue;
        }
        if (member->state == MEMBER_STATE_ARRIVING) {
            member->state = MEMBER_STATE_LISTED;
            told_note(hub, member, true);
            list_wake(hub, member->session);
        } else {
            told_note(hub, member, false);
            list_remove(hub, member);
        }
    }
    presence->n_changed = 0;
    list_void(presence);
    presence->flushed_ms = hub->now_ms;
}

static void list_announce_to(struct hub *hub, const struct channel *channel, bool with_states)
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

static void list_announce(struct hub *hub, const struct channel *channel)
{
    list_announce_to(hub, channel, false);
    if (states_are_watched(channel->presence)) {
        list_announce_to(hub, channel, true);
    }
}

static void list_flush(struct hub *hub, struct channel *channel)
{
    struct presence *presence = channel->presence;
    if (channel->groups.n_plain > 0) {
        list_announce(hub, channel);
    }
    channel_unset_due(hub, channel);
    list_apply(hub, presence);
    list_free_if_empty(hub, channel);
}

struct frame *list_encode(const struct hub *hub, const struct channel *channel, bool with_states)
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

/* ---- changes ---- */

void list_note_change(struct hub *hub, struct member *member)
{
    struct channel *channel = member->channel;
    struct presence *presence = channel->presence;
    member->change = presence->n_changed;
    member_push(&presence->changed, &presence->n_changed, &presence->changed_cap, member);
    if (presence->n <= hub->options.presence_at_once) {
        list_flush(hub, channel);
    } else {
        channel_set_due(hub, channel);
    }
}

void list_leave(struct hub *hub, struct member *member)
{
    struct channel *channel = member->channel;
    if (member->state == MEMBER_STATE_ARRIVING) {
        list_wake(hub, member->session);
        channel->presence->changed[member->change] = NULL;
        list_remove(hub, member);
        list_free_if_empty(hub, channel);
        return;
    }
    member->session = (struct session_id){0};
    member->state = MEMBER_STATE_LEAVING;
    list_note_change(hub, member);
}

void list_replace(struct hub *hub, struct member *old, struct member *member)
{
    struct presence *presence = old->channel->presence;
    char *state = str_dup(state_of(presence, old));
    told_note(hub, old, false);
    list_put(hub, member);
    member->state = MEMBER_STATE_LISTED;
    told_note(hub, member, true);
    list_remove(hub, old);
    list_void(presence);
    if (presence->states) {
        state_put(hub, member, str_of(state));
    }
    free(state);
}

void list_own(struct hub *hub, struct member *member)
{
    member->is_remote = false;
    member->channel->presence->n_own++;
    hub->presence->n_listed++;
    if (member->state != MEMBER_STATE_ARRIVING) {
        told_note(hub, member, true);
    }
}

void list_disown(struct hub *hub, struct member *member)
{
    if (member->state != MEMBER_STATE_ARRIVING) {
        told_note(hub, member, false);
    }
    member->is_remote = true;
    member->channel->presence->n_own--;
    hub->presence->n_listed--;
    list_free_if_empty(hub, member->channel);
}

void list_tick(struct hub *hub)
{
    /* Backwards, because a flush takes its channel out of the list. */
    for (size_t i = hub->presence->due.n; i > 0; i--) {
        struct channel *channel = hub->presence->due.channels[i - 1];
        const struct presence *presence = channel->presence;
        if (hub->now_ms - presence->flushed_ms >= presence->n / MEMBERS_PER_MS) {
            list_flush(hub, channel);
        }
    }
}
