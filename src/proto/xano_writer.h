/* SPDX-License-Identifier: PostgreSQL */
/* Writing frames of the Xano wire; for xano.c, xano_answer.c and xano_presence.c.
 *
 * Each encoder is a function that writes its text through a struct writer, and it runs twice: first
 * only to count, then into a frame of exactly that size, behind the WebSocket header. So a frame is
 * one allocation and nothing is copied twice, and the two runs cannot disagree, because they are
 * the same code. What is JSON already (payloads, clients) is copied as it is, byte for byte; only
 * names and sentences are quoted here.
 *
 * Inline, for encoding an event is the dearest part of telling it. */
#ifndef HERALD_PROTO_XANO_WRITER_H
#define HERALD_PROTO_XANO_WRITER_H

#include <assert.h>
#include <string.h>

#include "base/buf.h"
#include "core/frame.h"
#include "proto/rfc6455.h"

struct writer {
    uint8_t *to; /* NULL: only count */
    size_t len;
};

typedef void write_fn(struct writer *w, const void *what);

static inline void put(struct writer *w, struct str text)
{
    if (w->to && text.len > 0)
        memcpy(w->to + w->len, text.ptr, text.len);
    w->len += text.len;
}

static inline void put_u64(struct writer *w, uint64_t number)
{
    char digits[20]; /* 2^64-1 has 20 */
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(w, (struct str){digits + at, sizeof digits - at});
}

static inline void put_bool(struct writer *w, bool is_true)
{
    put(w, is_true ? STR("true") : STR("false"));
}

static inline void put_quoted(struct writer *w, struct str text)
{
    size_t plain = 0; /* start of the stretch that stands for itself and is not put yet */
    put(w, STR("\""));
    for (size_t i = 0; i < text.len; i++) {
        char escaped[BUF_JSON_ESCAPE_MAX];
        size_t len = buf_json_escape((unsigned char)text.ptr[i], escaped);
        if (len == 1)
            continue;
        put(w, (struct str){text.ptr + plain, i - plain});
        put(w, (struct str){escaped, len});
        plain = i + 1;
    }
    if (plain < text.len)
        put(w, (struct str){text.ptr + plain, text.len - plain});
    put(w, STR("\""));
}

static inline struct frame *frame_for(const struct audience *audience, write_fn *write,
                                      const void *what)
{
    struct writer counter = {0};
    uint8_t header[RFC6455_HEADER_MAX];
    write(&counter, what);
    size_t header_len = rfc6455_header(header, RFC6455_OPCODE_TEXT, counter.len);
    struct frame *frame = frame_new(header_len + counter.len, audience);
    memcpy(frame->bytes, header, header_len);
    struct writer writer = {.to = frame->bytes + header_len};
    write(&writer, what);
    assert(writer.len == counter.len);
    return frame;
}

static inline struct frame *frame_of(write_fn *write, const void *what)
{
    return frame_for(NULL, write, what);
}

static inline void put_channel(struct writer *w, struct str channel, struct str view)
{
    put(w, STR("\"channel\":"));
    put_quoted(w, channel);
    if (view.ptr) {
        put(w, STR(",\"view\":"));
        put_quoted(w, view);
    }
}

#endif
