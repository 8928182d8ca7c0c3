/* SPDX-License-Identifier: PostgreSQL */
/* The shapes of rows that were captured, by number. A number always means the same shape, so what
 * was read once need not be read again. */
#ifndef HERALD_PG_SHAPES_H
#define HERALD_PG_SHAPES_H

#include <libpq-fe.h>

#include "core/row/shape.h"
#include "pg/params.h"

struct shapes { /* zero-initialised: empty */
    struct known_shape *by_number;
    int64_t *wanted; /* numbers that shapes_want was asked for in vain, each once */
    size_t n_wanted, wanted_cap;
    bool has_missing;
};

/* NULL: not known, or none that this program can read. Borrowed until shapes_bound. */
const struct shape *shapes_find(const struct shapes *shapes, int64_t number);
void shapes_want(struct shapes *shapes, int64_t number);
void shapes_params(const struct shapes *shapes, struct params *params); /* the wanted numbers */
/* Their numbers and descriptions; nothing is wanted then. A number that is not among the rows is
 * known as none until shapes_bound. */
void shapes_take(struct shapes *shapes, const PGresult *rows);
/* Between batches: forgets what is not there, which may come, and all if there are many. */
void shapes_bound(struct shapes *shapes);
void shapes_clear(struct shapes *shapes);

#endif
