/* SPDX-License-Identifier: PostgreSQL */
#ifndef HERALD_PG_SITE_LOADER_H
#define HERALD_PG_SITE_LOADER_H

#include "core/store.h"

struct site_orders { /* in the order in which they were given */
    struct store_order *items;
    size_t n;
    void *text; /* what their spans point into */
};

/* The site in the JSON text that herald.site() returns, and the orders that came with it, which
 * must be released. NULL: the text is not of that shape, and there is nothing to release. */
struct site *site_load(struct str json, struct site_orders *orders);
/* What else was called in SQL meanwhile goes to the log. */
void site_orders_tell(const struct site_orders *orders);
void site_orders_release(struct site_orders *orders);

#endif
