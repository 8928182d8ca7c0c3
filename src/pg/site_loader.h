/* SPDX-License-Identifier: PostgreSQL */
#ifndef HERALD_PG_SITE_LOADER_H
#define HERALD_PG_SITE_LOADER_H

#include "core/directive.h"
#include "core/site.h"

struct site_directives { /* in the order in which they were given */
    struct directive *items;
    size_t n;
    void *text; /* what their spans point into */
};

/* The site in the JSON text that herald.site() returns, and the directives that came with it, which
 * must be released. NULL: the text is not of that shape, and there is nothing to release. */
struct site *site_load(struct str json, struct site_directives *directives);
/* What else was called in SQL meanwhile goes to the log. */
void site_directives_tell(const struct site_directives *directives);
void site_directives_release(struct site_directives *directives);

#endif
