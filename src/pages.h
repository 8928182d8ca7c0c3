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

/* tokens: of the examples' sign-in; its texts must outlive the pages. */
struct pages *pages_new(bool has_examples, const struct tokens_options *tokens);
const struct net_page *pages_list(const struct pages *pages,
                                  size_t *n); /* sorted by path; lives with the pages */
void pages_free(struct pages *pages);

#endif
