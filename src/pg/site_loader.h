/* SPDX-License-Identifier: PostgreSQL */
#ifndef HERALD_PG_SITE_LOADER_H
#define HERALD_PG_SITE_LOADER_H

#include "core/site.h"

/* The site in the JSON text that herald.site() returns. NULL: the text is not of that shape. */
struct site *site_load(struct str json);

#endif
