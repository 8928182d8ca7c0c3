/* SPDX-License-Identifier: PostgreSQL */
#include "core/nodes/parcel.h"

#define ABSENT UINT32_MAX

/* ---- writing ---- */

static void put_number(struct buf *out, uint64_t number, unsigned n_bytes)
{
    char bytes[8];
    for (unsigned i = 0; i < n_bytes; i++) {
        bytes[i] = (char)(number >> (8 * (n_bytes - 1 - i)));
    }
    buf_add(out, bytes, n_bytes);
}

void parcel_put_u8(struct buf *out, uint8_t number)
{
    put_number(out, number, 1);
}

void parcel_put_u32(struct buf *out, uint32_t number)
{
    put_number(out, number, 4);
}

void parcel_put_u64(struct buf *out, uint64_t number)
{
    put_number(out, number, 8);
}

void parcel_put_str(struct buf *out, struct str text)
{
    parcel_put_u32(out, text.ptr ? (uint32_t)text.len : ABSENT);
    if (text.ptr) {
        buf_str(out, text);
    }
}

/* ---- reading ---- */

struct parcel parcel_of(struct str body)
{
    return (struct parcel){.rest = body};
}

/* Absent: there are not so many bytes left. */
static struct str take(struct parcel *parcel, size_t n)
{
    struct str taken = {parcel->rest.ptr, n};
    if (parcel->is_bad || n > parcel->rest.len) {
        parcel->is_bad = true;
        return (struct str){0};
    }
    parcel->rest.ptr += n;
    parcel->rest.len -= n;
    return taken;
}

static uint64_t take_number(struct parcel *parcel, unsigned n_bytes)
{
    struct str bytes = take(parcel, n_bytes);
    uint64_t number = 0;
    for (size_t i = 0; bytes.ptr && i < bytes.len; i++) {
        number = number << 8 | (unsigned char)bytes.ptr[i];
    }
    return number;
}

uint8_t parcel_u8(struct parcel *parcel)
{
    return (uint8_t)take_number(parcel, 1);
}

uint32_t parcel_u32(struct parcel *parcel)
{
    return (uint32_t)take_number(parcel, 4);
}

uint64_t parcel_u64(struct parcel *parcel)
{
    return take_number(parcel, 8);
}

struct str parcel_str(struct parcel *parcel)
{
    uint32_t len = parcel_u32(parcel);
    return len == ABSENT || parcel->is_bad ? (struct str){0} : take(parcel, len);
}

bool parcel_is_done(const struct parcel *parcel)
{
    return !parcel->is_bad && parcel->rest.len == 0;
}
