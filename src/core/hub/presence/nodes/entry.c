/* SPDX-License-Identifier: PostgreSQL */
/* Entries under three orders: by seat, by room, and by node or, of those that linger, in none. */
#include "core/hub/presence/nodes/entry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/mem.h"
#include "core/hub/presence/nodes/absent.h"

struct str entry_socket(const struct entry *entry)
{
    return (struct str){entry->seat.socket_id, sizeof(entry->seat.socket_id)};
}

struct str room_name(const struct room *room)
{
    return (struct str){room->name, room->name_len};
}

/* ---- rooms and seats ---- */

struct room *room_find(const struct rooms *rooms, struct str name)
{
    struct room *room = NULL;
    HASH_FIND(hh, rooms->by_name, name.ptr, name.len, room);
    return room;
}

static struct room *room_open(struct hub *hub, struct str name)
{
    struct rooms *rooms = hub->presence->rooms;
    struct room *room = room_find(rooms, name);
    if (room) {
        return room;
    }
    room = mem_zalloc(sizeof(*room) + name.len);
    room->name_len = name.len;
    memcpy(room->name, name.ptr, name.len);
    HASH_ADD_KEYPTR(hh, rooms->by_name, room->name, room->name_len, room);
    struct channel *channel = channel_find(&hub->channels, name);
    if (channel && channel->presence) {
        room->channel = channel;
        channel->presence->room = room;
    }
    return room;
}

static void room_free_if_empty(struct rooms *rooms, struct room *room)
{
    if (room->entries) {
        return;
    }
    if (room->channel) {
        room->channel->presence->room = NULL;
    }
    HASH_DEL(rooms->by_name, room);
    free(room);
}

struct entry *seat_find(const struct rooms *rooms, struct room *room, struct str socket_id)
{
    struct seat seat = {.room = room};
    struct entry *first = NULL;
    if (socket_id.len == sizeof(seat.socket_id)) {
        memcpy(seat.socket_id, socket_id.ptr, socket_id.len);
        HASH_FIND(hh, rooms->by_seat, &seat, sizeof(seat), first);
    }
    return first;
}

struct entry *entry_find(const struct rooms *rooms, const struct replica *replica,
                         struct str channel, struct str socket_id)
{
    struct room *room = room_find(rooms, channel);
    struct entry *entry = room ? seat_find(rooms, room, socket_id) : NULL;
    while (entry && entry->replica != replica) {
        entry = entry->same;
    }
    return entry;
}

static void seat_add(struct rooms *rooms, struct entry *entry)
{
    struct entry *first;
    HASH_FIND(hh, rooms->by_seat, &entry->seat, sizeof(entry->seat), first);
    if (first) {
        entry->same = first->same;
        first->same = entry;
    } else {
        HASH_ADD(hh, rooms->by_seat, seat, sizeof(entry->seat), entry);
    }
}

static void seat_remove(struct rooms *rooms, struct entry *entry)
{
    struct entry *first;
    HASH_FIND(hh, rooms->by_seat, &entry->seat, sizeof(entry->seat), first);
    assert(first && rooms->by_seat);
    if (first != entry) {
        while (first->same != entry) {
            first = first->same;
            assert(first);
        }
        first->same = entry->same;
        return;
    }
    HASH_DEL(rooms->by_seat, entry);
    if (entry->same) {
        first = entry->same;
        HASH_ADD(hh, rooms->by_seat, seat, sizeof(first->seat), first);
    }
}

bool entry_is_alive(const struct entry *entry)
{
    return entry->replica && !(entry->flags & OP_DROPPED);
}

/* Of two that are alive: whose the socketId was from the beginning, else the one with the lower node. */
bool claim_is_before(bool is_taken, const char *node, bool other_is_taken, const char *other)
{
    return is_taken != other_is_taken ? !is_taken : strcmp(node, other) < 0;
}

bool entry_is_before(const struct entry *a, const struct entry *b)
{
    return claim_is_before(a->flags & OP_TAKEN, a->replica->id, b->flags & OP_TAKEN,
                           b->replica->id);
}

struct entry *seat_best(struct entry *first, const struct entry *but)
{
    struct entry *best = NULL;
    for (struct entry *entry = first; entry; entry = entry->same) {
        if (entry != but && entry_is_alive(entry) && (!best || entry_is_before(entry, best))) {
            best = entry;
        }
    }
    return best;
}

struct entry *seat_heir(const struct rooms *rooms, const struct entry *but)
{
    struct entry *first;
    HASH_FIND(hh, rooms->by_seat, &but->seat, sizeof(but->seat), first);
    return seat_best(first, but);
}

struct entry *seat_shown(struct entry *first)
{
    while (first && !first->member) {
        first = first->same;
    }
    return first;
}

void entry_count(struct rooms *rooms, struct entry *entry)
{
    struct op op = {
        .kind = OP_ENTER,
        .flags = entry->flags,
        .channel = room_name(entry->seat.room),
        .socket_id = entry_socket(entry),
        .since_ms = entry->since_ms,
        .dbo_id = entry->identity ? entry->identity->dbo_id : 0,
        .row_id = entry->identity ? entry->identity->row_id : (struct str){0},
        .client = entry->client,
        .state = entry->state,
    };
    entry->replica->digest -= entry->hash;
    entry->hash = op_hash(&op, &rooms->scratch);
    entry->replica->digest += entry->hash;
}

void entry_set_text(struct str *text, struct str to)
{
    free((char *)(uintptr_t)text->ptr);
    *text = (struct str){str_dup(to), to.len};
}

struct entry *entry_new(struct hub *hub, struct replica *replica, const struct op *op)
{
    struct rooms *rooms = hub->presence->rooms;
    struct entry *entry = mem_zalloc(sizeof(*entry));
    entry->replica = replica;
    entry->seat.room = room_open(hub, op->channel);
    memcpy(entry->seat.socket_id, op->socket_id.ptr, sizeof(entry->seat.socket_id));
    if (op->row_id.ptr) {
        entry->identity = identity_new(op->dbo_id, op->row_id, (struct str){0}, 0);
    }
    entry->since_ms = op->since_ms;
    DL_APPEND(replica->entries, entry);
    DL_APPEND2(entry->seat.room->entries, entry, room_prev, room_next);
    seat_add(rooms, entry);
    rooms->n++;
    return entry;
}

void entry_disown(struct entry *entry)
{
    struct replica *replica = entry->replica;
    replica->digest -= entry->hash;
    entry->hash = 0;
    DL_DELETE(replica->entries, entry);
    entry->replica = NULL;
}

void entry_release(struct rooms *rooms, struct entry *entry)
{
    struct room *room = entry->seat.room;
    absent_remove(&rooms->absent, entry);
    seat_remove(rooms, entry);
    DL_DELETE2(room->entries, entry, room_prev, room_next);
    room_free_if_empty(rooms, room);
    rooms->n--;
    identity_unref(entry->identity);
    entry_set_text(&entry->client, (struct str){0});
    entry_set_text(&entry->state, (struct str){0});
    free(entry);
}

/* ---- life ---- */

uint64_t rooms_n(const struct hub *hub)
{
    return hub->presence->rooms->n;
}

struct rooms *rooms_new(void)
{
    return mem_zalloc(sizeof(struct rooms));
}

void rooms_free(struct rooms *rooms)
{
    struct room *room, *next;
    HASH_ITER(hh, rooms->by_name, room, next)
    {
        struct entry *entry, *after;
        DL_FOREACH_SAFE2(room->entries, entry, after, room_next)
        {
            entry_release(rooms, entry); /* with the last one the room */
        }
    }
    buf_release(&rooms->scratch);
    free(rooms);
}
