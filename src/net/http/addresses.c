/* SPDX-License-Identifier: PostgreSQL */
/* One table behind one mutex. It is locked for a look-up per handshake and per end of a session:
 * next to what a handshake costs that is nothing, and shares of a limit per worker would be wrong
 * for whoever happens to sit on one worker with all his sessions.
 *
 * An entry stays while it has sessions or its bucket is not full, which is at most the burst
 * divided by the rate. So strangers with many addresses can fill it only for a while; and beyond
 * MAX_ENTRIES an unknown address is refused. */
#include "net/http/addresses.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#include <uthash.h>

enum {
    MAX_ENTRIES = 200000, /* about 120 bytes each */
    SWEEP_MS = 1000,
};

struct entry {
    UT_hash_handle hh;
    struct address address;
    uint32_t n_sessions;
    struct bucket handshakes;
};

struct addresses {
    pthread_mutex_t lock;
    uint32_t max_sessions;
    struct bucket_rate rate;
    struct entry *entries;
    uint64_t swept_ms;
};

struct addresses *addresses_new(uint32_t max_sessions, const struct bucket_rate *handshakes)
{
    struct addresses *addresses = mem_zalloc(sizeof(*addresses));
    pthread_mutex_init(&addresses->lock, NULL);
    addresses->max_sessions = max_sessions;
    addresses->rate = *handshakes;
    return addresses;
}

static void forget(struct addresses *addresses, struct entry *entry)
{
    HASH_DEL(addresses->entries, entry);
    free(entry);
}

void addresses_free(struct addresses *addresses)
{
    struct entry *entry, *next;
    if (!addresses) {
        return;
    }
    HASH_ITER(hh, addresses->entries, entry, next)
    {
        forget(addresses, entry);
    }
    pthread_mutex_destroy(&addresses->lock);
    free(addresses);
}

static struct entry *find(struct addresses *addresses, const struct address *from)
{
    struct address owner = address_owner(from);
    struct entry *entry;
    HASH_FIND(hh, addresses->entries, &owner, sizeof(owner), entry);
    return entry;
}

static struct entry *find_or_add(struct addresses *addresses, const struct address *from)
{
    struct entry *entry = find(addresses, from);
    if (!entry && HASH_COUNT(addresses->entries) < MAX_ENTRIES) {
        entry = mem_zalloc(sizeof(*entry));
        entry->address = address_owner(from);
        HASH_ADD(hh, addresses->entries, address, sizeof(entry->address), entry);
    }
    return entry;
}

static bool is_idle(const struct addresses *addresses, const struct entry *entry, uint64_t now_ms)
{
    return entry->n_sessions == 0 && bucket_is_full(&entry->handshakes, &addresses->rate, now_ms);
}

enum admission addresses_enter(struct addresses *addresses, const struct address *from,
                               uint64_t now_ms)
{
    enum admission admission = ADMISSION_GRANTED;
    pthread_mutex_lock(&addresses->lock);
    struct entry *entry = find_or_add(addresses, from);
    if (!entry || !bucket_take(&entry->handshakes, &addresses->rate, 1, now_ms)) {
        admission = ADMISSION_RATE;
    } else if (addresses->max_sessions > 0 && entry->n_sessions >= addresses->max_sessions) {
        admission = ADMISSION_SESSIONS;
    } else {
        entry->n_sessions++;
    }
    pthread_mutex_unlock(&addresses->lock);
    return admission;
}

void addresses_leave(struct addresses *addresses, const struct address *from, uint64_t now_ms)
{
    pthread_mutex_lock(&addresses->lock);
    struct entry *entry = find(addresses, from);
    assert(entry && entry->n_sessions > 0);
    entry->n_sessions--;
    if (is_idle(addresses, entry, now_ms)) {
        forget(addresses, entry);
    }
    pthread_mutex_unlock(&addresses->lock);
}

void addresses_sweep(struct addresses *addresses, uint64_t now_ms)
{
    struct entry *entry, *next;
    pthread_mutex_lock(&addresses->lock);
    if (now_ms - addresses->swept_ms >= SWEEP_MS) {
        addresses->swept_ms = now_ms;
        HASH_ITER(hh, addresses->entries, entry, next)
        {
            if (is_idle(addresses, entry, now_ms)) {
                forget(addresses, entry);
            }
        }
    }
    pthread_mutex_unlock(&addresses->lock);
}

size_t addresses_n(struct addresses *addresses)
{
    pthread_mutex_lock(&addresses->lock);
    size_t n = HASH_COUNT(addresses->entries);
    pthread_mutex_unlock(&addresses->lock);
    return n;
}
