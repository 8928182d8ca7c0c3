/* SPDX-License-Identifier: PostgreSQL */
/* The other nodes, as the hub knows them: who is there, and whose matter it is what they send. */
#ifndef HERALD_CORE_HUB_NODES_NODES_H
#define HERALD_CORE_HUB_NODES_NODES_H

#include "core/hub/ground/hub_state.h"
#include "core/nodes/bus.h"

struct bus_sink nodes_sink(struct hub *hub);

#endif
