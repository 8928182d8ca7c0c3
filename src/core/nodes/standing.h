/* SPDX-License-Identifier: PostgreSQL */
/* How a node stands to the others, for /ready. The loop's thread writes, any reads. */
#ifndef HERALD_CORE_NODES_STANDING_H
#define HERALD_CORE_NODES_STANDING_H

#include <stdatomic.h>

enum standing_role { STANDING_ROLE_NONE, STANDING_ROLE_LEADER, STANDING_ROLE_FOLLOWER };
enum standing_bus { STANDING_BUS_LOCAL, STANDING_BUS_UP, STANDING_BUS_DOWN };

struct standing {
    atomic_int role; /* NONE: not known yet, and nothing is said of it */
    atomic_int bus;
    atomic_uint other_versions;      /* nodes whose bus this one does not understand */
    atomic_uint_fast64_t lag_events; /* of the log that others have and this one has not */
};

#endif
