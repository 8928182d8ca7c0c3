/* SPDX-License-Identifier: PostgreSQL */
#include "pg/batch/heads.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* About 12 MB of heads. Asking for all those of a batch again costs a tenth of it. */
enum { HEADS_MAX = 100000 };

struct str head_name(const struct head *head)
{
    return (struct str){head->name, head->len};
}

struct head *heads_at(struct heads *heads, struct str name)
{
    struct head *head;
    HASH_FIND(hh, heads->by_name, name.ptr, name.len, head);
    if (!head) {
        head = mem_zalloc(sizeof(*head) + name.len);
        head->len = name.len;
        memcpy(head->name, name.ptr, name.len);
        HASH_ADD_KEYPTR(hh, heads->by_name, head->name, head->len, head);
    }
    return head;
}

void heads_bound(struct heads *heads)
{
    if (HASH_COUNT(heads->by_name) > HEADS_MAX) {
        heads_clear(heads);
    }
}

void heads_clear(struct heads *heads)
{
    struct head *head, *next;
    HASH_ITER(hh, heads->by_name, head, next)
    {
        HASH_DEL(heads->by_name, head);
        free(head);
    }
}
