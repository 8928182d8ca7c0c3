/* SPDX-License-Identifier: PostgreSQL */
/* hstore has a JSON of its own, with blanks: {"a": "1"}. It is kept, because that is what its cast
 * to json gives and what clients have seen so far. */
#include "core/row/hstore.h"

#include "core/row/record.h"

static bool take(struct str *rest, struct str word)
{
    if (!str_starts(*rest, word)) {
        return false;
    }
    rest->ptr += word.len;
    rest->len -= word.len;
    return true;
}

static bool put_quoted(struct buf *out, struct str *rest, struct buf *unescaped)
{
    const char *end = rest->ptr + rest->len;
    struct str text;
    unescaped->len = 0;
    if (!take(rest, STR("\"")) || !literal_unquote(&rest->ptr, end, false, unescaped, &text)) {
        return false;
    }
    rest->len = (size_t)(end - rest->ptr);
    buf_json_string(out, text);
    return true;
}

static bool put_pair(struct buf *out, struct str *rest, struct buf *unescaped)
{
    if (!put_quoted(out, rest, unescaped) || !take(rest, STR("=>"))) {
        return false;
    }
    buf_literal(out, ": ");
    if (take(rest, STR("NULL"))) {
        buf_literal(out, "null");
        return true;
    }
    return put_quoted(out, rest, unescaped);
}

bool hstore_put_json(struct buf *out, struct str text, struct buf *unescaped)
{
    buf_char(out, '{');
    while (text.len > 0) {
        if (!put_pair(out, &text, unescaped)) {
            return false;
        }
        if (text.len > 0) {
            if (!take(&text, STR(", ")) || text.len == 0) {
                return false;
            }
            buf_literal(out, ", ");
        }
    }
    buf_char(out, '}');
    return true;
}
