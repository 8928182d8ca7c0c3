/* SPDX-License-Identifier: PostgreSQL */
/* From rows that were read to the frames of a snapshot: each is judged as an insert would be. */
#ifndef HERALD_CORE_HUB_SNAPSHOT_ROWS_H
#define HERALD_CORE_HUB_SNAPSHOT_ROWS_H

#include "core/hub/ground/hub_state.h"
#include "core/row/change.h"

struct hearing; /* core/hub/live/hearing.h */

struct row_frames {
    struct frame **items;
    size_t n, cap;
    uint32_t n_rows;
    bool is_over;  /* there are more rows than `max` */
    bool is_blind; /* of some nobody can say who may see them: they are left out */
};

void row_frames_release(struct row_frames *frames);
/* What the database has to be asked of them for the group; NULL: nothing. To be begun. */
struct hearing *row_frames_hear(struct hub *hub, struct channel *channel, struct group *group,
                                const struct store_snapshot *found);
/* As the group sees them, by what it has said (tell_by), at most max of them, in frames of about 64 KiB. None of the frames is the
 * last one. */
void row_frames_make(struct row_frames *frames, struct hub *hub, struct channel *channel,
                     struct group *group, const struct store_snapshot *found, uint32_t max);

#endif
