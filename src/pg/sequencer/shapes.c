/* SPDX-License-Identifier: PostgreSQL */
#include "pg/sequencer/shapes.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/rows.h"
#include "pg/shape_loader.h"

#include <uthash.h>

/* A shape is some kilobytes. More than so many watches that change within a minute are rare. */
enum { SHAPES_MAX = 2000 };

struct known_shape {
    UT_hash_handle hh;
    int64_t number;
    struct shape *shape; /* NULL: there is none, or we cannot read it */
};

static struct known_shape *find(const struct shapes *shapes, int64_t number)
{
    struct known_shape *known;
    HASH_FIND(hh, shapes->by_number, &number, sizeof(number), known);
    return known;
}

const struct shape *shapes_find(const struct shapes *shapes, int64_t number)
{
    const struct known_shape *known = find(shapes, number);
    return known ? known->shape : NULL;
}

void shapes_want(struct shapes *shapes, int64_t number)
{
    if (find(shapes, number)) {
        return;
    }
    struct known_shape *known = mem_zalloc(sizeof(*known));
    known->number = number;
    HASH_ADD(hh, shapes->by_number, number, sizeof(number), known);
    if (shapes->n_wanted == shapes->wanted_cap) {
        shapes->wanted_cap = shapes->wanted_cap ? shapes->wanted_cap * 2 : 8;
        shapes->wanted = mem_array(shapes->wanted, shapes->wanted_cap, sizeof(*shapes->wanted));
    }
    shapes->wanted[shapes->n_wanted++] = number;
}

void shapes_params(const struct shapes *shapes, struct params *params)
{
    params_numbers_begin(params, PARAMS_NUMBERS_BIGINT, shapes->n_wanted);
    for (size_t i = 0; i < shapes->n_wanted; i++) {
        params_numbers_add(params, shapes->wanted[i]);
    }
    params_array_end(params);
}

void shapes_take(struct shapes *shapes, const PGresult *rows)
{
    size_t n_loaded = 0;
    for (int i = 0; i < PQntuples(rows); i++) {
        int64_t number = rows_i64(rows, i, 0);
        struct known_shape *known = find(shapes, number);
        const char *reason;
        if (known && !known->shape) {
            known->shape = shape_load(number, rows_text(rows, i, 1), &reason);
            n_loaded += known->shape != NULL;
            if (!known->shape) {
                log_error("shape %lld of captured rows cannot be read: %s", (long long)number,
                          reason);
            }
        }
    }
    shapes->has_missing = n_loaded < shapes->n_wanted;
    shapes->n_wanted = 0;
}

static void known_shape_forget(struct shapes *shapes, struct known_shape *known)
{
    HASH_DEL(shapes->by_number, known);
    shape_unref(known->shape);
    free(known);
}

void shapes_bound(struct shapes *shapes)
{
    struct known_shape *known, *next;
    bool is_full = HASH_COUNT(shapes->by_number) > SHAPES_MAX;
    if (!is_full && !shapes->has_missing) {
        return;
    }
    HASH_ITER(hh, shapes->by_number, known, next)
    {
        if (is_full || !known->shape) {
            known_shape_forget(shapes, known);
        }
    }
    shapes->has_missing = false;
}

void shapes_clear(struct shapes *shapes)
{
    struct known_shape *known, *next;
    HASH_ITER(hh, shapes->by_number, known, next)
    {
        known_shape_forget(shapes, known);
    }
    free(shapes->wanted);
    *shapes = (struct shapes){0};
}
