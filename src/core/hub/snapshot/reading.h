/* SPDX-License-Identifier: PostgreSQL */
/* From a job to what is to be sent: the rows are read, judged, and waited for until the sequencer has
 * told all that may be in them already. Then the job is delivered; or it fails. */
#ifndef HERALD_CORE_HUB_SNAPSHOT_READING_H
#define HERALD_CORE_HUB_SNAPSHOT_READING_H

#include "core/hub/snapshot/job.h"

void reading_begin(struct job *job); /* which may be gone then */
void reading_tick(struct hub *hub);  /* what waits too long for the sequencer fails */

#endif
