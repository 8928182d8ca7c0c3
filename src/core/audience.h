/* SPDX-License-Identifier: PostgreSQL */
/* Who of a channel's members an event is for. */
#ifndef HERALD_CORE_AUDIENCE_H
#define HERALD_CORE_AUDIENCE_H

#include "core/identity.h"

enum audience_kind {
    AUDIENCE_ALL,
    AUDIENCE_AUTHENTICATED, /* whoever has an identity */
    AUDIENCE_TABLE,         /* identities of one table: dbo_id */
    AUDIENCE_USER,          /* one row of it: dbo_id and row_id */
    AUDIENCE_PRESENCE,      /* members that asked for presence, which only their worker knows */
    AUDIENCE_STATES,        /* those of them that asked for it with states */
};

struct audience {
    enum audience_kind kind;
    int32_t dbo_id;
    struct str row_id;
};

/* viewer NULL: anonymous. PRESENCE and STATES admit everybody here: they are about the membership, not about the
 * identity. */
bool audience_admits(const struct audience *audience, const struct identity *viewer);

#endif
