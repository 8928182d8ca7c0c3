/* SPDX-License-Identifier: PostgreSQL */
#ifndef HERALD_PG_SHAPE_LOADER_H
#define HERALD_PG_SHAPE_LOADER_H

#include "core/row/shape.h"

/* The shape in the JSON text of herald.shape.description, one reference. NULL: it is none, and
 * *reason says why. */
struct shape *shape_load(int64_t number, struct str description, const char **reason);

#endif
