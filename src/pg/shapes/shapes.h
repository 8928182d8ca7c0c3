/* SPDX-License-Identifier: PostgreSQL */
/* The shapes of rows that were captured, by number. A number always means the same shape, so what
 * was read once need not be read again. Whoever meets a number that is not known wishes for it and
 * asks SHAPES_QUERY. */
#ifndef HERALD_PG_SHAPES_H
#define HERALD_PG_SHAPES_H

#include <libpq-fe.h>

#include "core/row/shape.h"
#include "pg/params.h"

struct shapes { /* zero-initialised: empty */
    struct known_shape *by_number;
    bool has_missing;
};

struct shape_wish { /* zero-initialised: none; numbers that are not known, each once */
    int64_t *numbers;
    size_t n, cap;
};

/* NULL: not known, or none that this program can read. Borrowed until shapes_bound. */
struct shape *shapes_find(const struct shapes *shapes, int64_t number);
/* The same of a row of the log; what cannot be read is a shape that nobody may see rows of. */
struct shape *shapes_find_logged(const struct shapes *shapes, int64_t number);
void shapes_want(const struct shapes *shapes, int64_t number, struct shape_wish *wish);
/* All that this column has. */
void shapes_want_column(const struct shapes *shapes, const PGresult *rows, int column,
                        struct shape_wish *wish);

#define SHAPES_QUERY                                                                               \
    "SELECT number, description FROM herald.shape WHERE number OPERATOR(pg_catalog.=) ANY ($1)"
void shape_wish_params(const struct shape_wish *wish, struct params *params);
void shape_wish_release(struct shape_wish *wish);
/* The answer; the wish is empty then. A number that is not among the rows is known as none until
 * shapes_bound. */
void shapes_take(struct shapes *shapes, struct shape_wish *wish, const PGresult *rows);
/* Between batches: forgets what is not there, which may come, and all if there are many. */
void shapes_bound(struct shapes *shapes);
void shapes_clear(struct shapes *shapes);

#endif
