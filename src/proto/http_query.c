/* SPDX-License-Identifier: PostgreSQL */
/* Queries are looked at for a token, where that is switched on, and by the demo's sign-in. Only the
 * value is decoded: no parameter that we know has a name that needs it. */
#include "proto/http_query.h"

#include <string.h>

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;
    int value = at ? (int)(at - digits) : -1;
    return value < 16 ? value : value - 6;
}

static struct str percent_decode(struct str text, struct buf *decoded)
{
    buf_reserve(decoded, text.len + 1); /* so that an empty value is not an absent one */
    for (size_t i = 0; i < text.len; i++) {
        int high = -1, low = -1;
        if (text.ptr[i] == '%' && i + 2 < text.len) {
            high = hex_digit(text.ptr[i + 1]);
            low = hex_digit(text.ptr[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            buf_char(decoded, (char)(high * 16 + low));
            i += 2;
        } else {
            buf_char(decoded, text.ptr[i]);
        }
    }
    return (struct str){decoded->data, decoded->len};
}

struct str http_query_value(struct str query, const char *name, struct buf *decoded)
{
    size_t name_len = strlen(name);
    while (query.len > 0) {
        const char *end = memchr(query.ptr, '&', query.len);
        size_t len = end ? (size_t)(end - query.ptr) : query.len;
        if (len > name_len && memcmp(query.ptr, name, name_len) == 0 &&
            query.ptr[name_len] == '=') {
            return percent_decode((struct str){query.ptr + name_len + 1, len - name_len - 1},
                                  decoded);
        }
        size_t step = end ? len + 1 : len;
        query = (struct str){query.ptr + step, query.len - step};
    }
    return (struct str){0};
}
