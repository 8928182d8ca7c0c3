/* SPDX-License-Identifier: PostgreSQL */
#include "bus/local.h"

static bool local_send(void *ctx, enum bus_kind kind, const char *to, struct str body)
{
    (void)ctx, (void)kind, (void)to, (void)body;
    return true;
}

const struct bus bus_local = {.is_alone = true, .send = local_send};
