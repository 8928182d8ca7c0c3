/* SPDX-License-Identifier: PostgreSQL */
#include "pg/batch/emptied.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

bool emptied_has(const struct emptied *emptied, const struct shape *shape)
{
    for (size_t i = 0; i < emptied->n; i++) {
        if (emptied->items[i].shape == shape->f.number) {
            return true;
        }
    }
    return false;
}

static void remove_at(struct emptied *emptied, size_t i)
{
    free(emptied->items[i].watch);
    emptied->n--;
    memmove(&emptied->items[i], &emptied->items[i + 1],
            (emptied->n - i) * sizeof(emptied->items[0]));
}

void emptied_add(struct emptied *emptied, const struct shape *shape)
{
    if (emptied->n == EMPTIED_MAX) {
        remove_at(emptied, 0);
    }
    emptied->items[emptied->n].shape = shape->f.number;
    emptied->items[emptied->n++].watch = mem_strdup(shape->f.watch);
}

void emptied_forget(struct emptied *emptied, const struct shape *shape)
{
    for (size_t i = emptied->n; i > 0; i--) {
        if (strcmp(emptied->items[i - 1].watch, shape->f.watch) == 0) {
            remove_at(emptied, i - 1);
        }
    }
}

void emptied_clear(struct emptied *emptied)
{
    while (emptied->n > 0) {
        remove_at(emptied, emptied->n - 1);
    }
}
