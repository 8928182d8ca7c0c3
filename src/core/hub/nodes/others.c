/* SPDX-License-Identifier: PostgreSQL */
/* A number is used again once its node has gone: whoever keeps a set takes it out there and then. More
 * nodes than there are numbers for are served as well; but who asks all of them cannot tell when all
 * have answered, and waits to the end. */
#include "core/hub/nodes/others.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"

enum { MAX_NUMBERED = 63 };

struct others {
    char ids[MAX_NUMBERED][ID_TEXT_SIZE];
    uint64_t there; /* which of them are in use */
    uint32_t n_unnumbered;
};

struct others *others_new(void)
{
    return mem_zalloc(sizeof(struct others));
}

void others_free(struct others *others)
{
    free(others);
}

static uint64_t bit(unsigned number)
{
    return UINT64_C(1) << number;
}

uint64_t others_find(const struct others *others, const char *id)
{
    for (unsigned i = 0; i < MAX_NUMBERED; i++) {
        if ((others->there & bit(i)) && strcmp(others->ids[i], id) == 0) {
            return bit(i);
        }
    }
    return 0;
}

static void others_add(struct others *others, const char *id)
{
    unsigned i = 0;
    while (i < MAX_NUMBERED && (others->there & bit(i))) {
        i++;
    }
    if (i == MAX_NUMBERED) {
        others->n_unnumbered++;
        log_warn("more than %d other servers: a private message to a client that is nowhere takes "
                 "a second to be refused",
                 MAX_NUMBERED);
        return;
    }
    memcpy(others->ids[i], id, ID_TEXT_SIZE);
    others->there |= bit(i);
}

static uint64_t others_remove(struct others *others, const char *id)
{
    uint64_t gone = others_find(others, id);
    others->there &= ~gone;
    if (!gone && others->n_unnumbered > 0) {
        others->n_unnumbered--;
    }
    return gone;
}

uint64_t others_note(struct others *others, const struct bus_peer *peer, enum bus_news news)
{
    switch (news) {
    case BUS_NEWS_CAME:
        if (!others_find(others, peer->id)) {
            others_add(others, peer->id);
        }
        return 0;
    case BUS_NEWS_STALE:
    case BUS_NEWS_BACK:
        return 0;
    case BUS_NEWS_LEFT:
    case BUS_NEWS_DEAD:
        return others_remove(others, peer->id);
    }
    return 0;
}

uint64_t others_all(const struct others *others)
{
    return others->there | (others->n_unnumbered > 0 ? OTHERS_UNNUMBERED : 0);
}
