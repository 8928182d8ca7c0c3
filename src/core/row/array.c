/* SPDX-License-Identifier: PostgreSQL */
/* Array literals. Nothing recurses: dimensions are counted. Where a value begins the reader does
 * not care whether all rows of a dimension are of one length, as Postgres' always are. */
#include "core/row/array.h"

#include "core/row/record.h"

/* [1:2][-1:0]= */
static const char *skip_bounds(const char *p, const char *end)
{
    const char *start = p;
    while (p < end && (*p == '[' || *p == ']' || *p == ':' || *p == '-' || *p == '+' ||
                       (*p >= '0' && *p <= '9'))) {
        p++;
    }
    return p > start && *start == '[' && p < end && *p == '=' ? p + 1 : start;
}

struct array_reader array_open(struct str text, char delimiter)
{
    const char *end = text.ptr + text.len;
    return (struct array_reader){
        .p = skip_bounds(text.ptr, end),
        .end = end,
        .delimiter = delimiter,
        .last = ARRAY_TOKEN_END,
    };
}

static enum array_token take_element(struct array_reader *r, struct buf *unescaped,
                                     struct str *element)
{
    if (*r->p == '"') {
        r->p++;
        return literal_unquote(&r->p, r->end, false, unescaped, element) ? ARRAY_TOKEN_ELEMENT
                                                                         : ARRAY_TOKEN_BAD;
    }
    const char *start = r->p;
    while (r->p < r->end && *r->p != r->delimiter && *r->p != '}') {
        if (*r->p == '"' || *r->p == '\\' || *r->p == '{') {
            return ARRAY_TOKEN_BAD;
        }
        r->p++;
    }
    *element = (struct str){start, (size_t)(r->p - start)};
    if (element->len == 0) {
        return ARRAY_TOKEN_BAD;
    }
    if (str_equals(*element, STR("NULL"))) {
        *element = (struct str){0};
    }
    return ARRAY_TOKEN_ELEMENT;
}

static enum array_token take_open(struct array_reader *r)
{
    if (r->depth == ROW_DEPTH_MAX) {
        return ARRAY_TOKEN_BAD;
    }
    r->depth++;
    r->p++;
    return ARRAY_TOKEN_OPEN;
}

static enum array_token take_token(struct array_reader *r, struct buf *unescaped,
                                   struct str *element)
{
    bool is_behind_value = r->last == ARRAY_TOKEN_CLOSE || r->last == ARRAY_TOKEN_ELEMENT;
    if (r->depth == 0 && is_behind_value) {
        return r->p == r->end ? ARRAY_TOKEN_END : ARRAY_TOKEN_BAD;
    }
    if (r->p < r->end && *r->p == '}' && r->last != ARRAY_TOKEN_END) {
        r->depth--;
        r->p++;
        return ARRAY_TOKEN_CLOSE;
    }
    if (is_behind_value && (r->p == r->end || *r->p++ != r->delimiter)) {
        return ARRAY_TOKEN_BAD;
    }
    if (r->p == r->end) {
        return ARRAY_TOKEN_BAD;
    }
    if (*r->p == '{') {
        return take_open(r);
    }
    return r->depth == 0 ? ARRAY_TOKEN_BAD : take_element(r, unescaped, element);
}

enum array_token array_next(struct array_reader *reader, struct buf *unescaped, struct str *element)
{
    reader->last = take_token(reader, unescaped, element);
    return reader->last;
}
