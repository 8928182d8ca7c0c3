/* SPDX-License-Identifier: PostgreSQL */
/* Which built-in files are served, and where: the documents at /docs/ (docs/access.html at
 * /docs/access), `web/x` at `/x`, and where the examples are on `examples/…` at `/examples/…`. Without
 * them only the documents and what a page of somebody else needs: /pgherald.js. */
#ifndef HERALD_PAGES_H
#define HERALD_PAGES_H

#include <stdbool.h>

#include "auth/tokens.h"
#include "net/net.h"

struct pages;

struct pages_options { /* all must outlive the pages */
    bool has_examples;
    const char *psql; /* of the examples: /examples/psql says it; NULL: nothing */
    const struct tokens_options *tokens; /* of the examples' sign-in */
};

struct pages *pages_new(const struct pages_options *options);
const struct net_page *pages_list(const struct pages *pages,
                                  size_t *n); /* sorted by path; lives with the pages */
void pages_free(struct pages *pages);

#endif
