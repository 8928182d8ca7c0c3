/* SPDX-License-Identifier: PostgreSQL */
/* A page that is loaded again, or a phone that changes its network, is a session that drops and
 * another one that opens a second later. Without more the others see somebody leave and somebody
 * come. With a grace the entries of the dropped session stay listed; a new session of the same user
 * goes on under the old socketId, and for each channel that it joins again nothing is announced.
 * What it has not joined again when the time is over leaves then.
 *
 * The wire has no word for this, so it is a matter of the server alone, and only for users that a
 * token names: an anonymous client cannot be told from another one. Two tabs of one user are two
 * dropped sessions; each is taken up once. */
#include "core/hub/grace.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/hub/internal.h"

struct dropped {       /* a session that is gone */
    UT_hash_handle hh; /* by key, while nobody has taken it up; the others of the key behind it */
    struct dropped *same;
    struct dropped *prev, *next; /* in the order of time */
    struct session_id adopter;   /* generation 0: nobody */
    struct member *members;
    uint64_t until_ms;
    char socket_id[ID_TEXT_SIZE];
    size_t key_len;
    char key[]; /* of the identity: table and row */
};

static size_t write_key(const struct identity *identity, char *out)
{
    memcpy(out, &identity->dbo_id, sizeof(identity->dbo_id));
    memcpy(out + sizeof(identity->dbo_id), identity->row_id.ptr, identity->row_id.len);
    return sizeof(identity->dbo_id) + identity->row_id.len;
}

static bool is_known_again(const struct identity *identity)
{
    return identity && identity->row_id.len > 0 && identity->row_id.len <= CHANNEL_NAME_MAX;
}

/* ---- the two indexes ---- */

static void add(struct grace *grace, struct dropped *dropped)
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
static void unkey(struct grace *grace, struct dropped *dropped)
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

static void drop(struct grace *grace, struct dropped *dropped)
{
    if (dropped->adopter.generation == 0) {
        unkey(grace, dropped);
    }
    DL_DELETE(grace->oldest, dropped);
    free(dropped);
}

/* ---- entries ---- */

static void put(struct dropped *dropped, struct member *member)
{
    member->session = (struct session_id){0};
    member->dropped = dropped;
    member->next_dropped = dropped->members;
    dropped->members = member;
}

void grace_forget(struct member *member)
{
    struct member **at = &member->dropped->members;
    while (*at != member) {
        at = &(*at)->next_dropped;
    }
    *at = member->next_dropped;
    member->dropped = NULL;
    member->next_dropped = NULL;
}

static void let_go(struct hub *hub, struct dropped *dropped)
{
    while (dropped->members) {
        presence_leave(hub, dropped->members); /* takes it out by grace_forget */
    }
    drop(&hub->grace, dropped);
}

static void leave_all(struct hub *hub, struct session *session)
{
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        struct member *member = session->subscriptions[i].member;
        session->subscriptions[i].member = NULL;
        presence_leave(hub, member);
    }
}

void grace_keep(struct hub *hub, struct session *session)
{
    if (hub->options.presence_grace_ms == 0 || !is_known_again(session->identity)) {
        leave_all(hub, session);
        return;
    }
    struct dropped *dropped =
        mem_zalloc(sizeof(*dropped) + sizeof(int32_t) + session->identity->row_id.len);
    dropped->key_len = write_key(session->identity, dropped->key);
    dropped->until_ms = hub->now_ms + hub->options.presence_grace_ms;
    memcpy(dropped->socket_id, session->socket_id, sizeof(dropped->socket_id));
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        if (session->subscriptions[i].member) {
            put(dropped, session->subscriptions[i].member);
            session->subscriptions[i].member = NULL;
        }
    }
    /* What it had left behind before and not joined again in this life waits on with the rest. */
    while (session->left_behind && session->left_behind->members) {
        struct member *member = session->left_behind->members;
        grace_forget(member);
        put(dropped, member);
    }
    add(&hub->grace, dropped);
    grace_end(hub, session);
}

void grace_adopt(struct hub *hub, struct session *session)
{
    struct dropped *dropped = NULL;
    char key[sizeof(int32_t) + CHANNEL_NAME_MAX];
    if (is_known_again(session->identity)) {
        size_t len = write_key(session->identity, key);
        HASH_FIND(hh, hub->grace.by_identity, key, len, dropped);
    }
    if (!dropped) {
        return;
    }
    unkey(&hub->grace, dropped);
    dropped->adopter = session->id;
    session->left_behind = dropped;
    session_table_rename(&hub->sessions, session, dropped->socket_id);
}

struct member *grace_take(const struct session *session, const struct channel *channel)
{
    struct member *member = session->left_behind ? session->left_behind->members : NULL;
    while (member && member->channel != channel) {
        member = member->next_dropped;
    }
    if (member) {
        grace_forget(member);
    }
    return member;
}

void grace_end(struct hub *hub, struct session *session)
{
    struct dropped *dropped = session->left_behind;
    session->left_behind = NULL;
    if (dropped) {
        let_go(hub, dropped);
    }
}

void grace_disconnect(struct hub *hub, const struct store_directive *directive)
{
    struct dropped *dropped;
    DL_FOREACH(hub->grace.oldest, dropped)
    {
        struct member *member = dropped->members;
        while (member) {
            struct member *next = member->next_dropped;
            if (hub_is_meant(directive, member->identity, member->socket_id) &&
                (!directive->channel.ptr || str_equals(directive->channel, member->name))) {
                presence_leave(hub, member);
            }
            member = next;
        }
    }
}

void grace_tick(struct hub *hub)
{
    while (hub->grace.oldest && hub->grace.oldest->until_ms <= hub->now_ms) {
        struct dropped *dropped = hub->grace.oldest;
        struct session *adopter = dropped->adopter.generation
                                      ? session_table_find(&hub->sessions, dropped->adopter)
                                      : NULL;
        if (adopter) {
            adopter->left_behind = NULL;
        }
        let_go(hub, dropped);
    }
}

void grace_release(struct grace *grace)
{
    while (grace->oldest) {
        drop(grace, grace->oldest);
    }
}
