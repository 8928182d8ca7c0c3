/* SPDX-License-Identifier: PostgreSQL */
/* So that what is broken under load is a line now and then, not a flood. */
#ifndef HERALD_PG_COMPLAINT_H
#define HERALD_PG_COMPLAINT_H

#include <stdbool.h>
#include <stdint.h>

struct complaint { /* zero-initialised: never made */
    bool was_said;
    uint64_t said_ms;
    unsigned long long n_unsaid;
};

/* Every ten seconds. True: it is to be said, and *n_unsaid times it was not before. */
bool complaint_is_due(struct complaint *complaint, unsigned long long *n_unsaid);

#endif
