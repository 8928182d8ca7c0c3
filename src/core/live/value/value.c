/* SPDX-License-Identifier: PostgreSQL */
/* A value is carried as JSON text: what it means is known only where it meets a column. */
#include "core/live/value/value.h"

#include <string.h>

#include "core/json_span.h"
#include "core/live/limits.h"
#include "core/live/value/decimal.h"

bool value_unquote(struct buf *out, struct str json)
{
    size_t len;
    if (json_kind_of(json) != JSON_KIND_STRING) {
        return false;
    }
    buf_reserve(out, json.len);
    char *text = out->data + out->len;
    if (!json_unquote(json, text, &len) || (len > 0 && memchr(text, '\0', len))) {
        return false;
    }
    out->len += len;
    return true;
}

static const char *put_text(struct buf *out, struct str json)
{
    struct buf text = {0};
    bool is_text = value_unquote(&text, json);
    if (is_text) {
        buf_json_string(out, buf_span(&text));
    }
    buf_release(&text);
    return is_text ? NULL : "a text with \\u0000 or half of a surrogate pair is in no column";
}

static const char *put_number(struct buf *out, struct str json)
{
    struct decimal number;
    if (!decimal_parse(json, &number) || decimal_size(&number) > FILTER_DIGITS_MAX) {
        return "a number has at most 1000 digits, those of its exponent's zeros included";
    }
    decimal_put_json(out, &number);
    return NULL;
}

const char *value_put(struct buf *out, struct str json)
{
    switch (json_kind_of(json)) {
    case JSON_KIND_STRING:
        return put_text(out, json);
    case JSON_KIND_NUMBER:
        return put_number(out, json);
    case JSON_KIND_TRUE:
    case JSON_KIND_FALSE:
        buf_str(out, json);
        return NULL;
    case JSON_KIND_NULL:
        return "null is never equal to anything: is it {\"is\": null}?";
    case JSON_KIND_INVALID:
    case JSON_KIND_ARRAY:
    case JSON_KIND_OBJECT:
        break;
    }
    return "a value is a text, a number, true or false";
}
