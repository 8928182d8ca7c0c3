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

/* Cuts the next parameter off. */
static struct str next_parameter(struct str *query)
{
    const char *end = memchr(query->ptr, '&', query->len);
    struct str parameter = {query->ptr, end ? (size_t)(end - query->ptr) : query->len};
    size_t step = end ? parameter.len + 1 : parameter.len;
    *query = (struct str){query->ptr + step, query->len - step};
    return parameter;
}

struct str http_query_value(struct str query, const char *name, struct buf *decoded)
{
    size_t len = strlen(name);
    while (query.len > 0) {
        struct str parameter = next_parameter(&query);
        if (parameter.len > len && memcmp(parameter.ptr, name, len) == 0 &&
            parameter.ptr[len] == '=') {
            return percent_decode((struct str){parameter.ptr + len + 1, parameter.len - len - 1},
                                  decoded);
        }
    }
    return (struct str){0};
}

bool http_query_has(struct str query, const char *name)
{
    size_t len = strlen(name);
    while (query.len > 0) {
        struct str parameter = next_parameter(&query);
        if (parameter.len >= len && memcmp(parameter.ptr, name, len) == 0 &&
            (parameter.len == len || parameter.ptr[len] == '=')) {
            return true;
        }
    }
    return false;
}
