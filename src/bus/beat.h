/* SPDX-License-Identifier: PostgreSQL */
/* The body of a beat: what a node says of itself once a second, and whom it hears. */
#ifndef HERALD_BUS_BEAT_H
#define HERALD_BUS_BEAT_H

#include "base/buf.h"
#include "core/nodes/bus.h"

struct beat {
    struct bus_beat bus; /* what the hub and the database say */
    struct str name;
    struct str heard; /* ids, one behind the other */
    uint8_t newest;   /* version that it reads */
};

void beat_write(const struct beat *beat, struct buf *out);
bool beat_read(struct str body, struct beat *out); /* spans point into the body */
bool beat_names(const struct beat *beat, const char *id);

#endif
