/* SPDX-License-Identifier: PostgreSQL */
/* From events to frames: {"action", "client", "options", "payload"}, in this order. How they are
 * written is told in xano_writer.h; answers to what a client asked are xano_answer.c's.
 *
 * The client hands `options` to the application untouched, so that is where an event's position and
 * time travel. */
#include "proto/xano.h"

#include <string.h>

#include "base/buf.h"
#include "proto/xano_answer.h"
#include "proto/xano_presence.h"
#include "proto/xano_writer.h"

/* Is it an integer in its one usual spelling that a browser's number holds exactly (up to 2^53-1)?
 * Then clients get a number, as from Xano; else a string. */
static bool is_number_key(struct str row_id)
{
    uint64_t number;
    struct str digits = row_id;
    if (digits.len > 1 && digits.ptr[0] == '-') {
        digits.ptr++;
        digits.len--;
    }
    if (!str_to_u64(digits, &number) || number > (UINT64_C(1) << 53) - 1)
        return false;
    return digits.ptr[0] != '0' || row_id.len == 1;
}

/* The identity that a message is for, its key as in a client's permissions. */
static void put_to(struct writer *w, const struct audience *to)
{
    put(w, STR("\"to\":{\"dbo_id\":"));
    put_u64(w, (uint64_t)to->dbo_id);
    put(w, STR(",\"row_id\":"));
    if (is_number_key(to->row_id))
        put(w, to->row_id);
    else
        put_quoted(w, to->row_id);
    put(w, STR("},"));
}

/* A whole action, as it goes out alone or stands in a history. */
static void write_action(struct writer *w, const struct protocol_event *event, struct str view,
                         bool is_replayed)
{
    const struct event_fields *f = event->f;
    bool is_message = f->action == EVENT_ACTION_MESSAGE;
    put(w, is_message ? STR("{\"action\":\"message\",\"client\":")
                      : STR("{\"action\":\"event\",\"client\":"));
    put(w, f->client.ptr ? f->client : STR("null"));
    put(w, STR(",\"options\":{"));
    if (is_message) {
        put(w, STR("\"authenticated\":"));
        put_bool(w, f->audience.kind == AUDIENCE_AUTHENTICATED);
        put(w, STR(",\"socketId\":"));
        if (f->socket_id.ptr)
            put_quoted(w, f->socket_id);
        else
            put(w, STR("null"));
        put(w, STR(","));
        if (f->audience.kind == AUDIENCE_USER)
            put_to(w, &f->audience);
    }
    put_channel(w, f->channel, view);
    if (f->offset > 0) {
        put(w, STR(",\"id\":"));
        put_u64(w, f->offset);
        put(w, STR(",\"at\":"));
        put_quoted(w, f->at);
    }
    if (f->xid > 0) {
        put(w, STR(",\"txid\":\""));
        put_u64(w, f->xid);
        put(w, STR("\""));
    }
    if (event->moved) {
        put(w, STR(",\"moved\":"));
        put_quoted(w, str_of(event->moved));
    }
    if (is_replayed)
        put(w, STR(",\"replayed\":true"));
    put(w, STR("},\"payload\":"));
    put(w, event->payload);
    put(w, STR("}"));
}

struct alone {
    const struct protocol_event *event;
    struct str view;
    bool is_replayed;
};

static void write_alone(struct writer *w, const void *what)
{
    const struct alone *alone = what;
    write_action(w, alone->event, alone->view, alone->is_replayed);
}

static struct frame *encode_event(const struct protocol_event *event, struct str view,
                                  bool is_replayed)
{
    struct frame *frame =
        frame_for(&event->f->audience, write_alone, &(struct alone){event, view, is_replayed});
    frame->offset = event->f->offset;
    return frame;
}

struct place {
    struct str channel, view;
};

struct history {
    struct place place;
    const struct protocol_event *events;
    size_t n;
};

static void write_history(struct writer *w, const void *what)
{
    const struct history *history = what;
    put(w, STR("{\"action\":\"history\",\"client\":null,\"options\":{"));
    put_channel(w, history->place.channel, history->place.view);
    put(w, STR("},\"payload\":{\"history\":["));
    for (size_t i = 0; i < history->n; i++) {
        if (i > 0)
            put(w, STR(","));
        write_action(w, &history->events[i], (struct str){0}, false);
    }
    put(w, STR("]}}"));
}

static struct frame *encode_history(struct str channel, struct str view,
                                    const struct protocol_event *events, size_t n)
{
    return frame_of(write_history, &(struct history){{channel, view}, events, n});
}

static void write_snapshot(struct writer *w, const void *what)
{
    const struct protocol_snapshot *snapshot = what;
    put(w, STR("{\"action\":\"snapshot\",\"client\":null,\"options\":{"));
    put_channel(w, snapshot->channel, snapshot->view);
    put(w, STR("},\"payload\":{\"rows\":["));
    put(w, snapshot->rows);
    put(w, STR("]"));
    if (snapshot->reduced.len > 0) {
        put(w, STR(",\"reduced\":["));
        put(w, snapshot->reduced);
        put(w, STR("]"));
    }
    if (snapshot->is_first)
        put(w, STR(",\"first\":true"));
    put(w, STR(",\"last\":"));
    put_bool(w, snapshot->is_last);
    if (snapshot->is_last) {
        put(w, STR(",\"complete\":"));
        put_bool(w, snapshot->is_complete);
        put(w, STR(",\"epoch\":"));
        put_quoted(w, snapshot->epoch);
        put(w, STR(",\"offset\":"));
        put_u64(w, snapshot->offset);
    }
    put(w, STR("}}"));
}

static struct frame *encode_snapshot(const struct protocol_snapshot *snapshot)
{
    return frame_of(write_snapshot, snapshot);
}

static void encode_client(struct str socket_id, const struct identity *identity, void *out)
{
    struct buf *buf = out;
    int64_t dbo_id = identity ? identity->dbo_id : 0;
    struct str row_id = identity ? identity->row_id : (struct str){0};
    buf_literal(buf, "{\"socketId\":");
    buf_json_string(buf, socket_id);
    buf_literal(buf, ",\"extras\":");
    buf_str(buf, identity ? identity->extras : STR("{}"));
    buf_literal(buf, ",\"permissions\":{\"dbo_id\":");
    if (dbo_id < 0)
        buf_char(buf, '-');
    buf_u64(buf, dbo_id < 0 ? 0 - (uint64_t)dbo_id : (uint64_t)dbo_id);
    buf_literal(buf, ",\"row_id\":");
    if (!row_id.ptr)
        buf_char(buf, '0');
    else if (is_number_key(row_id))
        buf_str(buf, row_id);
    else
        buf_json_string(buf, row_id);
    buf_literal(buf, "}}");
}

const struct protocol xano_protocol = {
    .name = "xano",
    .decode = xano_decode,
    .client = encode_client,
    .event = encode_event,
    .joined = xano_joined,
    .left = xano_left,
    .history = encode_history,
    .snapshot = encode_snapshot,
    .presence_full = xano_presence_full,
    .presence_updates = xano_presence_updates,
    .error = xano_error,
    .receipt = xano_receipt,
    .pong = xano_pong,
    .txid = xano_txid,
    .token = xano_token,
};
