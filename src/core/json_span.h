/* SPDX-License-Identifier: PostgreSQL */
/* A strict scanner of JSON texts (RFC 8259): says whether a text is one, and where the values of an
 * object lie. It builds nothing and allocates nothing. */
#ifndef HERALD_CORE_JSON_SPAN_H
#define HERALD_CORE_JSON_SPAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* Objects and arrays around each other: what clients may send, and what a column may hold. */
#define JSON_SPAN_DEPTH_MAX 128
#define JSON_CHECK_DEPTH_MAX 1024

enum json_kind {
    JSON_KIND_INVALID, /* not a JSON text, or too deep */
    JSON_KIND_NULL,
    JSON_KIND_FALSE,
    JSON_KIND_TRUE,
    JSON_KIND_NUMBER,
    JSON_KIND_STRING,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT,
};

struct json_member {
    struct str key; /* in: the decoded key that is wanted */
    struct str
        value; /* out: the bytes of its value, without blanks around; absent if there is none */
};

/* The kind of the text, which must be valid UTF-8. If it is an object, the wanted members get their
 * values; of several members with one key the last counts, as in JavaScript. All values are absent
 * if the text is no object. */
enum json_kind json_scan(struct str text, struct json_member *members, size_t n_members);

bool json_check(struct str text);        /* a JSON text; must be valid UTF-8 */
bool json_check_number(struct str text); /* a JSON number and nothing else */

/* The kind of a value that json_scan has found; INVALID for an absent one. */
enum json_kind json_kind_of(struct str value);

/* Decodes a string value (quotes included) into `out`, which has room for value.len bytes, and
 * writes the length. False if it holds half of a surrogate pair, which no UTF-8 can express. The
 * result may hold NUL bytes. */
bool json_unquote(struct str value, char *out, size_t *len);

#endif
