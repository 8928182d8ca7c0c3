/* SPDX-License-Identifier: PostgreSQL */
/* Record literals, read field by field. record_in takes more than record_out prints (blanks around
 * the parentheses, backslashes and quotes in the middle of a field); here only what is printed is a
 * record, because anything else means that the text is not what the shape says. */
#include "core/row/record.h"

#include <string.h>

/* A word of which a byte may be a quote or a backslash (the usual test for a zero byte). */
static bool has_special(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t quote = word ^ ones * '"';
    uint64_t backslash = word ^ ones * '\\';
    return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) & ones << 7;
}

static const char *find_special(const char *p, const char *end)
{
    uint64_t word;
    while (end - p >= (ptrdiff_t)sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        if (has_special(word)) {
            break;
        }
        p += sizeof(word);
    }
    while (p < end && *p != '"' && *p != '\\') {
        p++;
    }
    return p;
}

bool literal_unquote(const char **p, const char *end, bool are_quotes_doubled,
                     struct buf *unescaped, struct str *out)
{
    const char *piece = *p;
    size_t mark = unescaped->len;
    const char *at = find_special(piece, end);
    while (at + 1 < end && (*at == '\\' || (are_quotes_doubled && at[1] == '"'))) {
        buf_add(unescaped, piece, (size_t)(at - piece));
        buf_char(unescaped, at[1]);
        piece = at + 2;
        at = find_special(piece, end);
    }
    if (at == end || *at == '\\') {
        return false;
    }
    *out = (struct str){piece, (size_t)(at - piece)};
    if (piece > *p) {
        buf_str(unescaped, *out);
        *out = (struct str){unescaped->data + mark, unescaped->len - mark};
    }
    *p = at + 1;
    return true;
}

bool record_open(struct record_reader *reader, struct str text)
{
    if (text.len < 2 || text.ptr[0] != '(' || text.ptr[text.len - 1] != ')') {
        return false;
    }
    *reader = (struct record_reader){.p = text.ptr + 1, .end = text.ptr + text.len - 1};
    return true;
}

/* Up to the next comma. What would have been quoted cannot stand here. */
static bool take_plain(struct record_reader *reader, struct str *field)
{
    static const bool stops[256] = {
        [','] = true, ['"'] = true, ['\\'] = true, ['('] = true, [')'] = true};
    const char *start = reader->p;
    const char *p = start;
    while (p < reader->end && !stops[(unsigned char)*p]) {
        p++;
    }
    *field = p > start ? (struct str){start, (size_t)(p - start)} : (struct str){0};
    reader->p = p;
    return p == reader->end || *p == ',';
}

bool record_next(struct record_reader *reader, struct buf *unescaped, struct str *field)
{
    if (reader->is_over) {
        return false;
    }
    if (reader->p < reader->end && *reader->p == '"') {
        reader->p++;
        if (!literal_unquote(&reader->p, reader->end, true, unescaped, field)) {
            return false;
        }
    } else if (!take_plain(reader, field)) {
        return false;
    }
    reader->is_over = reader->p == reader->end;
    return reader->is_over || *reader->p++ == ',';
}

bool record_is_over(const struct record_reader *reader, size_t n_read)
{
    return n_read == 0 ? reader->p == reader->end : reader->is_over;
}
