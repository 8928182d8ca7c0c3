/* SPDX-License-Identifier: PostgreSQL */
/* Sessions that dropped and have left entries in lists, under two orders: by identity, for the one
 * that comes back, and by time, for the end. Two tabs of one user are two of them under one key. */
#include "core/hub/presence/dropped.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/mem.h"

bool dropped_can_return(const struct identity *identity)
{
    return identity && identity->row_id.len > 0 && identity->row_id.len <= CHANNEL_NAME_MAX;
}

size_t dropped_key(const struct identity *identity, char out[DROPPED_KEY_MAX])
{
    memcpy(out, &identity->dbo_id, sizeof(identity->dbo_id));
    memcpy(out + sizeof(identity->dbo_id), identity->row_id.ptr, identity->row_id.len);
    return sizeof(identity->dbo_id) + identity->row_id.len;
}

/* ---- the two orders ---- */

/* By their ends: the newest one ends last, unless the grace has become shorter meanwhile. */
static void dropped_add_in_time(struct grace *grace, struct dropped *dropped)
{
    struct dropped *before = grace->oldest ? grace->oldest->prev : NULL; /* the last one */
    while (before && before->until_ms > dropped->until_ms) {
        before = before != grace->oldest ? before->prev : NULL;
    }
    DL_APPEND_ELEM(grace->oldest, before, dropped); /* NULL: as the first */
}

static void dropped_add(struct grace *grace, struct dropped *dropped)
{
    struct dropped *first;
    HASH_FIND(hh, grace->by_identity, dropped->key, dropped->key_len, first);
    if (first) {
        dropped->same = first->same;
        first->same = dropped;
    } else {
        HASH_ADD_KEYPTR(hh, grace->by_identity, dropped->key, dropped->key_len, dropped);
    }
    dropped_add_in_time(grace, dropped);
}

/* Nobody can take it up any more; it is still in the order of time. */
static void dropped_unkey(struct grace *grace, struct dropped *dropped)
{
    struct dropped *first;
    HASH_FIND(hh, grace->by_identity, dropped->key, dropped->key_len, first);
    assert(first);
    if (first != dropped) {
        while (first->same != dropped) {
            first = first->same;
        }
        first->same = dropped->same;
        return;
    }
    HASH_DEL(grace->by_identity, dropped);
    if (dropped->same) {
        first = dropped->same;
        HASH_ADD_KEYPTR(hh, grace->by_identity, first->key, first->key_len, first);
    }
}

struct dropped *dropped_new(struct hub *hub, const struct session *session, uint64_t until_ms)
{
    const struct identity *identity = session->identity;
    struct dropped *dropped = mem_zalloc(sizeof(*dropped) + sizeof(int32_t) + identity->row_id.len);
    dropped->key_len = dropped_key(identity, dropped->key);
    dropped->until_ms = until_ms;
    dropped->is_taken = session->is_taken;
    memcpy(dropped->socket_id, session->socket_id, sizeof(dropped->socket_id));
    dropped_add(&hub->presence->grace, dropped);
    return dropped;
}

struct dropped *dropped_adopt(struct grace *grace, const struct session *session)
{
    struct dropped *dropped = NULL;
    char key[DROPPED_KEY_MAX];
    if (dropped_can_return(session->identity)) {
        size_t len = dropped_key(session->identity, key);
        HASH_FIND(hh, grace->by_identity, key, len, dropped);
    }
    if (dropped) {
        dropped_unkey(grace, dropped);
        dropped->adopter = session->id;
    }
    return dropped;
}

/* ---- another node ---- */

struct dropped *dropped_find(const struct grace *grace, const struct identity *identity,
                             struct str socket_id)
{
    struct dropped *dropped = NULL;
    char key[DROPPED_KEY_MAX];
    HASH_FIND(hh, grace->elsewhere, socket_id.ptr, socket_id.len, dropped);
    if (!dropped && dropped_can_return(identity)) {
        size_t len = dropped_key(identity, key);
        HASH_FIND(hh, grace->by_identity, key, len, dropped);
        while (dropped && !str_equals(str_of(dropped->socket_id), socket_id)) {
            dropped = dropped->same;
        }
    }
    return dropped;
}

void dropped_go_elsewhere(struct grace *grace, struct dropped *dropped)
{
    if (!dropped->is_elsewhere) {
        if (dropped->adopter.generation == 0) {
            dropped_unkey(grace, dropped);
        }
        dropped->adopter = (struct session_id){0};
        dropped->is_elsewhere = true;
        dropped->same = NULL;
        HASH_ADD_STR(grace->elsewhere, socket_id, dropped);
    }
}

struct dropped *dropped_come_back(struct grace *grace, const struct session *session,
                                  const char *socket_id)
{
    struct dropped *dropped = NULL;
    HASH_FIND_STR(grace->elsewhere, socket_id, dropped);
    if (dropped) {
        HASH_DEL(grace->elsewhere, dropped);
        dropped->is_elsewhere = false;
        dropped->adopter = session->id;
    }
    return dropped;
}

void dropped_free(struct grace *grace, struct dropped *dropped)
{
    if (dropped->is_elsewhere) {
        assert(grace->elsewhere);
        HASH_DEL(grace->elsewhere, dropped);
    } else if (dropped->adopter.generation == 0) {
        dropped_unkey(grace, dropped);
    }
    DL_DELETE(grace->oldest, dropped);
    free(dropped);
}

void dropped_free_all(struct grace *grace)
{
    while (grace->oldest) {
        dropped_free(grace, grace->oldest);
    }
}

/* ---- entries ---- */

void dropped_put(struct dropped *dropped, struct member *member)
{
    member->session = (struct session_id){0};
    member->dropped = dropped;
    member->next_dropped = dropped->members;
    dropped->members = member;
}

void dropped_forget(struct member *member)
{
    struct member **at = &member->dropped->members;
    while (*at != member) {
        at = &(*at)->next_dropped;
    }
    *at = member->next_dropped;
    member->dropped = NULL;
    member->next_dropped = NULL;
}

struct member *dropped_member(const struct dropped *dropped, const struct channel *channel)
{
    struct member *member = dropped->members;
    while (member && member->channel != channel) {
        member = member->next_dropped;
    }
    return member;
}

struct member *dropped_take(const struct session *session, const struct channel *channel)
{
    struct member *member =
        session->left_behind ? dropped_member(session->left_behind, channel) : NULL;
    if (member) {
        dropped_forget(member);
    }
    return member;
}
