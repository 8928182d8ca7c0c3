/* SPDX-License-Identifier: PostgreSQL */
/* Which transactions a snapshot of Postgres sees, by arithmetic on its text: xmin:xmax:xip,xip,…
 * (PostgreSQL, pg_snapshot). All below xmin are over, none from xmax on, and of those between the
 * listed ones were not. Transactions are those of the top level, which is what rows of the log name. */
#ifndef HERALD_CORE_LIVE_TXID_H
#define HERALD_CORE_LIVE_TXID_H

#include "base/str.h"

struct txid_snapshot {
    uint64_t xmin, xmax;
    uint64_t *xip; /* ascending */
    size_t n;
};

/* False: it is none (out of order, or a number outside of [xmin, xmax)), and there is nothing to
 * release. */
bool txid_snapshot_parse(struct str text, struct txid_snapshot *out);
void txid_snapshot_release(struct txid_snapshot *snapshot);
/* Whether a transaction that has committed was over for it: its rows are in what it read. */
bool txid_snapshot_sees(const struct txid_snapshot *snapshot, uint64_t xid);

#endif
