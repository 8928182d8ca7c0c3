/* SPDX-License-Identifier: PostgreSQL */
/* A growing byte buffer.
 *
 * It doubles, so appending n bytes one by one costs O(n) in all. It never shrinks by itself: a
 * buffer that lives as long as a connection must be released, not cleared, when the connection
 * falls idle. */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_CAP = 64 };

void buf_reserve(struct buf *buf, size_t more)
{
    if (more <= buf->cap - buf->len)
        return;
    size_t need;
    /* An overflowing sum becomes a size that mem_array refuses. */
    if (__builtin_add_overflow(buf->len, more, &need))
        need = SIZE_MAX;
    size_t cap = buf->cap > 0 ? buf->cap : FIRST_CAP;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
    buf->data = mem_array(buf->data, cap, 1);
    buf->cap = cap;
}

void buf_add(struct buf *buf, const void *data, size_t len)
{
    if (len == 0)
        return;
    buf_reserve(buf, len);
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
}

void buf_str(struct buf *buf, struct str text)
{
    buf_add(buf, text.ptr, text.len);
}

void buf_literal(struct buf *buf, const char *text)
{
    buf_add(buf, text, strlen(text));
}

void buf_char(struct buf *buf, char c)
{
    buf_reserve(buf, 1);
    buf->data[buf->len++] = c;
}

void buf_u64(struct buf *buf, uint64_t number)
{
    char digits[20]; /* 2^64-1 has 20 */
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    buf_add(buf, digits + at, sizeof digits - at);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    assert(len >= 0);
    buf_reserve(buf, (size_t)len + 1); /* vsnprintf wants room for its NUL */
    vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
    buf->len += (size_t)len;
    va_end(again);
    va_end(args);
}

/* The letter of the two-character escape of c, 'u' for one without, 0 if it stands for itself (RFC
 * 8259, section 7). */
static char json_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return c < 0x20 ? 'u' : 0;
    }
}

void buf_json_string(struct buf *buf, struct str text)
{
    static const char hex[] = "0123456789abcdef";
    size_t plain = 0; /* start of the stretch that needs no escape and is not appended yet */
    buf_char(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        char escape = json_escape(c);
        if (escape == 0)
            continue;
        buf_add(buf, text.ptr + plain, i - plain);
        plain = i + 1;
        buf_char(buf, '\\');
        buf_char(buf, escape);
        if (escape == 'u') {
            buf_literal(buf, "00");
            buf_char(buf, hex[c >> 4]);
            buf_char(buf, hex[c & 15]);
        }
    }
    if (plain < text.len)
        buf_add(buf, text.ptr + plain, text.len - plain);
    buf_char(buf, '"');
}

const char *buf_text(struct buf *buf)
{
    buf_reserve(buf, 1);
    buf->data[buf->len] = '\0';
    return buf->data;
}

void buf_consume(struct buf *buf, size_t len)
{
    assert(len <= buf->len);
    buf->len -= len;
    if (len > 0 && buf->len > 0)
        memmove(buf->data, buf->data + len, buf->len);
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
}

void buf_release(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}
