/* SPDX-License-Identifier: PostgreSQL */
/* One table behind one mutex. It is locked for a look-up per handshake and per end of a session:
 * next to what a handshake costs that is nothing, and shares of a limit per worker would be wrong
 * for whoever happens to sit on one worker with all his sessions.
 *
 * A caller stays while it has sessions or its bucket is not full, which is at most the burst
 * divided by the rate. So strangers with many addresses can fill it only for a while; and beyond
 * MAX_CALLERS an unknown address is refused. */
#include "net/http/addresses.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#include <uthash.h>

enum {
    MAX_CALLERS = 200000, /* about 120 bytes each */
    SWEEP_MS = 1000,
};

struct caller {
    UT_hash_handle hh;
    struct address address;
    uint32_t n_sessions;
    struct bucket handshakes;
};

struct addresses {
    pthread_mutex_t lock;
    uint32_t max_sessions;
    struct bucket_rate rate;
    struct caller *callers;
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

void addresses_set_limits(struct addresses *addresses, uint32_t max_sessions,
                          const struct bucket_rate *handshakes)
{
    pthread_mutex_lock(&addresses->lock);
    addresses->max_sessions = max_sessions;
    addresses->rate = *handshakes;
    pthread_mutex_unlock(&addresses->lock);
}

static void caller_forget(struct addresses *addresses, struct caller *caller)
{
    HASH_DEL(addresses->callers, caller);
    free(caller);
}

void addresses_free(struct addresses *addresses)
{
    struct caller *caller, *next;
    if (!addresses) {
        return;
    }
    HASH_ITER(hh, addresses->callers, caller, next)
    {
        caller_forget(addresses, caller);
    }
    pthread_mutex_destroy(&addresses->lock);
    free(addresses);
}

static struct caller *caller_find(struct addresses *addresses, const struct address *from)
{
    struct address owner = address_owner(from);
    struct caller *caller;
    HASH_FIND(hh, addresses->callers, &owner, sizeof(owner), caller);
    return caller;
}

static struct caller *caller_of(struct addresses *addresses, const struct address *from)
{
    struct caller *caller = caller_find(addresses, from);
    if (!caller && HASH_COUNT(addresses->callers) < MAX_CALLERS) {
        caller = mem_zalloc(sizeof(*caller));
        caller->address = address_owner(from);
        HASH_ADD(hh, addresses->callers, address, sizeof(caller->address), caller);
    }
    return caller;
}

static bool is_idle(const struct addresses *addresses, const struct caller *caller, uint64_t now_ms)
{
    return caller->n_sessions == 0 && bucket_is_full(&caller->handshakes, &addresses->rate, now_ms);
}

/* caller NULL: a new one. */
static enum admission caller_judge(const struct addresses *addresses, const struct caller *caller,
                                   uint64_t now_ms)
{
    struct bucket handshakes = caller ? caller->handshakes : (struct bucket){0};
    uint32_t n_sessions = caller ? caller->n_sessions : 0;
    if ((!caller && HASH_COUNT(addresses->callers) >= MAX_CALLERS) ||
        !bucket_take(&handshakes, &addresses->rate, 1, now_ms)) {
        return ADMISSION_RATE;
    }
    bool is_full = addresses->max_sessions > 0 && n_sessions >= addresses->max_sessions;
    return is_full ? ADMISSION_SESSIONS : ADMISSION_GRANTED;
}

enum admission addresses_judge(struct addresses *addresses, const struct address *from,
                               uint64_t now_ms)
{
    pthread_mutex_lock(&addresses->lock);
    enum admission admission = caller_judge(addresses, caller_find(addresses, from), now_ms);
    pthread_mutex_unlock(&addresses->lock);
    return admission;
}

enum admission addresses_enter(struct addresses *addresses, const struct address *from,
                               uint64_t now_ms)
{
    pthread_mutex_lock(&addresses->lock);
    struct caller *caller = caller_of(addresses, from);
    enum admission admission = caller_judge(addresses, caller, now_ms);
    if (caller) { /* also for a handshake that is refused */
        bucket_take(&caller->handshakes, &addresses->rate, 1, now_ms);
        caller->n_sessions += admission == ADMISSION_GRANTED;
    }
    pthread_mutex_unlock(&addresses->lock);
    return admission;
}

void addresses_leave(struct addresses *addresses, const struct address *from, uint64_t now_ms)
{
    pthread_mutex_lock(&addresses->lock);
    struct caller *caller = caller_find(addresses, from);
    assert(caller && caller->n_sessions > 0);
    caller->n_sessions--;
    if (is_idle(addresses, caller, now_ms)) {
        caller_forget(addresses, caller);
    }
    pthread_mutex_unlock(&addresses->lock);
}

void addresses_sweep(struct addresses *addresses, uint64_t now_ms)
{
    struct caller *caller, *next;
    pthread_mutex_lock(&addresses->lock);
    if (now_ms - addresses->swept_ms >= SWEEP_MS) {
        addresses->swept_ms = now_ms;
        HASH_ITER(hh, addresses->callers, caller, next)
        {
            if (is_idle(addresses, caller, now_ms)) {
                caller_forget(addresses, caller);
            }
        }
    }
    pthread_mutex_unlock(&addresses->lock);
}

size_t addresses_n(struct addresses *addresses)
{
    pthread_mutex_lock(&addresses->lock);
    size_t n = HASH_COUNT(addresses->callers);
    pthread_mutex_unlock(&addresses->lock);
    return n;
}
