/* SPDX-License-Identifier: PostgreSQL */
/* Counted over all workers. Only identities that name a row of a table are users: claims without
 * one could be anybody's. */
#include "core/hub/ground/users.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

struct user {
    UT_hash_handle hh;
    uint32_t n_sessions;
    size_t key_len;
    char key[]; /* dbo_id as it lies in memory, row_id */
};

bool user_take(struct hub *hub, struct session *session)
{
    const struct identity *identity = session->identity;
    uint32_t most = hub->options.max_user_sessions;
    if (!identity || !identity->row_id.ptr || session->user) {
        return true;
    }
    struct buf key = {0};
    struct user *user;
    buf_add(&key, &identity->dbo_id, sizeof(identity->dbo_id));
    buf_str(&key, identity->row_id);
    HASH_FIND(hh, hub->users, key.data, key.len, user);
    if (!user) {
        user = mem_zalloc(sizeof(*user) + key.len);
        user->key_len = key.len;
        memcpy(user->key, key.data, key.len);
        HASH_ADD_KEYPTR(hh, hub->users, user->key, user->key_len, user);
    }
    buf_release(&key);
    if (most > 0 && user->n_sessions >= most) {
        return false;
    }
    user->n_sessions++;
    session->user = user;
    return true;
}

static void user_forget(struct hub *hub, struct user *user)
{
    HASH_DEL(hub->users, user);
    free(user);
}

void user_give(struct hub *hub, struct session *session)
{
    struct user *user = session->user;
    session->user = NULL;
    if (user && --user->n_sessions == 0) {
        user_forget(hub, user);
    }
}

void user_release_all(struct hub *hub)
{
    struct user *user, *next;
    HASH_ITER(hh, hub->users, user, next)
    {
        user_forget(hub, user);
    }
}
