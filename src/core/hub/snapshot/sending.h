/* SPDX-License-Identifier: PostgreSQL */
/* The rows of a job to one session: the acknowledgement, frames of rows, what came since, and the
 * last frame. Session->sending has it until what came since is replayed. */
#ifndef HERALD_CORE_HUB_SNAPSHOT_SENDING_H
#define HERALD_CORE_HUB_SNAPSHOT_SENDING_H

#include "core/hub/snapshot/job.h"

/* The session is in the job's view, waits, and is sent nothing else meanwhile. */
void sending_begin(struct job *job, struct session *session, bool is_gap);
void sending_step(struct hub *hub, struct session *session); /* what it can take now */
void sending_end(struct session *session);                   /* it has none, or that is over */

#endif
