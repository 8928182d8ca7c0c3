/* SPDX-License-Identifier: PostgreSQL */
/* Who writes is authenticated, but may be another version: so each field is looked at before anybody is
 * shown it. What a client is sent must be JSON, or it would make its whole frame none. */
#include "core/hub/presence/nodes/op.h"

#include <string.h>

#include "base/hash.h"
#include "base/id.h"
#include "core/channel_name.h"
#include "core/json_span.h"

enum { STATE_BYTES = 1024 };

static void write_what_it_is(struct buf *out, const struct op *op)
{
    parcel_put_u8(out, op->flags);
    parcel_put_u64(out, op->since_ms);
    parcel_put_u32(out, (uint32_t)op->dbo_id);
    parcel_put_str(out, op->row_id);
    parcel_put_str(out, op->client);
    parcel_put_str(out, op->state);
}

void op_write(struct buf *out, const struct op *op)
{
    parcel_put_u8(out, (uint8_t)op->kind);
    parcel_put_str(out, op->socket_id);
    if (op->kind != OP_ADOPT) {
        parcel_put_str(out, op->channel);
    }
    switch (op->kind) {
    case OP_ENTER:
        write_what_it_is(out, op);
        break;
    case OP_LEAVE:
    case OP_FLAGS:
        parcel_put_u8(out, op->flags);
        break;
    case OP_STATE:
        parcel_put_str(out, op->state);
        break;
    case OP_RENEW:
        parcel_put_str(out, op->client);
        break;
    case OP_ADOPT:
        parcel_put_u8(out, op->flags);
        parcel_put_u32(out, (uint32_t)op->dbo_id);
        parcel_put_str(out, op->row_id);
        break;
    }
}

/* ---- reading ---- */

static bool is_socket_id(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_alnum && c != '-' && c != '_') {
            return false;
        }
    }
    return text.len == ID_TEXT_SIZE - 1;
}

static bool is_object(struct str text, size_t most)
{
    return text.len > 0 && text.len <= most && text.ptr[0] == '{' && str_is_utf8(text) &&
           json_check(text);
}

static bool is_state(struct str text)
{
    return !text.ptr || is_object(text, STATE_BYTES);
}

static bool is_row_id(struct str text)
{
    return !text.ptr || (text.len > 0 && text.len <= CHANNEL_NAME_MAX);
}

static bool read_what_it_is(struct parcel *parcel, struct op *op)
{
    op->flags = parcel_u8(parcel);
    op->since_ms = parcel_u64(parcel);
    op->dbo_id = (int32_t)parcel_u32(parcel);
    op->row_id = parcel_str(parcel);
    op->client = parcel_str(parcel);
    op->state = parcel_str(parcel);
    return !parcel->is_bad && is_row_id(op->row_id) && is_object(op->client, OP_CLIENT_BYTES) &&
           is_state(op->state);
}

static bool read_rest(struct parcel *parcel, struct op *op)
{
    switch (op->kind) {
    case OP_ENTER:
        return read_what_it_is(parcel, op);
    case OP_LEAVE:
    case OP_FLAGS:
        op->flags = parcel_u8(parcel);
        return true;
    case OP_STATE:
        op->state = parcel_str(parcel);
        return !parcel->is_bad && is_state(op->state);
    case OP_RENEW:
        op->client = parcel_str(parcel);
        return !parcel->is_bad && is_object(op->client, OP_CLIENT_BYTES);
    case OP_ADOPT:
        op->flags = parcel_u8(parcel);
        op->dbo_id = (int32_t)parcel_u32(parcel);
        op->row_id = parcel_str(parcel);
        return op->row_id.ptr && is_row_id(op->row_id);
    }
    return false;
}

bool op_read(struct parcel *parcel, struct op *op)
{
    *op = (struct op){.kind = (enum op_kind)parcel_u8(parcel)};
    op->socket_id = parcel_str(parcel);
    if (op->kind != OP_ADOPT) {
        op->channel = parcel_str(parcel);
    }
    return is_socket_id(op->socket_id) &&
           (op->kind == OP_ADOPT || channel_name_is_valid(op->channel)) && read_rest(parcel, op) &&
           !parcel->is_bad;
}

uint64_t op_hash(const struct op *op, struct buf *scratch)
{
    static const uint64_t key[2] = {UINT64_C(0x7067686572616c64), UINT64_C(0x6c69737473000001)};
    struct op whole = *op;
    whole.kind = OP_ENTER;
    buf_clear(scratch);
    op_write(scratch, &whole);
    return hash_keyed(key, scratch->data, scratch->len);
}
