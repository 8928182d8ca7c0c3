/* SPDX-License-Identifier: PostgreSQL */
/* Values as JSON: the bytes of to_json(), but bigint and numeric as strings where the shape says
 * so, composites as objects, and of other types that are not built in the text. */
#ifndef HERALD_CORE_ROW_JSON_H
#define HERALD_CORE_ROW_JSON_H

#include "base/buf.h"
#include "core/row/type.h"

struct json_writer {
    struct buf *out;
    struct buf *levels; /* ROW_DEPTH_MAX, each for the texts that are unescaped at one depth */
    size_t limit;       /* of out->len: who passes it stops, and what stands in `out` is no JSON */
    bool are_numbers_text;
    bool is_stale; /* something did not fit its type, and became a string of its text */
    bool is_over;
};

/* Absent: null. The text must be valid UTF-8. `depth` is that of the levels in use: 0 for a column. */
void json_put(struct json_writer *writer, const struct row_type *type, struct str text,
              unsigned depth);
/* A label, of which the first in an object has no comma. */
void json_put_label(struct json_writer *writer, const struct row_field *field, bool is_first);

/* The value as it is spelled in a channel: as in JSON, without quotes and escapes; what is no
 * scalar as Postgres prints it. False: it does not fit its type. */
bool json_put_plain(struct buf *out, const struct row_type *type, struct str text);

#endif
