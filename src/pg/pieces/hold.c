/* SPDX-License-Identifier: PostgreSQL */
/* Few are ever here, and most of them come in their order: so an array, searched from its end. */
#include "pg/pieces/hold.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

bool hold_add(struct hold *hold, uint64_t first, uint64_t last, uint64_t nth, struct str body)
{
    size_t at = hold->n;
    if (hold->n == HOLD_MAX || hold->bytes + body.len > HOLD_BYTES) {
        return false;
    }
    while (at > 0 && hold->items[at - 1].first >= first) {
        at--;
    }
    if (at < hold->n && hold->items[at].first == first) {
        return false;
    }
    memmove(&hold->items[at + 1], &hold->items[at], (hold->n - at) * sizeof(*hold->items));
    char *copy = mem_alloc(body.len);
    memcpy(copy, body.ptr, body.len);
    hold->items[at] = (struct held){first, last, nth, body.len, copy};
    hold->n++;
    hold->bytes += body.len;
    return true;
}

const struct held *hold_first(const struct hold *hold)
{
    return hold->n > 0 ? &hold->items[0] : NULL;
}

void hold_drop_first(struct hold *hold)
{
    hold->bytes -= hold->items[0].len;
    free(hold->items[0].body);
    hold->n--;
    memmove(&hold->items[0], &hold->items[1], hold->n * sizeof(*hold->items));
}

void hold_clear(struct hold *hold)
{
    for (size_t i = 0; i < hold->n; i++) {
        free(hold->items[i].body);
    }
    hold->n = hold->bytes = 0;
}
