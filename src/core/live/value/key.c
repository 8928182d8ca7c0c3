/* SPDX-License-Identifier: PostgreSQL */
/* One function a type. A key is made once per value and then only compared as bytes: by judges, by
 * the search in a list, by the hash of an index.
 *
 *   bool         one byte                    uuid      its 16 bytes
 *   int numeric  decimal.c                   date …    moment.c
 *   float4/8     the IEEE bits, turned so that their order is that of the numbers
 *   text text_c  the text                    char      the text without its trailing blanks
 *   enum         the index of the label
 *
 * A value that is not of the kind that the column prints is unfit, even if it could be read: it was
 * printed when the column had another type (core/row/json.c), or somebody wrote it that means
 * something else. */
#include "core/live/value/key.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/json_span.h"
#include "core/live/value/decimal.h"
#include "core/live/value/moment.h"
#include "core/live/value/value.h"

int key_compare(struct str a, struct str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static void put_big_endian(struct buf *out, uint64_t bits, int n_bytes)
{
    for (int shift = 8 * (n_bytes - 1); shift >= 0; shift -= 8) {
        buf_char(out, (char)(bits >> shift & 0xFF));
    }
}

static bool put_bool(struct buf *out, struct str json)
{
    enum json_kind kind = json_kind_of(json);
    if (kind != JSON_KIND_TRUE && kind != JSON_KIND_FALSE) {
        return false;
    }
    buf_char(out, kind == JSON_KIND_TRUE);
    return true;
}

/* Beside numbers a numeric may be a word. */
static bool put_decimal(struct buf *out, struct str text, bool has_words)
{
    struct decimal number;
    if (decimal_parse(text, &number)) {
        decimal_put_key(out, &number);
        return true;
    }
    return has_words && decimal_put_word_key(out, text);
}

/* As float8in and float4in: what is too large or too small for the type is refused. */
static bool read_number(struct str text, bool is_float4, double *out)
{
    char few[64], *copy = text.len < sizeof few ? few : mem_alloc(text.len + 1);
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    errno = 0;
    *out = is_float4 ? (double)strtof(copy, NULL) : strtod(copy, NULL);
    bool is_good = errno != ERANGE || (*out != 0 && !isinf(*out));
    if (copy != few) {
        free(copy);
    }
    return is_good;
}

static bool read_float(struct str text, bool is_float4, double *out)
{
    if (str_equals(text, STR("NaN"))) {
        *out = NAN;
    } else if (str_equals(text, STR("Infinity"))) {
        *out = INFINITY;
    } else if (str_equals(text, STR("-Infinity"))) {
        *out = -INFINITY;
    } else {
        return json_check_number(text) && read_number(text, is_float4, out);
    }
    return true;
}

static bool put_float(struct buf *out, struct str text, bool is_float4)
{
    const uint64_t sign = UINT64_C(1) << 63;
    double number;
    uint64_t bits;
    if (!read_float(text, is_float4, &number)) {
        return false;
    }
    number = number == 0 ? 0 : number; /* -0; NaN is above infinity as it is */
    memcpy(&bits, &number, sizeof bits);
    bits = (bits & sign) != 0 ? ~bits : bits | sign;
    put_big_endian(out, bits, 8);
    return true;
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef0123456789ABCDEF";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at ? (int)((at - digits) % 16) : -1;
}

/* As uuid_in: hyphens after each four digits may be there or not. */
static bool put_uuid(struct buf *out, struct str text)
{
    char bytes[16] = {0};
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool may_part = n > 0 && n < 32 && n % 4 == 0 && text.ptr[i - 1] != '-';
        int digit = hex_value(text.ptr[i]);
        if (text.ptr[i] == '-' && may_part) {
            continue;
        }
        if (digit < 0 || n == 32) {
            return false;
        }
        bytes[n / 2] = (char)(bytes[n / 2] << 4 | digit);
        n++;
    }
    if (n == 32) {
        buf_add(out, bytes, sizeof bytes);
    }
    return n == 32;
}

static bool put_char(struct buf *out, struct str text)
{
    while (text.len > 0 && text.ptr[text.len - 1] == ' ') {
        text.len--;
    }
    buf_str(out, text);
    return true;
}

static bool put_text(struct buf *out, struct str text)
{
    buf_str(out, text);
    return true;
}

static enum key_fit put_label(struct buf *out, const struct shape_column *column, struct str text)
{
    for (size_t i = 0; i < column->n_labels; i++) {
        if (str_equals(text, str_of(column->labels[i]))) {
            put_big_endian(out, i, 4);
            return KEY_FITS;
        }
    }
    return KEY_UNKNOWN;
}

static enum key_fit fit(bool does_fit)
{
    return does_fit ? KEY_FITS : KEY_UNFIT;
}

bool key_is_number(const struct shape_column *column)
{
    return column->compares == SHAPE_COMPARES_INT || column->compares == SHAPE_COMPARES_NUMERIC ||
           column->compares == SHAPE_COMPARES_FLOAT4 || column->compares == SHAPE_COMPARES_FLOAT8;
}

/* The text that the value is; false: it is of another kind. A number may be one in JSON too, all
 * others are texts. Nearly always it has no escapes, and is
 * used where it lies. */
static bool read_text(const struct shape_column *column, struct str json, struct buf *scratch,
                      struct str *out)
{
    enum json_kind kind = json_kind_of(json);
    *out = json;
    if (kind == JSON_KIND_NUMBER) {
        return key_is_number(column);
    }
    if (kind != JSON_KIND_STRING || json.len < 2) {
        return false;
    }
    *out = (struct str){json.ptr + 1, json.len - 2};
    if (!memchr(json.ptr, '\\', json.len)) {
        return !memchr(json.ptr, '\0', json.len);
    }
    buf_clear(scratch);
    bool is_text = json_scan(json, NULL, 0) == JSON_KIND_STRING && value_unquote(scratch, json);
    *out = buf_span(scratch);
    return is_text;
}

static enum key_fit put_read(struct buf *out, const struct shape_column *column, struct str text)
{
    switch (column->compares) {
    case SHAPE_COMPARES_INT:
    case SHAPE_COMPARES_NUMERIC:
        return fit(put_decimal(out, text, column->compares == SHAPE_COMPARES_NUMERIC));
    case SHAPE_COMPARES_FLOAT4:
    case SHAPE_COMPARES_FLOAT8:
        return fit(put_float(out, text, column->compares == SHAPE_COMPARES_FLOAT4));
    case SHAPE_COMPARES_UUID:
        return fit(put_uuid(out, text));
    case SHAPE_COMPARES_DATE:
        return fit(moment_put_date(out, text));
    case SHAPE_COMPARES_TIME:
        return fit(moment_put_time(out, text));
    case SHAPE_COMPARES_TIMESTAMP:
        return fit(moment_put_timestamp(out, text));
    case SHAPE_COMPARES_TIMESTAMPTZ:
        return fit(moment_put_timestamptz(out, text));
    case SHAPE_COMPARES_TEXT:
    case SHAPE_COMPARES_TEXT_C:
        return fit(put_text(out, text));
    case SHAPE_COMPARES_CHAR:
        return fit(put_char(out, text));
    case SHAPE_COMPARES_ENUM:
        return put_label(out, column, text);
    case SHAPE_COMPARES_NOT:
    case SHAPE_COMPARES_BOOL:
        break;
    }
    return KEY_UNFIT;
}

enum key_fit key_put(struct buf *out, const struct shape_column *column, struct str json,
                     struct buf *scratch)
{
    struct str text;
    if (column->compares == SHAPE_COMPARES_BOOL) {
        return fit(put_bool(out, json));
    }
    return read_text(column, json, scratch, &text) ? put_read(out, column, text) : KEY_UNFIT;
}
