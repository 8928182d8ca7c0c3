/* SPDX-License-Identifier: PostgreSQL */
#include "pg/complaint.h"

#include "base/clock.h"

enum { COMPLAIN_MS = 10000 }; /* between two lines about one thing */

bool complaint_is_due(struct complaint *complaint, unsigned long long *n_unsaid)
{
    uint64_t now_ms = clock_ms();
    if (complaint->was_said && now_ms - complaint->said_ms < COMPLAIN_MS) {
        complaint->n_unsaid++;
        return false;
    }
    *n_unsaid = complaint->n_unsaid;
    *complaint = (struct complaint){.was_said = true, .said_ms = now_ms};
    return true;
}
