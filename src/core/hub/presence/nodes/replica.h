/* SPDX-License-Identifier: PostgreSQL */
/* The other nodes, each with the members that it has, as far as it has told them. */
#ifndef HERALD_CORE_HUB_PRESENCE_NODES_REPLICA_H
#define HERALD_CORE_HUB_PRESENCE_NODES_REPLICA_H

#include "core/hub/presence/nodes/book.h"
#include "core/nodes/bus.h"

enum { REPLICAS_MAX = 64 };

struct replicas *replicas_new(void);
void replicas_free(struct replicas *replicas);
bool replicas_are_none(const struct hub *hub);

/* It is there; also one that had given this node up, or was given up: it is asked for all it has. */
void replica_came(struct hub *hub, const char *id);
/* It is given up, or has said good-bye. Those of its members who may come back linger. */
void replica_gone(struct hub *hub, const char *id);
/* False: the parcel is none, and nothing of it was taken. One of a node that is not known says nothing. */
bool replica_hear_changes(struct hub *hub, const char *from, struct str body);
bool replica_hear_list(struct hub *hub, const char *from, struct str body);
void replica_hear_beat(struct hub *hub, const char *from, const struct bus_beat *beat);

#endif
