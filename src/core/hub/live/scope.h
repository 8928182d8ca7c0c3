/* SPDX-License-Identifier: PostgreSQL */
/* What the hub knows of a shape: who may see its rows, by the owner's words of then and of today.
 * Hub thread only. */
#ifndef HERALD_CORE_HUB_LIVE_SCOPE_H
#define HERALD_CORE_HUB_LIVE_SCOPE_H

#include "base/hash.h"
#include "core/hub/ground/hub_state.h"
#include "core/live/filter.h"

#include <uthash.h>

struct scope {
    UT_hash_handle hh;
    int64_t number; /* the shape's */
    struct shape *shape;
    struct filter *tree;       /* of its `visible`; NULL: that is none, or cannot be read */
    const struct watch *watch; /* of its table today; NULL: none */
    bool is_restated;
};

struct scopes *scopes_new(void);
void scopes_clear(struct scopes *scopes); /* the site has changed */
void scopes_free(struct scopes *scopes);

struct scope *scope_of(struct hub *hub, struct shape *shape); /* made if it is not there */
struct scope *scope_find(const struct hub *hub, int64_t number);
/* Those whose `visible` a row of this scope has to pass: how many. A NULL among them: nobody may see
 * it. */
enum { SCOPE_JUDGES_MAX = 2 }; /* of the row's shape, and of its table today */
uint32_t scope_judges(struct hub *hub, struct scope *scope, struct scope *out[SCOPE_JUDGES_MAX]);
bool scope_is_open(struct hub *hub, struct scope *scope); /* everybody may */

#endif
