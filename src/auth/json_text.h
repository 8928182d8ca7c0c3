/* SPDX-License-Identifier: PostgreSQL */
/* What a JSON parser does not say: how deep a text is nested before it is parsed, and how a value
 * was written after it was. */
#ifndef HERALD_AUTH_JSON_TEXT_H
#define HERALD_AUTH_JSON_TEXT_H

#include "base/buf.h"
#include "base/str.h"

#define JSON_PATH_MAX 8

/* The names of members, from the outermost object inwards. */
struct json_path {
    struct str names[JSON_PATH_MAX];
    size_t n;
};

/* Brackets outside of strings; for a text that is not JSON some number. A parser that calls itself
 * for each level must not see a text that a stranger nested at will. */
size_t json_depth(struct str text);
/* Appends the value at the end of `path` as it is written, without the blanks between its tokens:
 * 1.10 stays 1.10. `text` must be an object that a parser has taken, without duplicate members, and
 * the path must be there. */
void json_value_text(struct str text, const struct json_path *path, struct buf *out);

#endif
