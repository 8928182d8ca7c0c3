/* SPDX-License-Identifier: PostgreSQL */
/* The bus of a node that is alone: nobody else is on it, so all that is sent has reached all. */
#ifndef HERALD_BUS_LOCAL_H
#define HERALD_BUS_LOCAL_H

#include "core/nodes/bus.h"

extern const struct bus bus_local;

#endif
