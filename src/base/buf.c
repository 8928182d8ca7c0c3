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

/* Apart from buf_reserve, so that those below it, which nearly always have room, do not carry it. */
static __attribute__((noinline)) void buf_grow(struct buf *buf, size_t more)
{
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

void buf_reserve(struct buf *buf, size_t more)
{
    if (more > buf->cap - buf->len)
        buf_grow(buf, more);
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
    buf_reserve(buf, FIRST_CAP);
    size_t room = buf->cap - buf->len;
    int len = vsnprintf(buf->data + buf->len, room, format, args);
    assert(len >= 0);
    if ((size_t)len >= room) { /* vsnprintf also wants room for its NUL */
        buf_reserve(buf, (size_t)len + 1);
        vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
    }
    buf->len += (size_t)len;
    va_end(again);
    va_end(args);
}

size_t buf_json_escape(unsigned char c, char out[BUF_JSON_ESCAPE_MAX])
{
    /* RFC 8259, section 7: these letters in the order of their meanings. */
    static const char letters[] = "bfnrt\"\\", meanings[] = "\b\f\n\r\t\"\\";
    static const char hex[] = "0123456789abcdef";
    if (c >= 0x20 && c != '"' && c != '\\') {
        out[0] = (char)c;
        return 1;
    }
    const char *meaning = c == 0 ? NULL : strchr(meanings, c);
    out[0] = '\\';
    if (meaning) {
        out[1] = letters[meaning - meanings];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return BUF_JSON_ESCAPE_MAX;
}

/* Of 8 bytes, whether one needs an escape: the usual tests for a byte of zero and one below n. */
static bool needs_escape(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    uint64_t found = (quote - ones) & ~quote;
    found |= (backslash - ones) & ~backslash;
    found |= (word - ones * 0x20) & ~word;
    return (found & ones << 7) != 0;
}

/* How many bytes in front need none. */
static size_t plain_len(const char *text, size_t len)
{
    size_t n = 0;
    uint64_t word;
    for (; len - n >= sizeof word; n += sizeof word) {
        memcpy(&word, text + n, sizeof word);
        if (needs_escape(word))
            break;
    }
    while (n < len && (unsigned char)text[n] >= 0x20 && text[n] != '"' && text[n] != '\\')
        n++;
    return n;
}

void buf_json_string(struct buf *buf, struct str text)
{
    buf_reserve(buf, text.len + 2);
    buf_char(buf, '"');
    while (text.len > 0) {
        size_t n = plain_len(text.ptr, text.len);
        buf_add(buf, text.ptr, n);
        if (n < text.len) {
            char escaped[BUF_JSON_ESCAPE_MAX];
            buf_add(buf, escaped, buf_json_escape((unsigned char)text.ptr[n++], escaped));
        }
        text = (struct str){text.ptr + n, text.len - n};
    }
    buf_char(buf, '"');
}

const char *buf_text(struct buf *buf)
{
    buf_reserve(buf, 1);
    buf->data[buf->len] = '\0';
    return buf->data;
}

struct str buf_span(const struct buf *buf)
{
    return (struct str){buf->data, buf->len};
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
