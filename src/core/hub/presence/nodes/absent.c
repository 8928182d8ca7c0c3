/* SPDX-License-Identifier: PostgreSQL */
/* By user, as the dropped sessions of this node are (dropped.c). A user's tabs come back all at once, and
 * perhaps to several nodes: if each began with another one of them, they would seldom contend. So each
 * node has an order of its own. */
#include "core/hub/presence/nodes/absent.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/hub/presence/dropped.h"

struct absent {        /* a session */
    UT_hash_handle hh; /* by user; the others of the user behind it */
    struct absent *same;
    uint32_t n; /* entries */
    bool is_claimed;
    char socket_id[ID_TEXT_SIZE];
    size_t key_len;
    char key[];
};

static struct absent *first_of(struct absent *table, const struct identity *identity)
{
    struct absent *first = NULL;
    char key[DROPPED_KEY_MAX];
    if (dropped_can_return(identity)) {
        size_t len = dropped_key(identity, key);
        HASH_FIND(hh, table, key, len, first);
    }
    return first;
}

static struct absent *absent_find(struct absent *table, const struct identity *identity,
                                  struct str socket_id)
{
    struct absent *absent = first_of(table, identity);
    while (absent && !str_equals(str_of(absent->socket_id), socket_id)) {
        absent = absent->same;
    }
    return absent;
}

static struct absent *absent_new(struct absent **table, const struct entry *entry)
{
    struct absent *first = first_of(*table, entry->identity);
    struct absent *absent = mem_zalloc(sizeof(*absent) + DROPPED_KEY_MAX);
    absent->key_len = dropped_key(entry->identity, absent->key);
    memcpy(absent->socket_id, entry->seat.socket_id, sizeof(entry->seat.socket_id));
    if (first) {
        absent->same = first->same;
        first->same = absent;
    } else {
        HASH_ADD_KEYPTR(hh, *table, absent->key, absent->key_len, absent);
    }
    return absent;
}

static void absent_free(struct absent **table, struct absent *absent)
{
    struct absent *first;
    HASH_FIND(hh, *table, absent->key, absent->key_len, first);
    assert(first && *table);
    if (first == absent) {
        HASH_DEL(*table, absent);
        if (absent->same) {
            first = absent->same;
            HASH_ADD_KEYPTR(hh, *table, first->key, first->key_len, first);
        }
    } else {
        while (first->same != absent) {
            first = first->same;
            assert(first);
        }
        first->same = absent->same;
    }
    free(absent);
}

void absent_add(struct absent **table, struct entry *entry)
{
    struct str socket_id = {entry->seat.socket_id, sizeof(entry->seat.socket_id)};
    if (!entry->identity) {
        return;
    }
    if (!entry->absent) {
        struct absent *absent = absent_find(*table, entry->identity, socket_id);
        entry->absent = absent ? absent : absent_new(table, entry);
        entry->absent->n++;
    }
    entry->absent->is_claimed = false;
}

void absent_remove(struct absent **table, struct entry *entry)
{
    struct absent *absent = entry->absent;
    entry->absent = NULL;
    if (absent && --absent->n == 0) {
        absent_free(table, absent);
    }
}

void absent_claim(struct absent **table, const struct identity *identity, struct str socket_id)
{
    struct absent *absent = absent_find(*table, identity, socket_id);
    if (absent) {
        absent->is_claimed = true;
    }
}

static uint64_t rank_of(const struct absent *absent, const char *node_id)
{
    uint64_t key[2] = {0};
    memcpy(key, node_id, strnlen(node_id, sizeof(key)));
    return hash_keyed(key, absent->socket_id, ID_TEXT_SIZE - 1);
}

const char *absent_choose(struct absent *table, const struct identity *identity,
                          const char *node_id)
{
    struct absent *best = NULL;
    for (struct absent *absent = first_of(table, identity); absent; absent = absent->same) {
        if (!absent->is_claimed && (!best || rank_of(absent, node_id) < rank_of(best, node_id))) {
            best = absent;
        }
    }
    return best ? best->socket_id : NULL;
}
