/* SPDX-License-Identifier: PostgreSQL */
/* Spans of bytes: comparison, copies, UTF-8, decimal numbers, and the first line of a file.
 *
 * The UTF-8 check runs over every byte that a client sends, so it skips plain ASCII eight bytes at
 * a time and looks closely only at what is left. It accepts exactly what PostgreSQL accepts in a
 * UTF8 database (RFC 3629), except that U+0000 is valid here and impossible there: who stores text
 * must look for it himself. */
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct str str_of(const char *text)
{
    return text == NULL ? (struct str){0} : (struct str){text, strlen(text)};
}

bool str_equals(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_starts(struct str text, struct str prefix)
{
    return prefix.len == 0 ||
           (text.len >= prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

char *str_dup(struct str text)
{
    if (!text.ptr)
        return NULL;
    char *copy = mem_alloc(text.len + 1);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

/* The bytes of the multi-byte character at p, or 0 if there is no valid one in the `left` bytes.
 * The ranges of the second byte are those of RFC 3629, section 4: they keep out overlong forms,
 * surrogates and all over U+10FFFF. */
static size_t utf8_multibyte(const unsigned char *p, size_t left)
{
    unsigned char lead = p[0], low = 0x80, high = 0xBF;
    size_t size;
    if (lead >= 0xC2 && lead <= 0xDF) {
        size = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
        size = 3;
        low = lead == 0xE0 ? 0xA0 : low;
        high = lead == 0xED ? 0x9F : high;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
        size = 4;
        low = lead == 0xF0 ? 0x90 : low;
        high = lead == 0xF4 ? 0x8F : high;
    } else {
        return 0;
    }
    if (left < size || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    return size;
}

char *str_first_line(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return NULL;
    char *line = NULL;
    size_t size = 0;
    bool has_line = getline(&line, &size, file) >= 0;
    bool is_read = has_line || feof(file); /* a file without a byte has a line without one */
    int cause = errno;
    fclose(file);
    errno = cause;
    if (has_line)
        line[strcspn(line, "\r\n")] = '\0';
    else
        free(line);
    return has_line ? line : is_read ? mem_strdup("") : NULL;
}

bool str_is_utf8(struct str text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    size_t i = 0;
    while (i < text.len) {
        uint64_t word;
        if (text.len - i >= sizeof word) {
            memcpy(&word, p + i, sizeof word);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                i += sizeof word;
                continue;
            }
        }
        size_t size = p[i] < 0x80 ? 1 : utf8_multibyte(p + i, text.len - i);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}

bool str_to_u64(struct str text, uint64_t *out)
{
    uint64_t number = 0;
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c < '0' || c > '9')
            return false;
        if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t)(c - '0'), &number))
            return false;
    }
    *out = number;
    return true;
}
