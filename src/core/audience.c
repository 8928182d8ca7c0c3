/* SPDX-License-Identifier: PostgreSQL */
/* The one place that compares an audience with an identity: workers ask it for live frames, the hub
 * for replays and history. */
#include "core/audience.h"

bool audience_admits(const struct audience *audience, const struct identity *viewer)
{
    switch (audience->kind) {
    case AUDIENCE_ALL:
    case AUDIENCE_PRESENCE:
    case AUDIENCE_STATES:
        return true;
    case AUDIENCE_AUTHENTICATED:
        return viewer != NULL;
    case AUDIENCE_TABLE:
        return viewer && viewer->dbo_id == audience->dbo_id;
    case AUDIENCE_USER:
        return viewer && viewer->dbo_id == audience->dbo_id && viewer->row_id.ptr &&
               str_equals(viewer->row_id, audience->row_id);
    }
    return false;
}
