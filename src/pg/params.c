/* SPDX-License-Identifier: PostgreSQL */
/* Parameters in Postgres's binary format.
 *
 * Messages come from strangers and go into text[] parameters by the thousand. In text format each
 * element would be quoted here and unquoted there; in binary it is a length and the bytes. The
 * layout of an array is that of array_recv (src/backend/utils/adt/arrayfuncs.c): number of
 * dimensions, has-NULLs flag, element type, then per dimension its size and lower bound, then each
 * element as length and bytes, length -1 for NULL. All numbers are 32 bits in network order. */
#include "pg/params.h"

#include <assert.h>
#include <endian.h>
#include <limits.h>
#include <string.h>

/* From pg_type.dat; built-in types keep their numbers for ever. */
enum {
    TYPE_BOOL = 16,
    TYPE_BYTEA = 17,
    TYPE_INT8 = 20,
    TYPE_INT4 = 23,
    TYPE_TEXT = 25,
    TYPE_JSON = 114,
    TYPE_JSON_ARRAY = 199,
    TYPE_TEXT_ARRAY = 1009,
    TYPE_INT8_ARRAY = 1016,
    TYPE_XID8 = 5069,
    TYPE_XID8_ARRAY = 271,
};
enum { HAS_NULLS_AT = 4 }; /* byte position of the flag in an array */

static void add_u32(struct buf *buf, uint32_t value)
{
    uint32_t wire = htobe32(value);
    buf_add(buf, &wire, sizeof(wire));
}

static void add_u64(struct buf *buf, uint64_t value)
{
    uint64_t wire = htobe64(value);
    buf_add(buf, &wire, sizeof(wire));
}

static void param_begin(struct params *params, Oid type)
{
    assert(params->n < PARAMS_MAX);
    params->types[params->n] = type;
    params->starts[params->n] = params->bytes.len;
}

static void param_end(struct params *params)
{
    size_t len = params->bytes.len - params->starts[params->n];
    assert(len <= INT_MAX); /* what makes parameters big is capped far below */
    params->lengths[params->n++] = (int)len;
}

static void param_null(struct params *params, Oid type)
{
    param_begin(params, type);
    params->lengths[params->n++] = -1;
}

void params_text(struct params *params, struct str value)
{
    if (!value.ptr) {
        param_null(params, TYPE_TEXT);
        return;
    }
    param_begin(params, TYPE_TEXT);
    buf_str(&params->bytes, value);
    param_end(params);
}

void params_bytes(struct params *params, const void *data, size_t len)
{
    param_begin(params, TYPE_BYTEA);
    buf_add(&params->bytes, data, len);
    param_end(params);
}

void params_bool(struct params *params, bool value)
{
    param_begin(params, TYPE_BOOL);
    buf_char(&params->bytes, value ? 1 : 0);
    param_end(params);
}

void params_int(struct params *params, int32_t value)
{
    param_begin(params, TYPE_INT4);
    add_u32(&params->bytes, (uint32_t)value);
    param_end(params);
}

void params_bigint(struct params *params, int64_t value)
{
    param_begin(params, TYPE_INT8);
    add_u64(&params->bytes, (uint64_t)value);
    param_end(params);
}

void params_null_bigint(struct params *params)
{
    param_null(params, TYPE_INT8);
}

static void array_begin(struct params *params, Oid type, Oid element, size_t n)
{
    assert(n <= INT_MAX);
    param_begin(params, type);
    add_u32(&params->bytes, n > 0); /* an empty array has no dimension */
    add_u32(&params->bytes, 0);
    add_u32(&params->bytes, element);
    if (n > 0) {
        add_u32(&params->bytes, (uint32_t)n);
        add_u32(&params->bytes, 1);
    }
}

void params_array_begin(struct params *params, size_t n)
{
    array_begin(params, TYPE_TEXT_ARRAY, TYPE_TEXT, n);
}

void params_json_begin(struct params *params, size_t n)
{
    array_begin(params, TYPE_JSON_ARRAY, TYPE_JSON, n);
}

void params_null_array(struct params *params)
{
    param_null(params, InvalidOid);
}

void params_numbers_begin(struct params *params, enum params_numbers type, size_t n)
{
    if (type == PARAMS_NUMBERS_XID8) {
        array_begin(params, TYPE_XID8_ARRAY, TYPE_XID8, n);
    } else {
        array_begin(params, TYPE_INT8_ARRAY, TYPE_INT8, n);
    }
}

void params_numbers_add(struct params *params, int64_t element)
{
    add_u32(&params->bytes, sizeof(element));
    add_u64(&params->bytes, (uint64_t)element);
}

static void array_add_null(struct params *params)
{
    uint32_t flag = htobe32(1);
    memcpy(params->bytes.data + params->starts[params->n] + HAS_NULLS_AT, &flag, sizeof(flag));
    add_u32(&params->bytes, UINT32_MAX);
}

void params_numbers_null(struct params *params)
{
    array_add_null(params);
}

void params_array_add(struct params *params, struct str element)
{
    if (!element.ptr) {
        array_add_null(params);
        return;
    }
    assert(element.len <= INT_MAX);
    add_u32(&params->bytes, (uint32_t)element.len);
    buf_str(&params->bytes, element);
}

void params_array_end(struct params *params)
{
    param_end(params);
}

struct str params_last(const struct params *params)
{
    assert(params->n > 0 && params->lengths[params->n - 1] >= 0);
    return (struct str){params->bytes.data + params->starts[params->n - 1],
                        (size_t)params->lengths[params->n - 1]};
}

void params_release(struct params *params)
{
    buf_release(&params->bytes);
    *params = (struct params){0};
}
