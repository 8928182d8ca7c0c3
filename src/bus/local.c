/* SPDX-License-Identifier: PostgreSQL */
#include "bus/local.h"

static bool local_send(void *ctx, enum bus_kind kind, const char *to, struct str body)
{
    (void)ctx, (void)kind, (void)to, (void)body;
    return true;
}

static size_t local_max_body(void *ctx)
{
    (void)ctx;
    return SIZE_MAX;
}

static enum bus_company local_company(void *ctx)
{
    (void)ctx;
    return BUS_COMPANY_NONE;
}

const struct bus bus_local = {
    .is_alone = true, .send = local_send, .max_body = local_max_body, .company = local_company};
