/* SPDX-License-Identifier: PostgreSQL */
/* One function a kind. Each says whether the text fits the kind: what does not, because the column
 * has another type by now than the shape says, becomes a JSON string of its text as a whole, and
 * the writer remembers that. So the result is always JSON, and never a guess.
 *
 * The recursion is bounded twice: by the tree of types, which no row can change, and by the texts,
 * because each composite or array inside another doubles the quotes around it. */
#include "core/row/json.h"

#include <string.h>

#include "core/json_span.h"
#include "core/row/array.h"
#include "core/row/hstore.h"
#include "core/row/record.h"
#include "core/row/time.h"

/* ---- scalars ---- */

static bool is_integer(struct str text)
{
    size_t sign = text.len > 0 && text.ptr[0] == '-' ? 1 : 0;
    if (text.len == sign || (text.ptr[sign] == '0' && text.len > sign + 1)) {
        return false;
    }
    for (size_t i = sign; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    return true;
}

static bool is_special_number(struct str text)
{
    return str_equals(text, STR("NaN")) || str_equals(text, STR("Infinity")) ||
           str_equals(text, STR("-Infinity"));
}

static bool put_if(struct buf *out, struct str text, bool does_fit)
{
    if (does_fit) {
        buf_str(out, text);
    }
    return does_fit;
}

static bool put_bool(struct buf *out, struct str text)
{
    bool is_true = str_equals(text, STR("t"));
    if (!is_true && !str_equals(text, STR("f"))) {
        return false;
    }
    buf_str(out, is_true ? STR("true") : STR("false"));
    return true;
}

bool json_put_plain(struct buf *out, const struct row_type *type, struct str text)
{
    switch (type->kind) {
    case ROW_KIND_BOOL:
        return put_bool(out, text);
    case ROW_KIND_INT:
    case ROW_KIND_BIGINT:
        return put_if(out, text, is_integer(text));
    case ROW_KIND_NUMERIC:
    case ROW_KIND_FLOAT:
        return put_if(out, text, json_check_number(text) || is_special_number(text));
    case ROW_KIND_DATE:
        return time_put_date(out, text);
    case ROW_KIND_TIMESTAMP:
        return time_put_timestamp(out, text);
    case ROW_KIND_TIMESTAMPTZ:
        return time_put_timestamptz(out, text);
    case ROW_KIND_TSTZ_RANGE:
        return time_put_range(out, text);
    case ROW_KIND_TSTZ_MULTIRANGE:
        return time_put_multirange(out, text);
    case ROW_KIND_TEXT:
    case ROW_KIND_JSON:
    case ROW_KIND_HSTORE:
    case ROW_KIND_ARRAY:
    case ROW_KIND_VECTOR:
    case ROW_KIND_COMPOSITE:
        break;
    }
    buf_str(out, text);
    return true;
}

/* ---- JSON ---- */

/* Who passes the limit has no more than one value too much in memory. */
static bool has_room(struct json_writer *w, size_t len)
{
    w->is_over = w->is_over || w->out->len > w->limit || len > w->limit - w->out->len;
    return !w->is_over;
}

static bool put_string(struct json_writer *w, struct str text)
{
    if (has_room(w, text.len)) {
        buf_json_string(w->out, text);
    }
    return true;
}

static bool put_verbatim(struct json_writer *w, struct str text)
{
    if (has_room(w, text.len)) {
        buf_str(w->out, text);
    }
    return true;
}

/* As a JSON string of what has nothing to be escaped. */
static bool put_quoted(struct json_writer *w, const struct row_type *type, struct str text)
{
    if (!has_room(w, text.len)) {
        return true;
    }
    buf_char(w->out, '"');
    bool does_fit = json_put_plain(w->out, type, text);
    buf_char(w->out, '"');
    return does_fit;
}

static bool put_number(struct json_writer *w, const struct row_type *type, struct str text)
{
    bool is_bigint = type->kind == ROW_KIND_BIGINT;
    bool is_number = is_bigint ? is_integer(text) : json_check_number(text);
    if (!is_number && (is_bigint || !is_special_number(text))) {
        return false;
    }
    bool is_string = !is_number || (w->are_numbers_text && type->kind != ROW_KIND_FLOAT);
    return is_string ? put_string(w, text) : put_verbatim(w, text);
}

static bool put_range(struct json_writer *w, const struct row_type *type, struct str text,
                      unsigned depth)
{
    struct buf *level = &w->levels[depth];
    buf_clear(level);
    return json_put_plain(level, type, text) && put_string(w, buf_span(level));
}

static bool put_array(struct json_writer *w, const struct row_type *type, struct str text,
                      unsigned depth)
{
    struct array_reader reader = array_open(text, type->delimiter);
    struct buf *level = &w->levels[depth];
    struct str element;
    bool is_first = true;
    while (!w->is_over) {
        buf_clear(level);
        enum array_token token = array_next(&reader, level, &element);
        if (token == ARRAY_TOKEN_BAD || token == ARRAY_TOKEN_END) {
            return token == ARRAY_TOKEN_END;
        }
        if (token != ARRAY_TOKEN_CLOSE && !is_first) {
            buf_char(w->out, ',');
        }
        if (token == ARRAY_TOKEN_ELEMENT) {
            json_put(w, type->element, element, depth + 1);
        } else if (has_room(w, 1)) {
            buf_char(w->out, token == ARRAY_TOKEN_OPEN ? '[' : ']');
        }
        is_first = token == ARRAY_TOKEN_OPEN;
    }
    return true;
}

/* 1 2 3, and nothing for none */
static bool put_vector(struct json_writer *w, const struct row_type *type, struct str text,
                       unsigned depth)
{
    const char *end = text.ptr + text.len;
    buf_char(w->out, '[');
    for (const char *p = text.ptr; p < end && !w->is_over;) {
        const char *blank = memchr(p, ' ', (size_t)(end - p));
        const char *stop = blank ? blank : end;
        if (stop == p || stop + 1 == end) {
            return false;
        }
        if (p > text.ptr) {
            buf_char(w->out, ',');
        }
        json_put(w, type->element, (struct str){p, (size_t)(stop - p)}, depth + 1);
        p = blank ? blank + 1 : end;
    }
    buf_char(w->out, ']');
    return true;
}

void json_put_label(struct json_writer *writer, const struct row_field *field, bool is_first)
{
    buf_add(writer->out, field->label + is_first, field->label_len - is_first);
}

static bool put_composite(struct json_writer *w, const struct row_type *type, struct str text,
                          unsigned depth)
{
    struct record_reader reader;
    struct buf *level = &w->levels[depth];
    if (!record_open(&reader, text)) {
        return false;
    }
    buf_char(w->out, '{');
    for (size_t i = 0; i < type->n_fields && !w->is_over; i++) {
        struct str field;
        buf_clear(level);
        if (!record_next(&reader, level, &field)) {
            return false;
        }
        json_put_label(w, &type->fields[i], i == 0);
        json_put(w, type->fields[i].type, field, depth + 1);
    }
    buf_char(w->out, '}');
    return w->is_over || record_is_over(&reader, type->n_fields);
}

static bool put_value(struct json_writer *w, const struct row_type *type, struct str text,
                      unsigned depth)
{
    switch (type->kind) {
    case ROW_KIND_TEXT:
        return put_string(w, text);
    case ROW_KIND_BOOL:
        return put_bool(w->out, text);
    case ROW_KIND_INT:
        return is_integer(text) && put_verbatim(w, text);
    case ROW_KIND_BIGINT:
    case ROW_KIND_NUMERIC:
    case ROW_KIND_FLOAT:
        return put_number(w, type, text);
    case ROW_KIND_DATE:
    case ROW_KIND_TIMESTAMP:
    case ROW_KIND_TIMESTAMPTZ:
        return put_quoted(w, type, text);
    case ROW_KIND_JSON:
        return json_check(text) && put_verbatim(w, text);
    case ROW_KIND_HSTORE:
        return hstore_put_json(w->out, text, &w->levels[depth]);
    case ROW_KIND_ARRAY:
        return put_array(w, type, text, depth);
    case ROW_KIND_VECTOR:
        return put_vector(w, type, text, depth);
    case ROW_KIND_TSTZ_RANGE:
    case ROW_KIND_TSTZ_MULTIRANGE:
        return put_range(w, type, text, depth);
    case ROW_KIND_COMPOSITE:
        return put_composite(w, type, text, depth);
    }
    return false;
}

void json_put(struct json_writer *writer, const struct row_type *type, struct str text,
              unsigned depth)
{
    size_t mark = writer->out->len;
    if (!text.ptr) {
        buf_literal(writer->out, "null");
    } else if (depth >= ROW_DEPTH_MAX || !put_value(writer, type, text, depth)) {
        writer->out->len = mark;
        writer->is_stale = true;
        put_string(writer, text);
    }
    has_room(writer, 0);
}
