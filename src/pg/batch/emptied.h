/* SPDX-License-Identifier: PostgreSQL */
/* The TRUNCATEs that nothing of the same watch followed yet: to announce such a one again would say
 * nothing new. By shape, since another template has other channels. To forget is never wrong. */
#ifndef HERALD_PG_EMPTIED_H
#define HERALD_PG_EMPTIED_H

#include "core/row/shape.h"

enum { EMPTIED_MAX = 64 }; /* the newest; each row in the outbox is compared with all of them */

struct emptied { /* zero-initialised: none */
    struct {
        int64_t shape;
        char *watch;
    } items[EMPTIED_MAX];
    size_t n;
};

bool emptied_has(const struct emptied *emptied, const struct shape *shape);
void emptied_add(struct emptied *emptied, const struct shape *shape);
void emptied_forget(struct emptied *emptied, const struct shape *shape); /* all of its watch */
void emptied_clear(struct emptied *emptied);

#endif
