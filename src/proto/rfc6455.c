/* SPDX-License-Identifier: PostgreSQL */
/* The WebSocket codec of a server, strict; and what a client needs of it, for the commands that are
 * one: its frames are masked, and the other side's are not.
 *
 * The decoder is a small machine per connection: header bytes are collected in the struct, and
 * judged one by one, so that nonsense is refused at its first byte. A payload that lies whole in
 * the received bytes (nearly all do) is unmasked where it lies and handed out without a copy; only
 * what came in parts goes into a heap buffer, which grows with what has arrived and not with what a
 * header announces, and is freed as soon as its item was used. So a hundred thousand idle
 * connections cost a struct each, and a stranger must send a byte for each two that he wants held.
 *
 * One buffer is enough for everything: a control frame may come between the fragments of a message,
 * but never inside a frame, so its payload is put behind the message so far and vanishes again when
 * it is whole.
 *
 * UTF-8 is checked when a message is whole. RFC 6455 allows that; failing at the first wrong byte
 * would cost a decoder state per connection and spare at most max_bytes of a client that is broken
 * anyway.
 *
 * No extension is negotiated, so the RSV bits must be zero. Binary messages mean nothing to us:
 * 1003. */
#include "proto/rfc6455.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "core/close_code.h"

enum {
    BIT_FIN = 0x80,
    BITS_RSV = 0x70,
    BITS_OPCODE = 0x0F,
    BIT_MASK = 0x80,
    BITS_LENGTH = 0x7F,
    BIT_CONTROL = 0x08,
    CONTROL_PAYLOAD_MAX = 125,
    WHOLE_ALLOC_MAX = 4096, /* up to here a frame's buffer is made in one piece: a page */
};

enum step {
    STEP_MORE, /* the input is used up */
    STEP_ON,   /* go on with the next part */
    STEP_ITEM, /* *item is filled */
};

static enum step decoder_fail(struct rfc6455_decoder *d, uint16_t code, const char *why,
                              struct rfc6455_item *item)
{
    rfc6455_decoder_release(d);
    d->is_over = true;
    *item = (struct rfc6455_item){RFC6455_ITEM_ERROR, code, str_of(why)};
    return STEP_ITEM;
}

static bool is_control(const struct rfc6455_decoder *d)
{
    return (d->header[0] & BIT_CONTROL) != 0;
}

static bool is_final(const struct rfc6455_decoder *d)
{
    return (d->header[0] & BIT_FIN) != 0;
}

static enum step check_first_byte(struct rfc6455_decoder *d, struct rfc6455_item *item)
{
    if ((d->header[0] & BITS_RSV) != 0)
        return decoder_fail(d, CLOSE_CODE_PROTOCOL_ERROR, "reserved bits are set", item);
    if (is_control(d) && !is_final(d))
        return decoder_fail(d, CLOSE_CODE_PROTOCOL_ERROR, "fragmented control frame", item);
    switch (d->header[0] & BITS_OPCODE) {
    case RFC6455_OPCODE_CONTINUATION:
        if (!d->in_message)
            return decoder_fail(d, CLOSE_CODE_PROTOCOL_ERROR, "continuation of nothing", item);
        return STEP_ON;
    case RFC6455_OPCODE_TEXT:
    case RFC6455_OPCODE_BINARY:
        if (d->in_message)
            return decoder_fail(d, CLOSE_CODE_PROTOCOL_ERROR, "new message inside a fragmented one",
                                item);
        if ((d->header[0] & BITS_OPCODE) == RFC6455_OPCODE_BINARY)
            return decoder_fail(d, CLOSE_CODE_UNSUPPORTED, "binary messages are not accepted",
                                item);
        return STEP_ON;
    case RFC6455_OPCODE_CLOSE:
    case RFC6455_OPCODE_PING:
    case RFC6455_OPCODE_PONG:
        return STEP_ON;
    default:
        return decoder_fail(d, CLOSE_CODE_PROTOCOL_ERROR, "unknown opcode", item);
    }
}

static enum step check_second_byte(struct rfc6455_decoder *d, struct rfc6455_item *item)
{
    if (((d->header[1] & BIT_MASK) == 0) != d->is_of_server)
        return decoder_fail(d, CLOSE_CODE_PROTOCOL_ERROR,
                            d->is_of_server ? "frame is masked" : "frame is not masked", item);
    if (is_control(d) && (d->header[1] & BITS_LENGTH) > CONTROL_PAYLOAD_MAX)
        return decoder_fail(d, CLOSE_CODE_PROTOCOL_ERROR, "control frame is too long", item);
    return STEP_ON;
}

/* How many bytes of length follow the second byte. */
static size_t extended_size(const struct rfc6455_decoder *d)
{
    uint8_t length = d->header[1] & BITS_LENGTH;
    return length == 127 ? 8 : length == 126 ? 2 : 0;
}

static size_t header_size(const struct rfc6455_decoder *d)
{
    return 2 + extended_size(d) + (d->is_of_server ? 0 : RFC6455_MASK_SIZE);
}

static enum step finish_header(struct rfc6455_decoder *d, uint32_t max_bytes,
                               struct rfc6455_item *item)
{
    size_t extended = extended_size(d);
    uint64_t length = extended == 0 ? d->header[1] & BITS_LENGTH : 0;
    for (size_t i = 0; i < extended; i++)
        length = length << 8 | d->header[2 + i];
    if (length >> 63 != 0)
        return decoder_fail(d, CLOSE_CODE_PROTOCOL_ERROR, "length has its top bit set", item);
    if ((extended == 2 && length < 126) || (extended == 8 && length <= UINT16_MAX))
        return decoder_fail(d, CLOSE_CODE_PROTOCOL_ERROR, "length is not minimal", item);
    if (!is_control(d) &&
        length > max_bytes - (d->message_len < max_bytes ? d->message_len : max_bytes))
        return decoder_fail(d, CLOSE_CODE_TOO_BIG, "message is too big", item);
    d->frame_len = (uint32_t)length;
    d->frame_done = 0;
    d->has_header = true;
    return STEP_ON;
}

static enum step read_header(struct rfc6455_decoder *d, struct rfc6455_input *input,
                             uint32_t max_bytes, struct rfc6455_item *item)
{
    while (input->len > 0) {
        enum step step = STEP_ON;
        d->header[d->header_len++] = *input->data++;
        input->len--;
        if (d->header_len == 1)
            step = check_first_byte(d, item);
        else if (d->header_len == 2)
            step = check_second_byte(d, item);
        if (step != STEP_ON)
            return step;
        if (d->header_len >= 2 && d->header_len == header_size(d))
            return finish_header(d, max_bytes, item);
    }
    return STEP_MORE;
}

/* to = from XOR the mask, for bytes that begin `done` bytes into the payload. Eight at a time: the
 * mask repeats every four, so it stays the same for each word. `to` may be `from`. */
static void unmask(uint8_t *to, const uint8_t *from, size_t len,
                   const uint8_t mask[RFC6455_MASK_SIZE], size_t done)
{
    uint8_t turned[8];
    uint64_t key, word;
    for (size_t i = 0; i < sizeof turned; i++)
        turned[i] = mask[(done + i) & 3];
    memcpy(&key, turned, sizeof key);
    size_t i = 0;
    for (; len - i >= sizeof word; i += sizeof word) {
        memcpy(&word, from + i, sizeof word);
        word ^= key;
        memcpy(to + i, &word, sizeof word);
    }
    for (; i < len; i++)
        to[i] = from[i] ^ turned[i & 7];
}

static const uint8_t *mask_of(const struct rfc6455_decoder *d)
{
    static const uint8_t none[RFC6455_MASK_SIZE];
    return d->is_of_server ? none : d->header + 2 + extended_size(d);
}

/* Room for n more bytes of the current frame. Doubles; but what is no fragment of a message takes
 * no more than its header announced. */
static void reserve(struct rfc6455_decoder *d, size_t n)
{
    size_t need = (size_t)d->message_len + d->frame_done + n;
    if (need <= d->cap)
        return;
    size_t cap = (size_t)d->cap * 2 > need ? (size_t)d->cap * 2 : need;
    if (cap < WHOLE_ALLOC_MAX)
        cap = WHOLE_ALLOC_MAX;
    if (d->message_len == 0 && (is_control(d) || is_final(d)) && cap > d->frame_len)
        cap = d->frame_len;
    assert(cap >= need && cap <= UINT32_MAX);
    d->data = mem_array(d->data, cap, 1);
    d->cap = (uint32_t)cap;
}

static bool code_is_valid(unsigned code)
{
    /* Section 7.4, and 1012 to 1014 of IANA's registry: browsers do not send them, some libraries
     * do. */
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}

static enum step close_item(struct rfc6455_decoder *d, struct str payload,
                            struct rfc6455_item *item)
{
    *item = (struct rfc6455_item){RFC6455_ITEM_CLOSE, CLOSE_CODE_NONE, STR("")};
    if (payload.len == 1)
        return decoder_fail(d, CLOSE_CODE_PROTOCOL_ERROR, "close code is half", item);
    if (payload.len >= 2) {
        unsigned code = (unsigned)(uint8_t)payload.ptr[0] << 8 | (uint8_t)payload.ptr[1];
        struct str reason = {payload.ptr + 2, payload.len - 2};
        if (!code_is_valid(code))
            return decoder_fail(d, CLOSE_CODE_PROTOCOL_ERROR, "close code is not valid", item);
        if (!str_is_utf8(reason))
            return decoder_fail(d, CLOSE_CODE_INVALID_DATA, "close reason is not UTF-8", item);
        item->code = (uint16_t)code;
        item->payload = reason;
    }
    d->is_over = true;
    return STEP_ITEM;
}

/* The current frame is whole: its payload, or with a fragmented message all of it so far, is
 * `payload`. */
static enum step finish_frame(struct rfc6455_decoder *d, struct str payload,
                              struct rfc6455_item *item)
{
    uint8_t first = d->header[0];
    d->has_header = false;
    d->header_len = 0;
    d->frame_done = 0;
    if ((first & BITS_OPCODE) == RFC6455_OPCODE_CLOSE)
        return close_item(d, payload, item);
    if ((first & BIT_CONTROL) != 0) {
        bool is_ping = (first & BITS_OPCODE) == RFC6455_OPCODE_PING;
        *item = (struct rfc6455_item){is_ping ? RFC6455_ITEM_PING : RFC6455_ITEM_PONG, 0, payload};
        return STEP_ITEM;
    }
    d->in_message = (first & BIT_FIN) == 0;
    d->message_len = d->in_message ? (uint32_t)payload.len : 0;
    if (d->in_message)
        return STEP_ON;
    if (!str_is_utf8(payload))
        return decoder_fail(d, CLOSE_CODE_INVALID_DATA, "message is not UTF-8", item);
    *item = (struct rfc6455_item){RFC6455_ITEM_TEXT, 0, payload};
    return STEP_ITEM;
}

static enum step read_payload(struct rfc6455_decoder *d, struct rfc6455_input *input,
                              struct rfc6455_item *item)
{
    size_t left = d->frame_len - d->frame_done;
    size_t n = left < input->len ? left : input->len;
    uint8_t *from = input->data;
    bool is_fragment = !is_control(d) && (d->in_message || !is_final(d));
    if (d->frame_len == 0 && !is_fragment)
        return finish_frame(d, STR(""), item);
    if (!is_fragment && n == d->frame_len) {
        unmask(from, from, n, mask_of(d), 0);
        input->data += n;
        input->len -= n;
        return finish_frame(d, (struct str){(const char *)from, n}, item);
    }
    if (n > 0) {
        reserve(d, n);
        unmask(d->data + d->message_len + d->frame_done, from, n, mask_of(d), d->frame_done);
        d->frame_done += (uint32_t)n;
        input->data += n;
        input->len -= n;
    }
    if (d->frame_done < d->frame_len)
        return STEP_MORE;

    size_t start = is_control(d) ? d->message_len : 0;
    struct str payload = {"", d->message_len + d->frame_len - start};
    if (payload.len > 0)
        payload.ptr = (const char *)d->data + start;
    enum step step = finish_frame(d, payload, item);
    d->is_lent = step == STEP_ITEM && d->data;
    return step;
}

bool rfc6455_decode(struct rfc6455_decoder *d, struct rfc6455_input *input, uint32_t max_bytes,
                    struct rfc6455_item *item)
{
    if ((d->is_lent && !d->in_message) || d->is_over) {
        free(d->data);
        d->data = NULL;
        d->cap = 0;
    }
    d->is_lent = false;
    enum step step = STEP_ON;
    while (step == STEP_ON && !d->is_over) {
        if (!d->has_header)
            step = read_header(d, input, max_bytes, item);
        else
            step = read_payload(d, input, item);
    }
    if (step == STEP_ITEM)
        return true;
    input->data += input->len;
    input->len = 0;
    return false;
}

void rfc6455_decoder_release(struct rfc6455_decoder *d)
{
    free(d->data);
    *d = (struct rfc6455_decoder){.is_of_server = d->is_of_server};
}

size_t rfc6455_header(uint8_t out[RFC6455_HEADER_MAX], enum rfc6455_opcode opcode, uint64_t len)
{
    out[0] = (uint8_t)(BIT_FIN | opcode);
    size_t extended = len > UINT16_MAX ? 8 : len > 125 ? 2 : 0;
    out[1] = extended == 8 ? 127 : extended == 2 ? 126 : (uint8_t)len;
    for (size_t i = 0; i < extended; i++)
        out[2 + i] = (uint8_t)(len >> (8 * (extended - 1 - i)));
    return 2 + extended;
}

void rfc6455_client_frame(struct buf *out, enum rfc6455_opcode opcode, struct str payload,
                          const uint8_t mask[RFC6455_MASK_SIZE])
{
    uint8_t header[RFC6455_HEADER_MAX];
    size_t header_len = rfc6455_header(header, opcode, payload.len);
    header[1] |= BIT_MASK;
    buf_add(out, header, header_len);
    buf_add(out, mask, RFC6455_MASK_SIZE);
    buf_reserve(out, payload.len);
    if (payload.len > 0)
        unmask((uint8_t *)out->data + out->len, (const uint8_t *)payload.ptr, payload.len, mask, 0);
    out->len += payload.len;
}

size_t rfc6455_control_frame(uint8_t out[RFC6455_CONTROL_MAX], enum rfc6455_opcode opcode,
                             struct str payload)
{
    size_t len = payload.len < CONTROL_PAYLOAD_MAX ? payload.len : CONTROL_PAYLOAD_MAX;
    size_t header = rfc6455_header(out, opcode, len);
    if (len > 0)
        memcpy(out + header, payload.ptr, len);
    return header + len;
}

size_t rfc6455_close_frame(uint8_t out[RFC6455_CONTROL_MAX], uint16_t code, const char *reason)
{
    char payload[CONTROL_PAYLOAD_MAX] = {(char)(code >> 8), (char)(code & 0xFF)};
    size_t len = !reason ? 0 : strlen(reason);
    if (len > sizeof payload - 2) {
        len = sizeof payload - 2;
        while (len > 0 && ((unsigned char)reason[len] & 0xC0) == 0x80)
            len--; /* not into the middle of a character */
    }
    if (len > 0)
        memcpy(payload + 2, reason, len);
    return rfc6455_control_frame(out, RFC6455_OPCODE_CLOSE, (struct str){payload, 2 + len});
}

struct rfc6455_hash {
    EVP_MD *sha1;
    EVP_MD_CTX *context;
};

struct rfc6455_hash *rfc6455_hash_new(void)
{
    struct rfc6455_hash *hash = mem_zalloc(sizeof *hash);
    hash->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
    hash->context = EVP_MD_CTX_new();
    if (!hash->sha1 || !hash->context)
        abort(); /* a libcrypto without SHA-1 cannot speak WebSocket at all */
    return hash;
}

void rfc6455_hash_free(struct rfc6455_hash *hash)
{
    if (!hash)
        return;
    EVP_MD_CTX_free(hash->context);
    EVP_MD_free(hash->sha1);
    free(hash);
}

void rfc6455_accept(struct rfc6455_hash *hash, struct str key, char out[RFC6455_ACCEPT_SIZE])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    if (EVP_DigestInit_ex(hash->context, hash->sha1, NULL) != 1 ||
        EVP_DigestUpdate(hash->context, key.ptr, key.len) != 1 ||
        EVP_DigestUpdate(hash->context, guid, sizeof guid - 1) != 1 ||
        EVP_DigestFinal_ex(hash->context, digest, &digest_len) != 1)
        abort(); /* it fails for nothing that a client can send */
    EVP_EncodeBlock((unsigned char *)out, digest, (int)digest_len);
}
