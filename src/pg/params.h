/* SPDX-License-Identifier: PostgreSQL */
/* The parameters of one query, in binary: lengths are explicit, so any byte can be carried, and a
 * text[] needs no quoting. Zero-initialise it (`struct params params = {0}`), add in order, give it
 * to connection_query. */
#ifndef HERALD_PG_PARAMS_H
#define HERALD_PG_PARAMS_H

#include <libpq-fe.h>

#include "base/buf.h"

enum { PARAMS_MAX = 20 };

struct params {
    int n;
    Oid types[PARAMS_MAX];
    size_t starts[PARAMS_MAX]; /* in bytes */
    int lengths[PARAMS_MAX];   /* -1: NULL */
    struct buf bytes;
};

void params_text(struct params *params, struct str value);              /* an absent span is NULL */
void params_bytes(struct params *params, const void *data, size_t len); /* a bytea */
void params_bool(struct params *params, bool value);
void params_int(struct params *params, int32_t value);
void params_bigint(struct params *params, int64_t value);
void params_null_bigint(struct params *params);
/* A text[] of n elements: array_begin, n times array_add, array_end. Or a json[], by json_begin. */
void params_array_begin(struct params *params, size_t n);
void params_json_begin(struct params *params, size_t n);
void params_array_add(struct params *params, struct str element); /* an absent span is NULL */
void params_array_end(struct params *params);
void params_null_array(struct params *params); /* of whatever type is wanted there */
/* The same for an array of numbers of 64 bits. */
enum params_numbers { PARAMS_NUMBERS_BIGINT, PARAMS_NUMBERS_XID8 };
void params_numbers_begin(struct params *params, enum params_numbers type, size_t n);
void params_numbers_add(struct params *params, int64_t element);
void params_numbers_null(struct params *params);
/* The last parameter as it travels; borrowed until the next one is added. */
struct str params_last(const struct params *params);
void params_release(struct params *params);

#endif
