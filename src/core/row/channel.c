/* SPDX-License-Identifier: PostgreSQL */
/* Templates: filled, and recognised.
 *
 * A name is taken apart without trying more than once: what stands behind a column is looked for
 * and the first place taken. A later one is never better. Values have none of the bytes / . * { },
 * so each of those in the name must come from a literal text, in order; were the later place needed
 * to cover one of them, the earlier would cover it too. The last text must stand at the end. */
#include "core/row/channel.h"

#include <string.h>

#include "core/row/json.h"

/* What would look like a level, a pattern or another value, and control characters: U+0001 to
 * U+001F, U+007F, and U+0080 to U+009F, which are C2 80 to C2 9F. Returns how many bytes. */
static size_t n_to_encode(const unsigned char *p, size_t left)
{
    switch (*p) {
    case '%':
    case '/':
    case '.':
    case '*':
    case '{':
    case '}':
    case 0x7f:
        return 1;
    case 0xc2:
        return left > 1 && p[1] < 0xa0 ? 2 : 0;
    default:
        return *p < 0x20 ? 1 : 0;
    }
}

/* Stops where the name is too long anyway. */
static void put_encoded(struct buf *name, struct str plain)
{
    static const char digits[] = "0123456789ABCDEF";
    const unsigned char *bytes = (const unsigned char *)plain.ptr;
    for (size_t i = 0; i < plain.len && name->len <= ROW_CHANNEL_MAX;) {
        size_t n = n_to_encode(bytes + i, plain.len - i);
        if (n == 0) {
            buf_char(name, plain.ptr[i++]);
        }
        for (; n > 0; n--, i++) {
            buf_char(name, '%');
            buf_char(name, digits[bytes[i] >> 4]);
            buf_char(name, digits[bytes[i] & 15]);
        }
    }
}

static enum row_channel put_parts(struct buf *name, const struct shape *shape,
                                  const struct str *values, struct buf *plain)
{
    for (size_t i = 0; i < shape->f.n_template; i++) {
        const struct shape_part *part = &shape->f.template[i];
        if (part->literal) {
            buf_literal(name, part->literal);
            continue;
        }
        if (!values[part->column].ptr) {
            return ROW_CHANNEL_NULL;
        }
        buf_clear(plain);
        if (!json_put_plain(plain, shape->f.columns[part->column].field.type,
                            values[part->column])) {
            return ROW_CHANNEL_STALE;
        }
        put_encoded(name, buf_span(plain));
    }
    return ROW_CHANNEL_OK;
}

enum row_channel row_channel_put(struct buf *name, const struct shape *shape,
                                 const struct str *values, struct buf *plain)
{
    enum row_channel result = put_parts(name, shape, values, plain);
    if (result == ROW_CHANNEL_OK && (name->len == 0 || name->len > ROW_CHANNEL_MAX)) {
        result = ROW_CHANNEL_BAD;
    }
    if (result != ROW_CHANNEL_OK) {
        buf_clear(name);
    }
    return result;
}

struct str shape_channel_prefix(const struct shape *shape)
{
    const char *literal = shape->f.template[0].literal;
    return literal ? str_of(literal) : STR("");
}

static bool is_value(const char *p, const char *end)
{
    for (; p < end; p++) {
        if (*p != '\0' && strchr("/.*{}", *p)) {
            return false;
        }
    }
    return true;
}

/* Where the literal text stands, which is the next thing behind a value or follows at once. */
static const char *find_literal(const char *p, const char *end, struct str literal,
                                bool is_behind_value, bool is_last)
{
    size_t left = (size_t)(end - p);
    if (left < literal.len) {
        return NULL;
    }
    const char *at = p;
    if (is_behind_value) {
        at = is_last ? end - literal.len : memmem(p, left, literal.ptr, literal.len);
    }
    return at && memcmp(at, literal.ptr, literal.len) == 0 && is_value(p, at) ? at : NULL;
}

bool shape_matches(const struct shape *shape, struct str name)
{
    const char *p = name.ptr;
    const char *end = name.ptr + name.len;
    bool is_behind_value = false;
    for (size_t i = 0; i < shape->f.n_template; i++) {
        const struct shape_part *part = &shape->f.template[i];
        if (!part->literal) {
            is_behind_value = true;
            continue;
        }
        struct str literal = str_of(part->literal);
        p = find_literal(p, end, literal, is_behind_value, i + 1 == shape->f.n_template);
        if (!p) {
            return false;
        }
        p += literal.len;
        is_behind_value = false;
    }
    return is_behind_value ? is_value(p, end) : p == end;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool put_decoded(struct buf *out, const char *p, const char *end)
{
    for (; p < end; p++) {
        int high = *p == '%' && end - p > 2 ? hex_digit(p[1]) : -1;
        int low = high >= 0 ? hex_digit(p[2]) : -1;
        if (*p == '%' && low < 0) {
            return false;
        }
        buf_char(out, *p == '%' ? (char)(high * 16 + low) : *p);
        p += *p == '%' ? 2 : 0;
    }
    return str_is_utf8(buf_span(out));
}

bool shape_channel_value(const struct shape *shape, struct str name, size_t part, struct buf *value)
{
    const char *p = name.ptr;
    const char *end = name.ptr + name.len;
    for (size_t i = 0; i < shape->f.n_template; i++) {
        const char *literal = shape->f.template[i].literal;
        bool is_last = i + 1 == shape->f.n_template;
        if (literal) {
            p += strlen(literal);
            continue;
        }
        const char *next = is_last ? NULL : shape->f.template[i + 1].literal;
        const char *stop =
            is_last ? end
            : next  ? find_literal(p, end, str_of(next), true, i + 2 == shape->f.n_template)
                    : NULL;
        if (!stop || i == part) {
            return stop && put_decoded(value, p, stop);
        }
        p = stop;
    }
    return false;
}
