/* SPDX-License-Identifier: PostgreSQL */
/* How many reads may begin in a second (hub_options.snapshot_reads). What is beyond that waits its
 * turn, and what is beyond the queue (snapshot_queue) is refused, with a time to come back at. */
#ifndef HERALD_CORE_HUB_SNAPSHOT_BUDGET_H
#define HERALD_CORE_HUB_SNAPSHOT_BUDGET_H

#include "core/hub/snapshot/job.h"

/* Now, but not before those that wait already; or later; or never: then it is gone, and who asked
 * was told. */
void budget_read(struct job *job);
/* Those whose turn it is, in the order in which they came. */
void budget_read_queued(struct hub *hub);

#endif
