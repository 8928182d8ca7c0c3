/* SPDX-License-Identifier: PostgreSQL */
/* The WebSocket codec (RFC 6455), without extensions: pure functions on bytes, no I/O. */
#ifndef HERALD_PROTO_RFC6455_H
#define HERALD_PROTO_RFC6455_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum rfc6455_opcode {
    RFC6455_OPCODE_CONTINUATION = 0x0,
    RFC6455_OPCODE_TEXT = 0x1,
    RFC6455_OPCODE_BINARY = 0x2,
    RFC6455_OPCODE_CLOSE = 0x8,
    RFC6455_OPCODE_PING = 0x9,
    RFC6455_OPCODE_PONG = 0xA,
};

enum rfc6455_item_type {
    RFC6455_ITEM_TEXT, /* a whole message, fragments put together, valid UTF-8 */
    RFC6455_ITEM_PING, /* to be answered with a pong of the same payload */
    RFC6455_ITEM_PONG,
    RFC6455_ITEM_CLOSE, /* the client's close: the last item of a connection */
    RFC6455_ITEM_ERROR, /* close the connection with `code`: the last item of a connection */
};

struct rfc6455_item {
    enum rfc6455_item_type type;
    uint16_t
        code; /* CLOSE: the client's code, 1005 if it sent none. ERROR: the code to close with */
    struct str payload; /* TEXT, PING, PONG: the payload. CLOSE: the reason. ERROR: what was wrong,
                           a literal */
};

/* Received bytes; the decoder moves the front forward, and unmasks payloads where they lie. */
struct rfc6455_input {
    uint8_t *data;
    size_t len;
};

/* One per connection. Zero-initialise it. Between two calls that returned false it holds heap
 * memory only while a part of a frame's payload, or of a fragmented message, is there. */
struct rfc6455_decoder {
    uint8_t *data; /* the message so far, behind it the control frame so far */
    uint32_t cap;
    uint32_t message_len; /* bytes of the fragmented text message before the current frame */
    uint32_t frame_len;   /* payload of the current frame, from its header */
    uint32_t frame_done;  /* how much of it is in `data` */
    uint8_t header[14];
    uint8_t header_len;    /* bytes of it that are there */
    bool has_header : 1;   /* the header is whole */
    bool in_message : 1;   /* a fragmented message has begun */
    bool is_lent : 1;      /* the last item points into `data` */
    bool is_of_server : 1; /* set before the first byte: it reads what a server sends, unmasked */
    bool is_over : 1;      /* CLOSE or ERROR was returned: all further input is ignored */
};

/* Reads on. True: *item is filled; its payload lies in the input's buffer or in the decoder, and is
 * valid until the next call. False: all input was consumed, more is needed. Call it until it says
 * false. A text message of more than max_bytes is an ERROR 1009 as soon as a header announces it.
 */
bool rfc6455_decode(struct rfc6455_decoder *decoder, struct rfc6455_input *input,
                    uint32_t max_bytes, struct rfc6455_item *item);
void rfc6455_decoder_release(struct rfc6455_decoder *decoder);

/* The header of an unfragmented server frame. Returns its length: 2, 4 or 10. */
#define RFC6455_HEADER_MAX 10
size_t rfc6455_header(uint8_t out[RFC6455_HEADER_MAX], enum rfc6455_opcode opcode, uint64_t len);

/* Appends a whole frame of a client. The mask is to be random: it is for proxies that would take a
 * payload for something else (section 10.3). */
#define RFC6455_MASK_SIZE 4
void rfc6455_client_frame(struct buf *out, enum rfc6455_opcode opcode, struct str payload,
                          const uint8_t mask[RFC6455_MASK_SIZE]);

/* Whole control frames of a server; return their length. A payload is cut at 125 bytes, a reason before the
 * character that does not fit. */
#define RFC6455_CONTROL_MAX 127
size_t rfc6455_control_frame(uint8_t out[RFC6455_CONTROL_MAX], enum rfc6455_opcode opcode,
                             struct str payload);
size_t rfc6455_close_frame(uint8_t out[RFC6455_CONTROL_MAX], uint16_t code, const char *reason);

/* The SHA-1 that a handshake needs, looked up and set up once: OpenSSL 3 would do it for each, at
 * more than the hash itself costs. For one thread at a time. */
struct rfc6455_hash;
struct rfc6455_hash *rfc6455_hash_new(void);
void rfc6455_hash_free(struct rfc6455_hash *hash); /* NULL is fine */
/* Sec-WebSocket-Accept for a Sec-WebSocket-Key (section 4.2.2). Terminated. */
#define RFC6455_ACCEPT_SIZE 29
void rfc6455_accept(struct rfc6455_hash *hash, struct str key, char out[RFC6455_ACCEPT_SIZE]);

#endif
