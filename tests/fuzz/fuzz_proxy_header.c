/* SPDX-License-Identifier: PostgreSQL */
/* The reader of PROXY headers: nothing that was read as a prefix is read otherwise when more comes,
 * and no header is longer than what was given or than we take. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From memory of that very size: a read behind it is seen. */
static enum proxy_header_state read_first(const uint8_t *data, size_t len, struct proxy_header *out)
{
    uint8_t *copy = mem_alloc(len > 0 ? len : 1);
    memcpy(copy, data, len);
    enum proxy_header_state state = proxy_header_read(copy, len, out);
    free(copy);
    return state;
}

static void check_same(const struct proxy_header *a, const struct proxy_header *b)
{
    assert(a->len == b->len && a->has_client == b->has_client);
    assert(!a->has_client || memcmp(&a->client, &b->client, sizeof(a->client)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header whole, part;
    enum proxy_header_state state = read_first(data, size, &whole);
    size_t step = size > 300 ? size / 100 : 1;
    if (state == PROXY_HEADER_COMPLETE) {
        assert(whole.len >= 15 && whole.len <= size && whole.len <= PROXY_HEADER_MAX);
        assert(data[0] != 'P' || whole.len <= PROXY_HEADER_V1_MAX);
        assert(read_first(data, whole.len, &part) == PROXY_HEADER_COMPLETE);
        check_same(&whole, &part);
        assert(read_first(data, whole.len - 1, &part) == PROXY_HEADER_INCOMPLETE);
    }
    assert(state != PROXY_HEADER_INCOMPLETE || size < PROXY_HEADER_MAX);
    bool was_bad = false;
    for (size_t len = 0; len <= size; len += step) {
        enum proxy_header_state early = read_first(data, len, &part);
        assert(!was_bad || early == PROXY_HEADER_BAD);
        was_bad = early == PROXY_HEADER_BAD;
        assert(early == PROXY_HEADER_INCOMPLETE || early == state);
        if (early == PROXY_HEADER_COMPLETE) {
            check_same(&whole, &part);
        }
    }
    return 0;
}
