/* SPDX-License-Identifier: PostgreSQL */
/* What a server knows before it serves: rules and watches with their shapes, and the key of signatures.
 */
#ifndef HERALD_CLI_WHY_WORLD_H
#define HERALD_CLI_WHY_WORLD_H

#include "cli/admin.h"
#include "core/site.h"
#include "pg/shapes/shapes.h"

struct world { /* zero-initialised: empty */
    struct site *site;
    struct shapes shapes;
    unsigned char *key;
    size_t key_len;
};

/* As herald_server, or as who may do what it may; release *out whatever comes. */
enum status world_load(struct admin *admin, struct world *out, struct err *err) MUST_CHECK;
void world_release(struct world *world);

#endif
