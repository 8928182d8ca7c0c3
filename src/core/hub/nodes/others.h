/* SPDX-License-Identifier: PostgreSQL */
/* Which other nodes there are. They are numbered, so that a set of them is a word: one bit for each.
 */
#ifndef HERALD_CORE_HUB_NODES_OTHERS_H
#define HERALD_CORE_HUB_NODES_OTHERS_H

#include "core/nodes/bus.h"

/* For those that have no number, if there are more than have one. */
#define OTHERS_UNNUMBERED (UINT64_C(1) << 63)

struct others;
struct others *others_new(void);
void others_free(struct others *others);
/* The set of those that have gone by this: one, or none. */
uint64_t others_note(struct others *others, const struct bus_peer *peer, enum bus_news news);
uint64_t others_all(const struct others *others);
uint64_t others_find(const struct others *others, const char *id); /* none: it has no number */

#endif
