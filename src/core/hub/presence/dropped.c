/* SPDX-License-Identifier: PostgreSQL */
/* Sessions that dropped and have left entries in lists, under two orders: by identity, for the one
 * that comes back, and by time, for the end. Two tabs of one user are two of them under one key. */
#include "core/hub/presence/dropped.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/mem.h"
#include "core/channel_name.h"

bool dropped_can_return(const struct identity *identity)
{
    return identity && identity->row_id.len > 0 && identity->row_id.len <= CHANNEL_NAME_MAX;
}

static size_t dropped_write_key(const struct identity *identity, char *out)
{
    memcpy(out, &identity->dbo_id, sizeof(identity->dbo_id));
    memcpy(out + sizeof(identity->dbo_id), identity->row_id.ptr, identity->row_id.len);
    return sizeof(identity->dbo_id) + identity->row_id.len;
}

/* ---- the two orders ---- */

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
    DL_APPEND(grace->oldest, dropped);
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

struct dropped *dropped_new(struct hub *hub, const struct session *session)
{
    const struct identity *identity = session->identity;
    struct dropped *dropped = mem_zalloc(sizeof(*dropped) + sizeof(int32_t) + identity->row_id.len);
    dropped->key_len = dropped_write_key(identity, dropped->key);
    dropped->until_ms = hub->now_ms + hub->options.presence_grace_ms;
    memcpy(dropped->socket_id, session->socket_id, sizeof(dropped->socket_id));
    dropped_add(&hub->presence->grace, dropped);
    return dropped;
}

struct dropped *dropped_adopt(struct grace *grace, const struct session *session)
{
    struct dropped *dropped = NULL;
    char key[sizeof(int32_t) + CHANNEL_NAME_MAX];
    if (dropped_can_return(session->identity)) {
        size_t len = dropped_write_key(session->identity, key);
        HASH_FIND(hh, grace->by_identity, key, len, dropped);
    }
    if (dropped) {
        dropped_unkey(grace, dropped);
        dropped->adopter = session->id;
    }
    return dropped;
}

void dropped_free(struct grace *grace, struct dropped *dropped)
{
    if (dropped->adopter.generation == 0) {
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

struct member *dropped_take(const struct session *session, const struct channel *channel)
{
    struct member *member = session->left_behind ? session->left_behind->members : NULL;
    while (member && member->channel != channel) {
        member = member->next_dropped;
    }
    if (member) {
        dropped_forget(member);
    }
    return member;
}
