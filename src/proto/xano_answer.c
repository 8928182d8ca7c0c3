/* SPDX-License-Identifier: PostgreSQL */
/* Answers to what a client asked, and errors. Where the client wrote a ref, it stands in `options`;
 * where it did not, an answer has not a byte that the stock client does not know. */
#include "proto/xano_answer.h"

#include "proto/xano_writer.h"

/* Behind the channel, if there is one. */
static void put_ref(struct writer *w, struct str ref, bool is_first)
{
    if (ref.ptr) {
        put(w, is_first ? STR("\"ref\":") : STR(",\"ref\":"));
        put_quoted(w, ref);
    }
}

/* The name of one, and its ref; either may be absent. */
static void put_about(struct writer *w, struct str channel, struct str ref)
{
    if (channel.ptr)
        put_channel(w, channel, (struct str){0});
    put_ref(w, ref, !channel.ptr);
}

static void write_joined(struct writer *w, const void *what)
{
    const struct protocol_joined *joined = what;
    put(w, STR("{\"action\":\"join\",\"client\":"));
    put(w, joined->client.ptr ? joined->client : STR("null"));
    put(w, STR(",\"options\":{"));
    put_channel(w, joined->channel, joined->view);
    put_ref(w, joined->ref, false);
    put(w, STR("},\"payload\":{\"epoch\":"));
    put_quoted(w, joined->epoch);
    put(w, STR(",\"offset\":"));
    put_u64(w, joined->offset);
    put(w, STR(",\"resumed\":"));
    put_bool(w, joined->is_resumed);
    put(w, STR(",\"gap\":"));
    put_bool(w, joined->is_gap);
    if (joined->ref.ptr) {
        put(w, STR(",\"limits\":{\"message_bytes\":"));
        put_u64(w, joined->message_bytes);
        put(w, STR(",\"durable\":"));
        put_bool(w, joined->is_durable);
        put(w, STR("}"));
    }
    put(w, STR("}}"));
}

struct frame *xano_joined(const struct protocol_joined *joined)
{
    return frame_of(write_joined, joined);
}

struct leaving {
    struct str channel, view, ref;
};

static void write_left(struct writer *w, const void *what)
{
    const struct leaving *leaving = what;
    put(w, STR("{\"action\":\"leave\",\"options\":{"));
    put_channel(w, leaving->channel, leaving->view);
    put_ref(w, leaving->ref, false);
    put(w, STR("},\"payload\":null}"));
}

struct frame *xano_left(struct str channel, struct str view, struct str ref)
{
    return frame_of(write_left, &(struct leaving){channel, view, ref});
}

/* Seconds with one digit behind the point, rounded up: who waits so long has waited enough. */
static void put_tenths(struct writer *w, uint32_t ms)
{
    uint32_t tenths = ms / 100 + (ms % 100 > 0);
    put_u64(w, tenths / 10);
    if (tenths % 10 > 0) {
        put(w, STR("."));
        put_u64(w, tenths % 10);
    }
}

static void write_error(struct writer *w, const void *what)
{
    const struct protocol_error *error = what;
    put(w, STR("{\"action\":\"error\",\"client\":null,\"options\":{"));
    put_about(w, error->channel, error->ref);
    put(w, STR("},\"payload\":{\"message\":"));
    put_quoted(w, str_of(error->text ? error->text : error_code_text(error->code)));
    put(w, STR(",\"code\":"));
    put_quoted(w, str_of(error_code_name(error->code)));
    if (error->retry_after_ms > 0) {
        put(w, STR(",\"retry_after\":"));
        put_tenths(w, error->retry_after_ms);
    }
    put(w, STR("}}"));
}

struct frame *xano_error(const struct protocol_error *error)
{
    return frame_of(write_error, error);
}

static void put_member(struct writer *w, bool *has_one, struct str name_and_value)
{
    if (*has_one)
        put(w, STR(","));
    put(w, name_and_value);
    *has_one = true;
}

static void write_receipt(struct writer *w, const void *what)
{
    const struct protocol_receipt *receipt = what;
    bool has_one = false;
    put(w, STR("{\"action\":\"receipt\",\"client\":null,\"options\":{"));
    put_about(w, receipt->channel, receipt->ref);
    if (receipt->epoch.ptr) {
        put(w, STR(",\"id\":"));
        put_u64(w, receipt->offset);
    }
    put(w, STR("},\"payload\":{"));
    if (receipt->epoch.ptr) {
        put_member(w, &has_one, STR("\"epoch\":"));
        put_quoted(w, receipt->epoch);
        put(w, STR(",\"offset\":"));
        put_u64(w, receipt->offset);
    }
    if (receipt->is_duplicate)
        put_member(w, &has_one, STR("\"duplicate\":true"));
    if (receipt->is_dropped)
        put_member(w, &has_one, STR("\"dropped\":true"));
    put(w, STR("}}"));
}

struct frame *xano_receipt(const struct protocol_receipt *receipt)
{
    return frame_of(write_receipt, receipt);
}

static void write_pong(struct writer *w, const void *what)
{
    const struct str *ref = what;
    put(w, STR("{\"action\":\"pong\",\"client\":null,\"options\":{"));
    put_ref(w, *ref, true);
    put(w, STR("},\"payload\":null}"));
}

struct frame *xano_pong(struct str ref)
{
    return frame_of(write_pong, &ref);
}

struct transaction {
    struct str ref;
    uint64_t xid;
};

static void write_txid(struct writer *w, const void *what)
{
    const struct transaction *transaction = what;
    put(w, STR("{\"action\":\"txid\",\"client\":null,\"options\":{"));
    put_ref(w, transaction->ref, true);
    put(w, STR("},\"payload\":\""));
    put_u64(w, transaction->xid);
    put(w, STR("\"}"));
}

struct frame *xano_txid(struct str ref, uint64_t xid)
{
    return frame_of(write_txid, &(struct transaction){ref, xid});
}

static void write_token(struct writer *w, const void *what)
{
    const struct protocol_renewal *renewal = what;
    put(w, STR("{\"action\":\"token\",\"client\":"));
    put(w, renewal->client);
    put(w, STR(",\"options\":{"));
    put_ref(w, renewal->ref, true);
    put(w, STR("},\"payload\":{\"expires_at\":"));
    if (renewal->expires_at.ptr)
        put_quoted(w, renewal->expires_at);
    else
        put(w, STR("null"));
    put(w, STR("}}"));
}

struct frame *xano_token(const struct protocol_renewal *renewal)
{
    return frame_of(write_token, renewal);
}
