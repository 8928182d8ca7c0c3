/* SPDX-License-Identifier: PostgreSQL */
/* Numbers as they are written, without a limit to their precision: 0.D × 10^exponent, where the
 * digits D neither begin nor end with a zero. */
#ifndef HERALD_CORE_LIVE_VALUE_DECIMAL_H
#define HERALD_CORE_LIVE_VALUE_DECIMAL_H

#include "base/buf.h"

struct decimal {
    bool is_negative;
    struct str digits; /* a point may stand in between; empty: zero */
    size_t n_digits;
    int64_t exponent;
};

/* The grammar is that of JSON. False: none, or its exponent is beyond a thousand million. */
bool decimal_parse(struct str text, struct decimal *out);
/* How many digits it has when it is written without an exponent. */
size_t decimal_size(const struct decimal *number);
/* Bytes that compare (memcmp, then the shorter first) as the numbers do; the words are keys that
 * compare with them: below all, above all, and above that. */
void decimal_put_key(struct buf *out, const struct decimal *number);
bool decimal_put_word_key(struct buf *out, struct str word); /* -Infinity, Infinity, NaN */
/* The one spelling of a number, in JSON: digits, and an exponent if it is not 0. */
void decimal_put_json(struct buf *out, const struct decimal *number);

#endif
