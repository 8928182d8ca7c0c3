/* SPDX-License-Identifier: PostgreSQL */
#include "pg/shapes/shapes.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/rows.h"
#include "pg/shapes/shape_loader.h"

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

struct shape *shapes_find(const struct shapes *shapes, int64_t number)
{
    const struct known_shape *known = find(shapes, number);
    return known ? known->shape : NULL;
}

struct shape *shapes_find_logged(const struct shapes *shapes, int64_t number)
{
    static char none[] = "";
    static struct shape unreadable = {
        .refs = 1,
        .f = {.watch = none, .schema = none, .table = none, .visible_by = SHAPE_VISIBLE_NOBODY},
    };
    struct shape *shape = shapes_find(shapes, number);
    return shape ? shape : &unreadable;
}

void shapes_want(const struct shapes *shapes, int64_t number, struct shape_wish *wish)
{
    for (size_t i = 0; i < wish->n; i++) {
        if (wish->numbers[i] == number) {
            return;
        }
    }
    if (find(shapes, number)) {
        return;
    }
    if (wish->n == wish->cap) {
        wish->cap = wish->cap ? wish->cap * 2 : 8;
        wish->numbers = mem_array(wish->numbers, wish->cap, sizeof(*wish->numbers));
    }
    wish->numbers[wish->n++] = number;
}

void shapes_want_column(const struct shapes *shapes, const PGresult *rows, int column,
                        struct shape_wish *wish)
{
    int64_t last = 0;
    for (int row = 0; row < PQntuples(rows); row++) {
        if (!PQgetisnull(rows, row, column)) {
            int64_t number = rows_i64(rows, row, column);
            if (number != last) {
                shapes_want(shapes, number, wish);
            }
            last = number;
        }
    }
}

void shape_wish_params(const struct shape_wish *wish, struct params *params)
{
    params_numbers_begin(params, PARAMS_NUMBERS_BIGINT, wish->n);
    for (size_t i = 0; i < wish->n; i++) {
        params_numbers_add(params, wish->numbers[i]);
    }
    params_array_end(params);
}

void shape_wish_release(struct shape_wish *wish)
{
    free(wish->numbers);
    *wish = (struct shape_wish){0};
}

/* A number that somebody else has asked for meanwhile stays as it is. */
static struct known_shape *known_at(struct shapes *shapes, int64_t number)
{
    struct known_shape *known = find(shapes, number);
    if (!known) {
        known = mem_zalloc(sizeof(*known));
        known->number = number;
        HASH_ADD(hh, shapes->by_number, number, sizeof(number), known);
    }
    return known;
}

static void take_row(struct shapes *shapes, const PGresult *rows, int row)
{
    const char *reason;
    struct known_shape *known = known_at(shapes, rows_i64(rows, row, 0));
    if (known->shape) {
        return;
    }
    known->shape = shape_load(known->number, rows_text(rows, row, 1), &reason);
    if (!known->shape) {
        log_error("shape %lld of captured rows cannot be read: %s", (long long)known->number,
                  reason);
    }
}

void shapes_take(struct shapes *shapes, struct shape_wish *wish, const PGresult *rows)
{
    for (int i = 0; i < PQntuples(rows); i++) {
        take_row(shapes, rows, i);
    }
    for (size_t i = 0; i < wish->n; i++) {
        shapes->has_missing |= known_at(shapes, wish->numbers[i])->shape == NULL;
    }
    wish->n = 0;
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
    *shapes = (struct shapes){0};
}
