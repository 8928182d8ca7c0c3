/* SPDX-License-Identifier: PostgreSQL */
/* The handshake, then frames: the server's decoder with its mask turned round.
 *
 * A token that may stand there goes as subprotocol, and must come back byte for byte; one of other
 * characters goes as Authorization, which the server takes as well. */
#include "net/client/client.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/mem.h"
#include "core/close_code.h"
#include "proto/http_reply.h"
#include "proto/rfc6455.h"

enum {
    CHUNK = 65536,                      /* bytes that are read at once */
    MAX_FRAME_BYTES = 64 * 1024 * 1024, /* far above what a server sends in one */
    BODY_WAIT_MS = 1000,                /* for the words of a refusal */
};

struct client {
    struct line *line;
    struct rfc6455_decoder decoder;
    struct buf received;        /* of the last read */
    struct rfc6455_input input; /* what of it the decoder has not had */
    uint64_t heard_ms;
    bool is_over;
};

/* ---- handshake ---- */

#define KEY_SIZE 25

static void make_key(char out[KEY_SIZE])
{
    unsigned char bytes[16];
    id_random(bytes, sizeof(bytes));
    EVP_EncodeBlock((unsigned char *)out, bytes, sizeof(bytes));
}

/* What RFC 9110 calls a token, which a subprotocol must be. */
static bool is_protocol(const char *text)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    for (; *text; text++) {
        bool is_word = (*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
                       (*text >= '0' && *text <= '9');
        if (!is_word && !strchr(marks, *text)) {
            return false;
        }
    }
    return true;
}

/* In a header's line, whichever it is. */
static bool is_sendable(const char *token)
{
    const char *at = token;
    while (*at && (unsigned char)*at >= ' ' && *at != 0x7F) {
        at++;
    }
    return *token && !*at;
}

static void write_request(struct buf *out, const struct client_options *options, const char *key)
{
    const struct target *target = options->line.target;
    bool is_v6 = strchr(target->host, ':');
    buf_printf(out,
               "GET %s HTTP/1.1\r\nHost: %s%s%s:%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n",
               target->path, is_v6 ? "[" : "", target->host, is_v6 ? "]" : "", target->port, key);
    if (options->token) {
        buf_literal(out, is_protocol(options->token) ? "Sec-WebSocket-Protocol: "
                                                     : "Authorization: Bearer ");
        buf_literal(out, options->token);
        buf_literal(out, "\r\n");
    }
    buf_literal(out, "\r\n");
}

static enum line_got read_more(struct client *client, uint32_t timeout_ms)
{
    size_t n = 0;
    buf_reserve(&client->received, CHUNK);
    enum line_got got = line_read(client->line, client->received.data + client->received.len, CHUNK,
                                  timeout_ms, &n);
    if (got == LINE_BYTES) {
        client->received.len += n;
        client->heard_ms = clock_ms();
    }
    return got;
}

/* What a person does about it, beside the server's own line. */
static const char *advice_of(uint16_t status)
{
    switch (status) {
    case 401:
        return "; give it another token";
    case 404:
        return "; what stands behind /rt/ must be a canonical of this database: SELECT name FROM "
               "herald.canonical";
    case 426:
    case 501:
        return "; a proxy in between must pass on Upgrade and Connection";
    default:
        return "";
    }
}

static enum status say_refusal(struct client *client, const struct target *target,
                               const struct http_reply *reply, bool *is_final, struct err *err)
{
    char line[200];
    uint64_t length = 0;
    uint16_t status = reply->status;
    size_t head_len = reply->head_len;
    bool is_known = str_to_u64(reply->length, &length) && length <= CHUNK;
    while (is_known && client->received.len - head_len < length &&
           read_more(client, BODY_WAIT_MS) == LINE_BYTES) {
    }
    http_reply_line((struct str){client->received.data + head_len, client->received.len - head_len},
                    line, sizeof(line));
    *is_final = status != 429 && status < 500;
    return err_set(err, EXIT_CODE_FAILED, "%s port %s refuses, HTTP %d%s%s%s", target->host,
                   target->port, status, *line ? ": " : "", line, advice_of(status));
}

static enum status judge_reply(struct client *client, const struct client_options *options,
                               const char *key, const struct http_reply *reply, bool *is_final,
                               struct err *err)
{
    char accept[RFC6455_ACCEPT_SIZE];
    bool has_protocol = options->token && is_protocol(options->token);
    if (reply->status != 101) {
        return say_refusal(client, options->line.target, reply, is_final, err);
    }
    struct rfc6455_hash *hash = rfc6455_hash_new();
    rfc6455_accept(hash, str_of(key), accept);
    rfc6455_hash_free(hash);
    *is_final = true;
    if (!str_equals(reply->accept, str_of(accept))) {
        return err_set(err, EXIT_CODE_FAILED, "%s port %s is no WebSocket server",
                       options->line.target->host, options->line.target->port);
    }
    if (has_protocol && !str_equals(reply->protocol, str_of(options->token))) {
        return err_set(err, EXIT_CODE_FAILED,
                       "the token does not come back: a proxy before %s takes it out, and browsers "
                       "would not connect",
                       options->line.target->host);
    }
    *is_final = false;
    client->input = (struct rfc6455_input){(uint8_t *)client->received.data + reply->head_len,
                                           client->received.len - reply->head_len};
    return STATUS_OK;
}

static enum status client_shake(struct client *client, const struct client_options *options,
                                bool *is_final, struct err *err)
{
    const struct target *target = options->line.target;
    uint64_t deadline_ms = clock_ms() + options->line.timeout_ms;
    char key[KEY_SIZE];
    struct buf request = {0};
    struct http_reply reply;
    enum http_reply_state state = HTTP_REPLY_INCOMPLETE;
    make_key(key);
    write_request(&request, options, key);
    enum line_got got = line_write(client->line, request.data, request.len);
    buf_release(&request);
    while (got == LINE_BYTES && state == HTTP_REPLY_INCOMPLETE) {
        uint64_t now_ms = clock_ms();
        got = read_more(client, now_ms < deadline_ms ? (uint32_t)(deadline_ms - now_ms) : 0);
        state = http_reply_read(buf_span(&client->received), &reply);
    }
    if (state == HTTP_REPLY_COMPLETE) {
        return judge_reply(client, options, key, &reply, is_final, err);
    }
    return err_set(err, EXIT_CODE_FAILED, "%s port %s does not answer a handshake: %s",
                   target->host, target->port,
                   state == HTTP_REPLY_BAD ? "it does not speak HTTP"
                   : got == LINE_LATE      ? "no answer in time"
                   : got == LINE_STOPPED   ? "it was interrupted"
                                           : "it has hung up");
}

enum status client_open(const struct client_options *options, struct client **out, bool *is_final,
                        struct err *err)
{
    if (options->token && !is_sendable(options->token)) {
        *is_final = true;
        return err_set(err, EXIT_CODE_USAGE, "the token is empty, or has control characters in it");
    }
    struct client *client = mem_zalloc(sizeof(*client));
    client->decoder.is_of_server = true;
    if (line_open(&options->line, &client->line, is_final, err) != STATUS_OK ||
        client_shake(client, options, is_final, err) != STATUS_OK) {
        client->is_over = true;
        client_close(client);
        return STATUS_FAILED;
    }
    *out = client;
    return STATUS_OK;
}

/* ---- frames ---- */

static bool client_write(struct client *client, enum rfc6455_opcode opcode, struct str payload)
{
    uint8_t mask[RFC6455_MASK_SIZE];
    struct buf frame = {0};
    if (client->is_over) {
        return false;
    }
    id_random(mask, sizeof(mask));
    rfc6455_client_frame(&frame, opcode, payload, mask);
    bool is_sent = line_write(client->line, frame.data, frame.len) == LINE_BYTES;
    buf_release(&frame);
    return is_sent;
}

bool client_send(struct client *client, struct str text)
{
    return client_write(client, RFC6455_OPCODE_TEXT, text);
}

bool client_ping(struct client *client)
{
    return client_write(client, RFC6455_OPCODE_PING, STR(""));
}

static void client_end(struct client *client, uint16_t code, struct str reason,
                       struct client_news *out)
{
    client->is_over = true;
    *out = (struct client_news){CLIENT_NEWS_CLOSED, reason, code};
}

/* True: that is news. */
static bool client_take(struct client *client, const struct rfc6455_item *item,
                        struct client_news *out)
{
    switch (item->type) {
    case RFC6455_ITEM_TEXT:
        *out = (struct client_news){.kind = CLIENT_NEWS_TEXT, .text = item->payload};
        return true;
    case RFC6455_ITEM_PING:
        (void)client_write(client, RFC6455_OPCODE_PONG, item->payload);
        return false;
    case RFC6455_ITEM_PONG:
        return false;
    case RFC6455_ITEM_CLOSE:
    case RFC6455_ITEM_ERROR:
        break;
    }
    client_end(client, item->code, item->payload, out);
    return true;
}

void client_receive(struct client *client, uint32_t timeout_ms, struct client_news *out)
{
    static const enum client_news_kind kinds[] = {
        [LINE_LATE] = CLIENT_NEWS_LATE, [LINE_STOPPED] = CLIENT_NEWS_STOPPED};
    uint64_t deadline_ms = clock_ms() + timeout_ms;
    struct rfc6455_item item;
    enum line_got got = LINE_BYTES;
    while (!client->is_over && got == LINE_BYTES) {
        while (rfc6455_decode(&client->decoder, &client->input, MAX_FRAME_BYTES, &item)) {
            if (client_take(client, &item, out)) {
                return;
            }
        }
        uint64_t now_ms = clock_ms();
        buf_clear(&client->received);
        got = read_more(client, now_ms < deadline_ms ? (uint32_t)(deadline_ms - now_ms) : 0);
        client->input =
            (struct rfc6455_input){(uint8_t *)client->received.data, client->received.len};
    }
    if (got == LINE_LATE || got == LINE_STOPPED) {
        *out = (struct client_news){.kind = kinds[got]};
    } else {
        client_end(client, CLOSE_CODE_CUT, STR(""), out);
    }
}

uint64_t client_heard_ms(const struct client *client)
{
    return client->heard_ms;
}

void client_close(struct client *client)
{
    static const char normal[] = {(char)(CLOSE_CODE_NORMAL >> 8), (char)(CLOSE_CODE_NORMAL & 0xFF)};
    if (!client) {
        return;
    }
    (void)client_write(client, RFC6455_OPCODE_CLOSE, (struct str){normal, sizeof(normal)});
    rfc6455_decoder_release(&client->decoder);
    buf_release(&client->received);
    line_close(client->line);
    free(client);
}
