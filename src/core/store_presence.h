/* SPDX-License-Identifier: PostgreSQL */
/* The seam to the view herald.presence: who is in which channel, told to SQL, best effort. Nothing
 * comes back and nothing is decided by it. On the hub thread. */
#ifndef HERALD_CORE_STORE_PRESENCE_H
#define HERALD_CORE_STORE_PRESENCE_H

#include "core/identity.h"

struct presence_news { /* one came to a channel, or went */
    bool is_join;
    struct str channel, socket_id;
    struct identity *identity; /* NULL: anonymous */
    uint64_t since_ms;         /* wall clock, milliseconds since 1970 */
};

struct store_presence {
    void *ctx;
    /* is_reset: what was told before is void, these are all. While the store is down nothing is
     * kept: after on_up it must be told all. Borrows the news. */
    void (*tell)(void *ctx, bool is_reset, const struct presence_news *news, size_t n);
};

#endif
