/* SPDX-License-Identifier: PostgreSQL */
#include "core/live/txid.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The number up to the next of this character, or up to the end; *text goes behind it. */
static bool take_number(struct str *text, char end, uint64_t *out)
{
    const char *at = text->len > 0 ? memchr(text->ptr, end, text->len) : NULL;
    size_t len = at ? (size_t)(at - text->ptr) : text->len;
    bool is_number = str_to_u64((struct str){text->ptr, len}, out);
    size_t step = at ? len + 1 : len;
    *text = (struct str){text->ptr + step, text->len - step};
    return is_number;
}

static bool take_list(struct str text, struct txid_snapshot *out)
{
    out->xip = mem_array(NULL, text.len / 2 + 1, sizeof(*out->xip));
    while (text.len > 0) {
        uint64_t least = out->n > 0 ? out->xip[out->n - 1] + 1 : out->xmin;
        uint64_t *xid = &out->xip[out->n];
        if (!take_number(&text, ',', xid) || *xid < least || *xid >= out->xmax) {
            return false;
        }
        out->n++;
    }
    return true;
}

bool txid_snapshot_parse(struct str text, struct txid_snapshot *out)
{
    *out = (struct txid_snapshot){0};
    bool is_snapshot = text.ptr && take_number(&text, ':', &out->xmin) &&
                       take_number(&text, ':', &out->xmax) && out->xmin <= out->xmax &&
                       take_list(text, out);
    if (!is_snapshot) {
        txid_snapshot_release(out);
    }
    return is_snapshot;
}

void txid_snapshot_release(struct txid_snapshot *snapshot)
{
    free(snapshot->xip);
    *snapshot = (struct txid_snapshot){0};
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

bool txid_snapshot_sees(const struct txid_snapshot *snapshot, uint64_t xid)
{
    if (xid < snapshot->xmin || xid >= snapshot->xmax) {
        return xid < snapshot->xmin;
    }
    return !bsearch(&xid, snapshot->xip, snapshot->n, sizeof(xid), compare);
}
