/* SPDX-License-Identifier: PostgreSQL */
/* How a node stands, to the others and to what waits for it, for /ready. The loop's thread writes, any reads. */
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
    /* Changes that wait in the outbox, if they are many or have waited for long; else 0. How fast they
     * become fewer, and for how many seconds yet; left 0: it is not known, or they do not. */
    atomic_uint_fast64_t backlog_rows, backlog_rate, backlog_left_s;
};

#endif
