/* SPDX-License-Identifier: PostgreSQL */
/* Small walks over JSON text. jansson would write 1.10 as 1.1000000000000001 and 1e2 as 100.0, and
 * what a user's claims say about him is not ours to write anew. Nothing here judges the text: that
 * has been done, and so none of the walks can meet an unexpected end; they stop at it all the same.
 */
#include "auth/json_text.h"

#include <jansson.h>
#include <string.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind the string that begins at `at`. */
static size_t skip_string(struct str text, size_t at)
{
    for (at++; at < text.len && text.ptr[at] != '"'; at++) {
        at += text.ptr[at] == '\\';
    }
    return at < text.len ? at + 1 : text.len;
}

static size_t skip_blanks(struct str text, size_t at)
{
    while (at < text.len && is_blank(text.ptr[at])) {
        at++;
    }
    return at;
}

static size_t skip_value(struct str text, size_t at)
{
    size_t depth = 0;
    while (at < text.len) {
        char c = text.ptr[at];
        bool is_close = c == '}' || c == ']';
        if (depth == 0 && (is_close || c == ',' || is_blank(c))) {
            return at; /* behind a number or a word */
        }
        at = c == '"' ? skip_string(text, at) : at + 1;
        depth += c == '{' || c == '[';
        depth -= is_close;
        if (depth == 0 && (is_close || c == '"')) {
            return at;
        }
    }
    return at;
}

size_t json_depth(struct str text)
{
    size_t depth = 0, deepest = 0;
    for (size_t at = 0; at < text.len;) {
        char c = text.ptr[at];
        depth += c == '{' || c == '[';
        depth -= depth > 0 && (c == '}' || c == ']');
        deepest = depth > deepest ? depth : deepest;
        at = c == '"' ? skip_string(text, at) : at + 1;
    }
    return deepest;
}

/* `quoted` may be written with escapes. */
static bool is_name(struct str quoted, struct str name)
{
    struct str inner = {quoted.ptr + 1, quoted.len - 2};
    if (!memchr(inner.ptr, '\\', inner.len)) {
        return str_equals(inner, name);
    }
    json_t *decoded = json_loadb(quoted.ptr, quoted.len, JSON_DECODE_ANY, NULL);
    struct str text = {json_string_value(decoded), json_string_length(decoded)};
    bool is_same = text.ptr && str_equals(text, name);
    json_decref(decoded);
    return is_same;
}

static struct str find_member(struct str object, struct str name)
{
    size_t at = skip_blanks(object, 0) + 1; /* behind the brace */
    while (at < object.len) {
        size_t start = skip_blanks(object, at);
        if (start >= object.len || object.ptr[start] != '"') {
            break;
        }
        size_t end = skip_string(object, start);
        size_t value = skip_blanks(object, skip_blanks(object, end) + 1); /* behind the colon */
        size_t value_end = skip_value(object, value);
        if (is_name((struct str){object.ptr + start, end - start}, name)) {
            return (struct str){object.ptr + value, value_end - value};
        }
        at = skip_blanks(object, value_end) + 1; /* behind the comma */
    }
    return (struct str){0};
}

void json_value_text(struct str text, const struct json_path *path, struct buf *out)
{
    for (size_t i = 0; i < path->n && text.ptr; i++) {
        text = find_member(text, path->names[i]);
    }
    for (size_t at = 0; text.ptr && at < text.len;) {
        size_t end = text.ptr[at] == '"' ? skip_string(text, at) : at + 1;
        if (!is_blank(text.ptr[at])) {
            buf_add(out, text.ptr + at, end - at);
        }
        at = end;
    }
}
