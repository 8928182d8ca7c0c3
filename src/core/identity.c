/* SPDX-License-Identifier: PostgreSQL */
/* Identities are made on a worker, when a token is verified there, or on the hub's thread, when the
 * database has verified it; both keep a reference. */
#include "core/identity.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct identity *identity_new(int32_t dbo_id, struct str row_id, struct str extras,
                              int64_t expires_at)
{
    if (!extras.ptr) {
        extras = STR("{}");
    }
    struct identity *identity = mem_alloc(sizeof(*identity) + extras.len + row_id.len);
    atomic_init(&identity->refs, 1);
    identity->dbo_id = dbo_id;
    identity->expires_at = expires_at;
    memcpy(identity->data, extras.ptr, extras.len);
    identity->extras = (struct str){identity->data, extras.len};
    identity->row_id = (struct str){0};
    if (row_id.ptr) {
        memcpy(identity->data + extras.len, row_id.ptr, row_id.len);
        identity->row_id = (struct str){identity->data + extras.len, row_id.len};
    }
    return identity;
}

struct identity *identity_ref(struct identity *identity)
{
    if (identity) {
        atomic_fetch_add_explicit(&identity->refs, 1, memory_order_relaxed);
    }
    return identity;
}

void identity_unref(struct identity *identity)
{
    if (identity && atomic_fetch_sub_explicit(&identity->refs, 1, memory_order_acq_rel) == 1) {
        free(identity);
    }
}
