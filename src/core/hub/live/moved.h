/* SPDX-License-Identifier: PostgreSQL */
/* The payload of an update as the insert that it is to who sees the new row only, or the delete to
 * who sees the old one only. Pure functions. */
#ifndef HERALD_CORE_HUB_LIVE_MOVED_H
#define HERALD_CORE_HUB_LIVE_MOVED_H

#include "base/buf.h"

enum moved {
    MOVED_NOT,
    MOVED_ENTER,
    MOVED_PERHAPS, /* if it is there now, it has entered */
    MOVED_LEAVE,
    MOVED_UNKNOWN, /* of the two rows, or of the only one, nobody can say whether they are there */
    MOVED_COUNT,
};

const char *moved_name(enum moved moved); /* as on the wire; NOT: NULL */
/* ENTER, PERHAPS or LEAVE. Appended; `payload` as change_events makes them (core/row/change.h). */
void moved_put(struct buf *out, struct str payload, enum moved moved);

#endif
