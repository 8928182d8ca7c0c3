/* SPDX-License-Identifier: PostgreSQL */
/* The WebSocket decoder. The first byte chooses one of two games:
 *
 *   raw: the rest is what a client sends. However it is cut into reads, the items that come out are
 * the same, keep the promises of rfc6455.h, and nothing is held when nothing is pending;
 *
 *   script: the rest says which frames a well-behaved client makes (message, fragments, pings
 * between them). What comes out must be exactly what went in. */
#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/rfc6455.h"

enum { MAX_BYTES = 2000, FIN = 0x80 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_item(const struct rfc6455_item *item)
{
    assert(item->payload.ptr != NULL);
    switch (item->type) {
    case RFC6455_ITEM_TEXT:
        assert(item->payload.len <= MAX_BYTES && str_is_utf8(item->payload));
        break;
    case RFC6455_ITEM_PING:
    case RFC6455_ITEM_PONG:
        assert(item->payload.len <= 125);
        break;
    case RFC6455_ITEM_CLOSE:
        assert(item->payload.len <= 123 && str_is_utf8(item->payload));
        assert(item->code >= 1000 && item->code <= 4999);
        break;
    case RFC6455_ITEM_ERROR:
        assert(item->code == 1002 || item->code == 1003 || item->code == 1007 ||
               item->code == 1009);
        assert(item->payload.len > 0);
        break;
    }
}

/* One read, from a block of exactly its size. The items' transcript: type, code, length, payload.
 */
static void feed(struct rfc6455_decoder *decoder, const uint8_t *data, size_t len,
                 struct buf *transcript)
{
    uint8_t *copy = mem_alloc(len);
    if (len > 0)
        memcpy(copy, data, len);
    struct rfc6455_input input = {copy, len};
    struct rfc6455_item item;
    bool is_over = false;
    while (rfc6455_decode(decoder, &input, MAX_BYTES, &item)) {
        assert(!is_over);
        check_item(&item);
        is_over = item.type == RFC6455_ITEM_CLOSE || item.type == RFC6455_ITEM_ERROR;
        buf_printf(transcript, "%d %u %zu ", (int)item.type, (unsigned)item.code, item.payload.len);
        buf_str(transcript, item.payload);
    }
    assert(input.len == 0);
    free(copy);
    bool is_pending = (decoder->has_header && decoder->frame_done > 0) || decoder->in_message;
    assert(decoder->data == NULL || is_pending);
    assert(decoder->cap <= 2 * MAX_BYTES + 4096);
}

static void decode(const uint8_t *wire, size_t len, size_t first, size_t step,
                   struct buf *transcript)
{
    struct rfc6455_decoder decoder = {0};
    size_t piece = first < len ? first : len;
    for (size_t at = 0; at < len; at += piece, piece = step < len - at ? step : len - at)
        feed(&decoder, wire + at, piece, transcript);
    rfc6455_decoder_release(&decoder);
    assert(decoder.data == NULL);
}

/* All ways to cut must give what the whole gave. */
static void check_cuts(const uint8_t *wire, size_t len, struct buf *whole)
{
    decode(wire, len, len, len, whole);
    for (size_t cut = 0; cut < len + 1; cut += len / 16 + 1) {
        struct buf transcript = {0};
        decode(wire, len, cut == 0 ? 1 : cut, cut == 0 ? 1 : len, &transcript);
        assert(transcript.len == whole->len);
        assert(whole->len == 0 || memcmp(transcript.data, whole->data, whole->len) == 0);
        buf_release(&transcript);
    }
}

static void add_frame(struct buf *wire, unsigned first, const uint8_t *payload, size_t len,
                      uint8_t mask)
{
    uint8_t header[RFC6455_HEADER_MAX];
    size_t header_len = rfc6455_header(header, RFC6455_OPCODE_TEXT, len);
    const uint8_t key[4] = {mask, (uint8_t)(mask * 3), (uint8_t)(mask ^ 0x55), (uint8_t)~mask};
    header[0] = (uint8_t)first;
    header[1] |= 0x80;
    buf_add(wire, header, header_len);
    buf_add(wire, key, sizeof key);
    for (size_t i = 0; i < len; i++)
        buf_char(wire, (char)(payload[i] ^ key[i & 3]));
}

static void expect(struct buf *transcript, enum rfc6455_item_type type, const uint8_t *payload,
                   size_t len)
{
    buf_printf(transcript, "%d 0 %zu ", (int)type, len);
    buf_add(transcript, payload, len);
}

/* The script's bytes: low two bits pick the frame, the rest its length; the payload is taken from
 * what follows, with the top bits cleared so that it is UTF-8. */
static void play(const uint8_t *script, size_t size)
{
    struct buf wire = {0}, message = {0}, expected = {0}, whole = {0};
    bool in_message = false;
    for (size_t at = 0; at < size;) {
        uint8_t step = script[at++];
        uint8_t payload[64];
        size_t len = (size_t)(step >> 2) < size - at ? (size_t)(step >> 2) : size - at;
        for (size_t i = 0; i < len; i++)
            payload[i] = script[at + i] & 0x7F;
        at += len;
        if ((step & 3) == 0) {
            add_frame(&wire, FIN | RFC6455_OPCODE_PING, payload, len, step);
            expect(&expected, RFC6455_ITEM_PING, payload, len);
            continue;
        }
        bool is_last = (step & 3) == 1;
        if (message.len + len > MAX_BYTES)
            break;
        add_frame(&wire, (is_last ? FIN : 0u) | (in_message ? 0u : RFC6455_OPCODE_TEXT), payload,
                  len, step);
        buf_add(&message, payload, len);
        in_message = !is_last;
        if (is_last) {
            expect(&expected, RFC6455_ITEM_TEXT, (uint8_t *)message.data, message.len);
            buf_clear(&message);
        }
    }
    check_cuts((uint8_t *)wire.data, wire.len, &whole);
    assert(whole.len == expected.len);
    assert(whole.len == 0 || memcmp(whole.data, expected.data, whole.len) == 0);
    buf_release(&wire);
    buf_release(&message);
    buf_release(&expected);
    buf_release(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 8192)
        return 0;
    if ((data[0] & 1) != 0) {
        play(data + 1, size - 1);
        return 0;
    }
    struct buf whole = {0};
    check_cuts(data + 1, size - 1, &whole);
    buf_release(&whole);
    return 0;
}
