/* SPDX-License-Identifier: PostgreSQL */
/* Record literals, read field by field. record_in takes more than record_out prints (blanks around
 * the parentheses, backslashes and quotes in the middle of a field); here only what is printed is a
 * record, because anything else means that the text is not what the shape says. */
#include "core/row/record.h"

bool literal_unquote(const char **p, const char *end, bool are_quotes_doubled,
                     struct buf *unescaped, struct str *out)
{
    const char *piece = *p;
    const char *start = piece;
    size_t mark = unescaped->len;
    for (const char *at = piece; at < end; at++) {
        if (*at != '"' && *at != '\\') {
            continue;
        }
        bool is_escape = at + 1 < end && (*at == '\\' || (are_quotes_doubled && at[1] == '"'));
        if (!is_escape && *at == '\\') {
            return false;
        }
        if (!is_escape) {
            *p = at + 1;
            if (piece == start) {
                *out = (struct str){start, (size_t)(at - start)};
                return true;
            }
            buf_add(unescaped, piece, (size_t)(at - piece));
            *out = (struct str){unescaped->data + mark, unescaped->len - mark};
            return true;
        }
        buf_add(unescaped, piece, (size_t)(at - piece));
        buf_char(unescaped, *++at);
        piece = at + 1;
    }
    return false;
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
    const char *start = reader->p;
    const char *p = start;
    for (; p < reader->end && *p != ','; p++) {
        if (*p == '"' || *p == '\\' || *p == '(' || *p == ')') {
            return false;
        }
    }
    *field = p > start ? (struct str){start, (size_t)(p - start)} : (struct str){0};
    reader->p = p;
    return true;
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
