/* SPDX-License-Identifier: PostgreSQL */
/* Members of other nodes, as these tell them.
 *
 * The old node of one who goes on elsewhere ends its entry when it hears of the new one, and the two may be
 * heard in either order on a third. So what has moved lingers a moment, as do those of a node
 * that is gone: they belong to nobody, are shown as before, and leave when nobody has taken them up. */
#include "core/hub/presence/nodes/room.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/mem.h"
#include "core/hub/presence/dropped.h"
#include "core/hub/presence/list.h"
#include "core/hub/presence/member.h"
#include "core/hub/presence/nodes/absent.h"
#include "core/hub/presence/nodes/contend.h"
#include "core/hub/presence/nodes/entry.h"
#include "core/hub/presence/nodes/share.h"
#include "core/hub/presence/states.h"

enum {
    MOVED_MS = 2000, /* in which the new node is heard of */
    GONE_MS = 10000, /* at least, for clients of a node that is gone to find another one */
};

/* ---- how it ends ---- */

/* It is nobody's. Who contended for its seat has it then, else it leaves. */
static void entry_free(struct hub *hub, struct entry *entry)
{
    struct rooms *rooms = hub->presence->rooms;
    struct entry *heir = entry->member ? seat_heir(rooms, entry) : NULL;
    if (heir) {
        entry_succeed(hub, heir, entry);
    } else if (entry->member) {
        entry_unshow(hub, entry);
    }
    entry_release(rooms, entry);
}

static void entry_linger(struct hub *hub, struct entry *entry, uint64_t until_ms)
{
    struct rooms *rooms = hub->presence->rooms;
    entry_disown(entry);
    entry->until_ms = until_ms;
    DL_APPEND(rooms->lingering, entry);
    if (rooms->next_ms == 0 || until_ms < rooms->next_ms) {
        rooms->next_ms = until_ms;
    }
}

static void entry_end(struct hub *hub, struct entry *entry)
{
    entry_disown(entry);
    entry_free(hub, entry);
}

/* One that lingers ends. */
static void lingering_end(struct hub *hub, struct entry *entry)
{
    DL_DELETE(hub->presence->rooms->lingering, entry);
    entry_free(hub, entry);
}

/* ---- what a node tells ---- */

static void entry_set_client(struct hub *hub, struct entry *entry, struct str client)
{
    struct member *old = entry->member;
    entry_set_text(&entry->client, client);
    if (!old) {
        return;
    }
    if (old->state == MEMBER_STATE_LISTED) {
        old->entry = NULL;
        entry->member = member_new_remote(old->channel, entry);
        list_replace(hub, old, entry->member);
    } else { /* arriving: what it was before was never there */
        entry_unshow(hub, entry);
        entry_show(hub, entry, true);
    }
}

static void entry_set_state(struct hub *hub, struct entry *entry, struct str state)
{
    entry_set_text(&entry->state, state);
    if (entry->member) {
        state_put(hub, entry->member, state_or_null(state));
    }
}

static void entry_set_flags(struct hub *hub, struct entry *entry, uint8_t flags)
{
    struct rooms *rooms = hub->presence->rooms;
    entry->flags = flags;
    struct entry *heir = flags & OP_DROPPED ? seat_heir(rooms, entry) : NULL;
    if (!(flags & OP_DROPPED)) {
        absent_remove(&rooms->absent, entry);
        absent_claim(&rooms->absent, entry->identity, entry_socket(entry));
        entry->is_over = false;
    } else if (heir && entry->member) {
        entry_succeed(hub, heir, entry);
    } else if (heir) {
        entry->is_over = true;
    } else if (!entry->is_over) {
        absent_add(&rooms->absent, entry);
    }
}

void room_enter(struct hub *hub, struct replica *replica, const struct op *op)
{
    struct rooms *rooms = hub->presence->rooms;
    struct entry *entry = entry_find(rooms, replica, op->channel, op->socket_id);
    entry = entry ? entry : entry_new(hub, replica, op);
    entry->since_ms = op->since_ms;
    entry->round = replica->round;
    if (!str_equals(entry->client, op->client)) {
        entry_set_client(hub, entry, op->client);
    }
    if (!str_equals(state_or_null(entry->state), state_or_null(op->state))) {
        entry_set_state(hub, entry, op->state);
    }
    entry_set_flags(hub, entry, op->flags);
    entry_count(rooms, entry);
    entry_contend(hub, entry);
}

void room_change(struct hub *hub, struct replica *replica, const struct op *op)
{
    struct rooms *rooms = hub->presence->rooms;
    struct entry *entry = entry_find(rooms, replica, op->channel, op->socket_id);
    if (!entry) {
        return;
    }
    if (op->kind == OP_LEAVE) {
        if (op->flags & OP_MOVED && entry->member && !seat_heir(rooms, entry)) {
            absent_remove(&rooms->absent, entry);
            entry_linger(hub, entry, hub->now_ms + MOVED_MS);
        } else {
            entry_end(hub, entry);
        }
        return;
    }
    if (op->kind == OP_STATE) {
        entry_set_state(hub, entry, op->state);
    } else if (op->kind == OP_RENEW) {
        entry_set_client(hub, entry, op->client);
    } else {
        entry_set_flags(hub, entry, op->flags);
        entry_contend(hub, entry);
    }
    entry_count(rooms, entry);
}

/* Of the node that they belonged to, as those that linger have it in the place of their own. */
static uint64_t origin_of(const struct replica *replica)
{
    return hash_bytes(replica->id, strlen(replica->id));
}

void room_end_round(struct hub *hub, struct replica *replica)
{
    struct entry *entry, *next;
    uint64_t origin = origin_of(replica);
    DL_FOREACH_SAFE(hub->presence->rooms->lingering, entry, next)
    {
        if (entry->hash == origin) { /* the node is back, and they were not with it */
            lingering_end(hub, entry);
        }
    }
    DL_FOREACH_SAFE(replica->entries, entry, next)
    {
        if (entry->round != replica->round) {
            entry_end(hub, entry);
        }
    }
}

void room_adopt(struct hub *hub, const struct replica *replica, const struct op *op)
{
    struct grace *grace = &hub->presence->grace;
    struct identity *identity = identity_new(op->dbo_id, op->row_id, (struct str){0}, 0);
    struct dropped *dropped = dropped_find(grace, identity, op->socket_id);
    absent_claim(&hub->presence->rooms->absent, identity, op->socket_id);
    identity_unref(identity);
    (void)session_keeps(hub, op->socket_id, op->flags & OP_TAKEN, replica->id);
    if (dropped) {
        dropped_go_elsewhere(grace, dropped);
    }
}

void room_lose(struct hub *hub, struct replica *replica)
{
    uint64_t grace_ms = hub->options.presence_grace_ms;
    uint64_t until_ms = hub->now_ms + (grace_ms > GONE_MS ? grace_ms : GONE_MS);
    while (replica->entries) {
        struct entry *entry = replica->entries;
        if (!entry->identity || entry->is_over || seat_heir(hub->presence->rooms, entry)) {
            entry_end(hub, entry);
            continue;
        }
        if (!entry->absent) {
            absent_add(&hub->presence->rooms->absent, entry);
        }
        entry_linger(hub, entry, until_ms);
        entry->hash = origin_of(replica);
    }
}

/* ---- what happens here ---- */

void room_begin(struct hub *hub, struct channel *channel)
{
    struct rooms *rooms = hub->presence->rooms;
    struct room *room = room_find(rooms, channel_name(channel));
    struct entry *entry;
    if (!room) {
        return;
    }
    room->channel = channel;
    channel->presence->room = room;
    DL_FOREACH2(room->entries, entry, room_next)
    {
        const struct entry *heir = seat_heir(rooms, entry);
        bool is_first = !heir || (entry_is_alive(entry) && entry_is_before(entry, heir));
        if (is_first && entry_may_show(entry) &&
            !seat_shown(seat_find(rooms, room, entry_socket(entry)))) {
            entry_show(hub, entry, false);
        }
    }
}

struct member *room_take(struct hub *hub, const struct session *session, struct channel *channel)
{
    struct rooms *rooms = hub->presence->rooms;
    struct room *room = channel->presence->room;
    struct entry *entry =
        room ? seat_shown(seat_find(rooms, room, str_of(session->socket_id))) : NULL;
    if (!entry) {
        return NULL;
    }
    struct member *member = entry->member;
    entry->is_over = true;
    absent_remove(&rooms->absent, entry);
    if (!member_shows(hub, session, member)) {
        entry_unshow(hub, entry);
        return NULL;
    }
    entry->member = NULL;
    member->entry = NULL;
    identity_unref(member->identity);
    member->identity = identity_ref(session->identity);
    member->session = session->id;
    member->is_taken = session->is_taken;
    list_own(hub, member);
    share_enter(hub, member);
    share_state(hub, member, state_of(channel->presence, member));
    return member;
}

bool room_vacate(struct hub *hub, struct member *member)
{
    struct rooms *rooms = hub->presence->rooms;
    struct room *room = member->channel->presence->room;
    struct entry *heir =
        room ? seat_best(seat_find(rooms, room, str_of(member->socket_id)), NULL) : NULL;
    if (!heir || heir->member) {
        return false;
    }
    entry_take_over(hub, heir, member);
    return true;
}

const char *room_claim(struct hub *hub, const struct identity *identity, char out[ID_TEXT_SIZE])
{
    struct absent **table = &hub->presence->rooms->absent;
    const char *chosen = absent_choose(*table, identity, hub->options.node_id);
    if (!chosen || session_table_find_socket(&hub->sessions, str_of(chosen))) {
        return NULL;
    }
    memcpy(out, chosen, ID_TEXT_SIZE);
    absent_claim(table, identity, str_of(out));
    return out;
}

void room_disconnect(struct hub *hub, const struct directive *directive)
{
    struct entry *entry, *next;
    DL_FOREACH_SAFE(hub->presence->rooms->lingering, entry, next)
    {
        char socket_id[ID_TEXT_SIZE] = {0};
        memcpy(socket_id, entry->seat.socket_id, sizeof(entry->seat.socket_id));
        if (directive_means(directive, entry->identity, socket_id) &&
            (!directive->channel.ptr ||
             str_equals(directive->channel, room_name(entry->seat.room)))) {
            lingering_end(hub, entry);
        }
    }
}

void room_tick(struct hub *hub)
{
    struct rooms *rooms = hub->presence->rooms;
    struct entry *entry, *next;
    if (!rooms->lingering || hub->now_ms < rooms->next_ms) {
        return;
    }
    rooms->next_ms = 0;
    DL_FOREACH_SAFE(rooms->lingering, entry, next)
    {
        if (entry->until_ms <= hub->now_ms) {
            lingering_end(hub, entry);
        } else if (rooms->next_ms == 0 || entry->until_ms < rooms->next_ms) {
            rooms->next_ms = entry->until_ms;
        }
    }
}
