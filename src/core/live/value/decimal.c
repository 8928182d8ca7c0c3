/* SPDX-License-Identifier: PostgreSQL */
/* Postgres' numeric has up to 131072 digits before the point and 16383 behind it, and what a client
 * writes may have any exponent. So no number is ever computed or written out: one is taken apart,
 * and its parts are put so that bytes compare as numbers do.
 *
 *   class (negative, zero, positive …)   exponent, 4 bytes   digits
 *
 * Of two numbers with one exponent the one whose digits continue is further from zero: for positive
 * ones that is what memcmp says of a text and its beginning. For negative ones all is inverted, and
 * a last byte above all digits makes the beginning the greater one. */
#include "core/live/value/decimal.h"

#include <string.h>

#include "core/json_span.h"

enum { EXPONENT_MAX = 1000000000 };

enum class {
    CLASS_MINUS_INFINITY = 1,
    CLASS_NEGATIVE,
    CLASS_ZERO,
    CLASS_POSITIVE,
    CLASS_INFINITY,
    CLASS_NAN,
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What stands behind the e. */
static bool take_exponent(const char *p, const char *end, int64_t *out)
{
    int64_t number = 0;
    bool is_negative = p < end && *p == '-';
    p += p < end && (*p == '-' || *p == '+');
    for (; p < end; p++) {
        number = number * 10 + (*p - '0');
        if (number > EXPONENT_MAX) {
            return false;
        }
    }
    *out = is_negative ? -number : number;
    return true;
}

/* Without the zeros around, and the point if it is not between two of what is left. */
static struct str strip(const char *p, const char *end)
{
    while (p < end && (*p == '0' || *p == '.')) {
        p++;
    }
    while (end > p && (end[-1] == '0' || end[-1] == '.')) {
        end--;
    }
    return (struct str){p, (size_t)(end - p)};
}

bool decimal_parse(struct str text, struct decimal *out)
{
    if (!json_check_number(text)) {
        return false;
    }
    const char *p = text.ptr + (text.ptr[0] == '-'), *end = text.ptr + text.len;
    const char *stop = p, *point = NULL;
    int64_t exponent = 0;
    for (; stop < end && (is_digit(*stop) || *stop == '.'); stop++) {
        point = *stop == '.' ? stop : point;
    }
    if (stop < end && !take_exponent(stop + 1, end, &exponent)) {
        return false;
    }
    point = point ? point : stop;
    struct str digits = strip(p, stop);
    bool is_zero = digits.len == 0;
    bool has_point = !is_zero && point > digits.ptr && point < digits.ptr + digits.len;
    *out = (struct decimal){
        .is_negative = text.ptr[0] == '-' && !is_zero,
        .digits = digits,
        .n_digits = digits.len - has_point,
        .exponent = is_zero               ? 0
                    : point >= digits.ptr ? exponent + (point - digits.ptr)
                                          : exponent - (digits.ptr - point - 1),
    };
    return true;
}

size_t decimal_size(const struct decimal *number)
{
    size_t exponent = (size_t)(number->exponent < 0 ? -number->exponent : number->exponent);
    if (number->exponent < 0) {
        return number->n_digits + exponent;
    }
    return exponent > number->n_digits ? exponent : number->n_digits;
}

static void put_digits(struct buf *out, const struct decimal *number, unsigned char inverted)
{
    buf_reserve(out, number->digits.len);
    for (size_t i = 0; i < number->digits.len; i++) {
        if (number->digits.ptr[i] != '.') {
            buf_char(out, (char)((unsigned char)number->digits.ptr[i] ^ inverted));
        }
    }
}

void decimal_put_key(struct buf *out, const struct decimal *number)
{
    unsigned char inverted = number->is_negative ? 0xFF : 0;
    if (number->n_digits == 0) {
        buf_char(out, CLASS_ZERO);
        return;
    }
    buf_char(out, number->is_negative ? CLASS_NEGATIVE : CLASS_POSITIVE);
    uint32_t exponent = (uint32_t)(number->exponent + INT32_MAX);
    for (int shift = 24; shift >= 0; shift -= 8) {
        buf_char(out, (char)((exponent >> shift & 0xFF) ^ inverted));
    }
    put_digits(out, number, inverted);
    if (number->is_negative) {
        buf_char(out, (char)0xFF);
    }
}

bool decimal_put_word_key(struct buf *out, struct str word)
{
    char class = str_equals(word, STR("-Infinity"))  ? CLASS_MINUS_INFINITY
                 : str_equals(word, STR("Infinity")) ? CLASS_INFINITY
                 : str_equals(word, STR("NaN"))      ? CLASS_NAN
                                                     : 0;
    if (class != 0) {
        buf_char(out, class);
    }
    return class != 0;
}

void decimal_put_json(struct buf *out, const struct decimal *number)
{
    int64_t exponent = number->exponent - (int64_t)number->n_digits;
    if (number->n_digits == 0) {
        buf_char(out, '0');
        return;
    }
    if (number->is_negative) {
        buf_char(out, '-');
    }
    put_digits(out, number, 0);
    if (exponent != 0) {
        buf_char(out, 'e');
        buf_literal(out, exponent < 0 ? "-" : "");
        buf_u64(out, (uint64_t)(exponent < 0 ? -exponent : exponent));
    }
}
