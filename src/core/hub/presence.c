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
 * its worker lets updates through from the release on (core/transport.h). It must find itself in
 * the list and is never told of its own arrival: so the join of who wants presence in a large
 * channel waits for the flush that lists it. All who come between two flushes share one encoded
 * list, where a list for each would be a gigabyte for ten thousand.
 *
 * SQL is told the same changes (herald.presence), about twice a second. */
#include "core/hub/presence.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/hub/grace.h"
#include "core/hub/internal.h"

enum {
    MEMBERS_PER_MS = 20, /* in large channels: 10 000, half a second between flushes */
    TELL_MS = 500,       /* between two writes to SQL */
    TELL_MAX = 5000,     /* changes in one of them */
};

/* ---- entries ---- */

static void member_unref(struct member *member)
{
    if (--member->refs == 0) {
        identity_unref(member->identity);
        free(member);
    }
}

static struct member *member_new(struct hub *hub, const struct session *session,
                                 struct channel *channel)
{
    struct buf client = {0};
    struct str json = hub_client_json(hub, session, &client);
    struct member *member = mem_zalloc(sizeof(*member) + json.len + channel->name_len);
    member->refs = 1;
    member->channel = channel;
    member->session = session->id;
    member->identity = identity_ref(session->identity);
    member->since_ms = hub->wall_ms;
    memcpy(member->socket_id, session->socket_id, sizeof(member->socket_id));
    memcpy(member->data, json.ptr, json.len);
    memcpy(member->data + json.len, channel->name, channel->name_len);
    member->client = (struct str){member->data, json.len};
    member->name = (struct str){member->data + json.len, channel->name_len};
    buf_release(&client);
    return member;
}

static void push(struct member ***list, uint32_t *n, uint32_t *cap, struct member *member)
{
    if (*n == *cap) {
        *cap = *cap > 0 ? *cap * 2 : 4;
        *list = mem_array(*list, *cap, sizeof(**list));
    }
    (*list)[(*n)++] = member;
}

static void list(struct hub *hub, struct presence *presence, struct member *member)
{
    hub->n_listed++;
    member->place = presence->n;
    push(&presence->members, &presence->n, &presence->cap, member);
}

static void unlist(struct hub *hub, struct presence *presence, struct member *member)
{
    hub->n_listed--;
    struct member *last = presence->members[--presence->n];
    presence->members[member->place] = last;
    last->place = member->place;
}

/* ---- what SQL is told ---- */

static void tell(struct hub *hub, struct member *member, bool is_join)
{
    struct told *told = &hub->told;
    if (!hub->is_up) {
        return; /* it is told all when it is up again */
    }
    if (told->n == told->cap) {
        told->cap = told->cap > 0 ? told->cap * 2 : 64;
        told->list = mem_array(told->list, told->cap, sizeof(*told->list));
    }
    told->list[told->n++] = (struct told_change){member, is_join};
    member->refs++;
}

static void forget_told(struct hub *hub)
{
    for (size_t i = 0; i < hub->told.n; i++) {
        member_unref(hub->told.list[i].member);
    }
    free(hub->told.list);
    hub->told = (struct told){.is_reset = hub->told.is_reset, .at_ms = hub->told.at_ms};
}

static void send_told(struct hub *hub)
{
    const struct told *told = &hub->told;
    struct store_presence *members = mem_array(NULL, TELL_MAX, sizeof(*members));
    bool is_reset = told->is_reset;
    for (size_t i = 0; i < told->n || is_reset;) {
        size_t n = 0;
        for (; n < TELL_MAX && i < told->n; n++, i++) {
            const struct member *member = told->list[i].member;
            members[n] = (struct store_presence){
                .is_join = told->list[i].is_join,
                .channel = member->name,
                .socket_id = str_of(member->socket_id),
                .identity = member->identity,
                .since_ms = member->since_ms,
            };
        }
        hub->store->presence(hub->store->ctx, is_reset, members, n);
        is_reset = false;
    }
    free(members);
    hub->told.is_reset = false;
    hub->told.at_ms = hub->now_ms;
    forget_told(hub);
}

void presence_tell_all(struct hub *hub)
{
    struct channel *channel, *next;
    forget_told(hub);
    hub->told.is_reset = true;
    HASH_ITER(hh, hub->channels.by_name, channel, next)
    {
        for (uint32_t i = 0; channel->presence && i < channel->presence->n; i++) {
            if (channel->presence->members[i]->state != MEMBER_STATE_ARRIVING) {
                tell(hub, channel->presence->members[i], true);
            }
        }
    }
}

/* ---- which channels have news ---- */

static void set_due(struct hub *hub, struct channel *channel)
{
    struct due *due = &hub->due;
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

static void unset_due(struct hub *hub, struct channel *channel)
{
    struct due *due = &hub->due;
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

static void free_presence(struct hub *hub, struct channel *channel)
{
    struct presence *presence = channel->presence;
    unset_due(hub, channel);
    frame_unref(presence->full);
    free(presence->members);
    free(presence->changed);
    free(presence);
    channel->presence = NULL;
}

static void free_if_empty(struct hub *hub, struct channel *channel)
{
    if (channel->presence->n == 0) {
        free_presence(hub, channel);
        channel_drop_if_unused(&hub->channels, channel);
    }
}

/* ---- changes ---- */

/* What the session may wait for has come, or will not come any more. */
static void wake(struct hub *hub, struct session_id id)
{
    struct session *session = session_table_find(&hub->sessions, id);
    if (session && session->wait == SESSION_WAIT_PRESENCE) {
        session_end_wait(&hub->sessions, session);
    }
}

static void note_change(struct hub *hub, struct member *member)
{
    struct channel *channel = member->channel;
    struct presence *presence = channel->presence;
    member->change = presence->n_changed;
    push(&presence->changed, &presence->n_changed, &presence->changed_cap, member);
    if (presence->n <= hub->options.presence_at_once) {
        presence_flush(hub, channel);
    } else {
        set_due(hub, channel);
    }
}

static bool is_same_client(struct hub *hub, const struct session *session,
                           const struct member *member)
{
    struct buf client = {0};
    bool is_same = str_equals(hub_client_json(hub, session, &client), member->client);
    buf_release(&client);
    return is_same;
}

static struct member *add(struct hub *hub, const struct session *session, struct channel *channel)
{
    if (!channel->presence) {
        channel->presence = mem_zalloc(sizeof(*channel->presence));
    }
    struct member *member = member_new(hub, session, channel);
    list(hub, channel->presence, member);
    return member;
}

struct member *presence_arrive(struct hub *hub, const struct session *session,
                               struct channel *channel)
{
    struct member *member = grace_take(session, channel);
    if (member && is_same_client(hub, session, member)) {
        member->session = session->id;
        return member;
    }
    channel->n_pins++;           /* its old entry may be all that keeps it */
    presence_leave(hub, member); /* it has come back with other extras */
    channel->n_pins--;
    member = add(hub, session, channel);
    note_change(hub, member);
    return member;
}

struct member *presence_arrive_quietly(struct hub *hub, const struct session *session,
                                       struct channel *channel)
{
    struct member *member = add(hub, session, channel);
    member->state = MEMBER_STATE_LISTED;
    tell(hub, member, true);
    return member;
}

void presence_leave(struct hub *hub, struct member *member)
{
    if (!member) {
        return;
    }
    struct channel *channel = member->channel;
    if (member->dropped) {
        grace_forget(member);
    }
    if (member->state == MEMBER_STATE_ARRIVING) {
        wake(hub, member->session);
        channel->presence->changed[member->change] = NULL;
        unlist(hub, channel->presence, member);
        member_unref(member);
        free_if_empty(hub, channel);
        return;
    }
    member->session = (struct session_id){0};
    member->state = MEMBER_STATE_LEAVING;
    note_change(hub, member);
}

/* ---- announcing ---- */

/* What has changed becomes the list. */
static void apply(struct hub *hub, struct presence *presence)
{
    for (uint32_t i = 0; i < presence->n_changed; i++) {
        struct member *member = presence->changed[i];
        if (!member) {
            continue;
        }
        if (member->state == MEMBER_STATE_ARRIVING) {
            member->state = MEMBER_STATE_LISTED;
            tell(hub, member, true);
            wake(hub, member->session);
        } else {
            tell(hub, member, false);
            unlist(hub, presence, member);
            member_unref(member);
        }
    }
    presence->n_changed = 0;
    frame_unref(presence->full);
    presence->full = NULL;
    presence->flushed_ms = hub->now_ms;
}

static void announce(struct hub *hub, struct channel *channel)
{
    const struct presence *presence = channel->presence;
    struct protocol_presence *updates = mem_array(NULL, presence->n_changed, sizeof(*updates));
    size_t n = 0;
    for (uint32_t i = 0; i < presence->n_changed; i++) {
        const struct member *member = presence->changed[i];
        if (member) {
            updates[n].is_join = member->state == MEMBER_STATE_ARRIVING;
            updates[n++].client = member->client;
        }
    }
    if (n > 0) {
        hub_fan_out(hub, channel,
                    hub->protocol->presence_updates(channel_name(channel), updates, n));
    }
    free(updates);
}

void presence_flush(struct hub *hub, struct channel *channel)
{
    struct presence *presence = channel->presence;
    if (channel->n_members > 0) {
        announce(hub, channel);
    }
    unset_due(hub, channel);
    apply(hub, presence);
    free_if_empty(hub, channel);
}

struct frame *presence_full(struct hub *hub, struct channel *channel)
{
    struct presence *presence = channel->presence;
    if (!presence->full) {
        struct str *clients = mem_array(NULL, presence->n, sizeof(*clients));
        size_t n = 0;
        for (uint32_t i = 0; i < presence->n; i++) {
            if (presence->members[i]->state != MEMBER_STATE_ARRIVING) {
                clients[n++] = presence->members[i]->client;
            }
        }
        presence->full = hub->protocol->presence_full(channel_name(channel), clients, n);
        free(clients);
    }
    return frame_ref(presence->full);
}

void presence_end(struct hub *hub, struct channel *channel)
{
    struct presence *presence = channel->presence;
    while (presence->n > 0) {
        struct member *member = presence->members[0];
        if (member->dropped) {
            grace_forget(member);
        }
        if (member->state == MEMBER_STATE_ARRIVING) {
            wake(hub, member->session);
        } else {
            tell(hub, member, false);
        }
        unlist(hub, presence, member);
        member_unref(member);
    }
    free_presence(hub, channel);
}

/* ---- time ---- */

void presence_tick(struct hub *hub)
{
    /* Backwards, because a flush takes its channel out of the list. */
    for (size_t i = hub->due.n; i > 0; i--) {
        struct channel *channel = hub->due.channels[i - 1];
        const struct presence *presence = channel->presence;
        if (hub->now_ms - presence->flushed_ms >= presence->n / MEMBERS_PER_MS) {
            presence_flush(hub, channel);
        }
    }
    bool has_news = hub->told.n > 0 || hub->told.is_reset;
    if (hub->is_up && has_news && hub->now_ms - hub->told.at_ms >= TELL_MS) {
        send_told(hub);
    }
}

void presence_release(struct hub *hub)
{
    struct channel *channel, *next;
    grace_release(&hub->grace);
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
    forget_told(hub);
    free(hub->due.channels);
}
