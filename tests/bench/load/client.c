/* SPDX-License-Identifier: PostgreSQL */
/* The client's side of RFC 6455, as far as servers under load use it: unfragmented texts, pings,
 * close. It is strict where that is free and cheap where it matters: a frame is looked at where it
 * lies in the pool's one big buffer, only an incomplete one at its end is copied aside.
 *
 * Masking with the key zero leaves the text as it is: the server unmasks as ever, and we save the
 * work. The handshake's key is the RFC's own example, so a bare server may answer with a constant;
 * the answer is not checked beyond its status, which integration tests do. */
#include "client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "pool.h"

enum { OPCODE_TEXT = 1, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };

static void fail(struct client *client, const char *why)
{
    if (client->pool->n_failed++ == 0) {
        fprintf(stderr, "load: client %u: %s\n", client->index, why);
    }
    client_close(client);
    client->state = CLIENT_FAILED;
}

static void watch(struct client *client, uint32_t events)
{
    if (client->events == events) {
        return;
    }
    struct epoll_event event = {.events = events, .data.ptr = client};
    epoll_ctl(client->pool->epoll, client->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
              client->stream.fd, &event);
    client->events = events;
}

/* ---- out ---- */

static void queue(struct client *client, const void *data, size_t len)
{
    if (client->n_out + len > client->out_cap) {
        client->out_cap = (client->n_out + len) * 2;
        client->out = realloc(client->out, client->out_cap);
        if (!client->out) {
            abort();
        }
    }
    memcpy(client->out + client->n_out, data, len);
    client->n_out += len;
}

static void queue_frame(struct client *client, uint8_t opcode, const void *data, size_t len)
{
    uint8_t head[8] = {(uint8_t)(0x80 | opcode), (uint8_t)(0x80 | len)};
    size_t head_len = 6;
    if (len > 125) {
        head[1] = 0x80 | 126;
        head[2] = (uint8_t)(len >> 8);
        head[3] = (uint8_t)len;
        head_len = 8;
    }
    queue(client, head, head_len);
    queue(client, data, len);
}

void client_text(struct client *client, const char *text, size_t len)
{
    queue_frame(client, OPCODE_TEXT, text, len);
}

void client_flush(struct client *client)
{
    size_t sent = 0;
    while (sent < client->n_out) {
        size_t n;
        enum stream_status status =
            stream_write(&client->stream, client->out + sent, client->n_out - sent, &n);
        if (status == STREAM_BROKEN) {
            fail(client, "cannot write");
            return;
        }
        if (status == STREAM_AGAIN) {
            break;
        }
        sent += n;
    }
    client->n_out -= sent;
    memmove(client->out, client->out + sent, client->n_out);
    watch(client, client->n_out > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN);
    if (client->n_out == 0 && client->out_cap > 4096) {
        free(client->out);
        client->out = NULL;
        client->out_cap = 0;
    }
}

/* ---- setting up ---- */

static void send_request(struct client *client)
{
    char path[512], request[1024];
    client->pool->dialect->path(&client->place, path, sizeof(path));
    int len = snprintf(request, sizeof(request),
                       "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                       path);
    client->state = CLIENT_HANDSHAKE;
    queue(client, request, (size_t)len);
    client_flush(client);
}

static void set_up(struct client *client)
{
    bool wants_write;
    switch (stream_set_up(&client->stream, &wants_write)) {
    case STREAM_DONE:
        send_request(client);
        break;
    case STREAM_AGAIN:
        watch(client, wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
        break;
    case STREAM_BROKEN:
        fail(client, "cannot connect");
        break;
    }
}

void client_connect(struct client *client)
{
    client->state = CLIENT_CONNECTING;
    if (!stream_open(&client->stream, &client->pool->address)) {
        fail(client, "cannot connect");
        return;
    }
    watch(client, EPOLLOUT);
}

/* The greeting goes on with what the server said; NULL: the handshake is over. */
static void greet(struct client *client, const char *said)
{
    char reply[DIALECT_TEXT_MAX] = "";
    enum greeting greeting = client->pool->dialect->greet(&client->place, said, reply);
    if (reply[0]) {
        client_text(client, reply, strlen(reply));
        client_flush(client);
    }
    if (greeting == GREETING_REFUSED) {
        fail(client, said);
    } else if (greeting == GREETING_JOINED && client->state == CLIENT_JOINING) {
        client->state = CLIENT_JOINED;
        client->pool->n_joined++;
    }
}

/* ---- in ---- */

static void on_text(struct client *client, uint8_t *text, size_t len)
{
    struct pool *pool = client->pool;
    const struct dialect *dialect = pool->dialect;
    if (dialect->ping && len == strlen(dialect->ping) && memcmp(text, dialect->ping, len) == 0) {
        client_text(client, dialect->pong, strlen(dialect->pong));
        client_flush(client);
    } else if (client->state == CLIENT_JOINED) {
        pool->on_text(pool->arg, client, text, len);
    } else {
        char *said = strndup((const char *)text, len);
        greet(client, said);
        if (client->state == CLIENT_JOINED && pool->on_joined) {
            pool->on_joined(pool->arg, client, said);
        }
        free(said);
    }
}

static void on_frame(struct client *client, uint8_t opcode, uint8_t *data, size_t len)
{
    switch (opcode) {
    case OPCODE_TEXT:
        on_text(client, data, len);
        break;
    case OPCODE_PING:
        queue_frame(client, OPCODE_PONG, data, len);
        client_flush(client);
        break;
    case OPCODE_CLOSE: {
        char why[64];
        unsigned code = len >= 2 ? (unsigned)(data[0] << 8 | data[1]) : 1005U;
        snprintf(why, sizeof(why), "the server closed it with %u", code);
        fail(client, why);
        break;
    }
    default:
        fail(client, "a frame of a kind that was not expected");
    }
}

/* The bytes of the frame at `data`, 0 if it is not whole yet; *head is where its payload starts. */
static size_t frame_size(const uint8_t *data, size_t len, size_t *head)
{
    if (len < 2) {
        return 0;
    }
    uint64_t payload = data[1] & 127U;
    *head = 2;
    if (payload == 126) {
        *head = 4;
        payload = len >= 4 ? (uint64_t)data[2] << 8 | data[3] : UINT32_MAX;
    } else if (payload == 127) {
        *head = 10;
        payload = 0;
        for (size_t i = 2; i < 10 && len >= 10; i++) {
            payload = payload << 8 | data[i];
        }
    }
    return len >= *head && payload <= len - *head ? *head + payload : 0;
}

/* Takes whole frames from the front; returns the bytes taken. */
static size_t take_frames(struct client *client, uint8_t *data, size_t len)
{
    size_t taken = 0, head, size;
    while (client->state != CLIENT_FAILED && client->state != CLIENT_IDLE &&
           (size = frame_size(data + taken, len - taken, &head)) > 0) {
        uint8_t *frame = data + taken;
        if ((frame[0] & 0xf0) != 0x80 || (frame[1] & 0x80) != 0) {
            fail(client, "a fragmented, masked or compressed frame");
            return len;
        }
        on_frame(client, frame[0] & 15, frame + head, size - head);
        taken += size;
    }
    return taken;
}

static size_t take_answer(struct client *client, uint8_t *data, size_t len)
{
    const uint8_t *end = memmem(data, len, "\r\n\r\n", 4);
    if (!end) {
        return 0;
    }
    if (len < 12 || memcmp(data, "HTTP/1.1 101", 12) != 0) {
        data[len - 1] = '\0';
        fail(client, (const char *)data);
        return len;
    }
    client->state = CLIENT_JOINING;
    if (!client->pool->options->no_join) {
        greet(client, NULL);
    }
    return (size_t)(end - data) + 4;
}

static void keep_rest(struct client *client, const uint8_t *data, size_t len)
{
    if (len > client->n_rest || len == 0) {
        free(client->rest);
        client->rest = len > 0 ? malloc(len) : NULL;
    }
    if (len > 0) {
        memcpy(client->rest, data, len);
    }
    client->n_rest = len;
}

/* False: there is no more for now. */
static bool read_some(struct client *client)
{
    uint8_t *data = client->pool->buffer;
    size_t len = client->n_rest, n;
    if (len > POOL_FRAME_MAX) {
        fail(client, "a frame that is too long for this program");
        return false;
    }
    if (len > 0) {
        memcpy(data, client->rest, len);
    }
    enum stream_status status = stream_read(&client->stream, data + len, POOL_READ_BYTES, &n);
    if (status == STREAM_BROKEN) {
        fail(client, "the server cut the connection");
    }
    if (status != STREAM_DONE) {
        return false;
    }
    len += n;
    client->pool->now_ns = now_ns();
    size_t taken = client->state == CLIENT_HANDSHAKE ? take_answer(client, data, len) : 0;
    if (client->state != CLIENT_HANDSHAKE) {
        taken += take_frames(client, data + taken, len - taken);
    }
    if (client->state == CLIENT_FAILED || client->state == CLIENT_IDLE) {
        return false;
    }
    keep_rest(client, data + taken, len - taken);
    return n == POOL_READ_BYTES;
}

void client_on_events(struct client *client, uint32_t events)
{
    if (client->state == CLIENT_CONNECTING) {
        set_up(client);
        return;
    }
    if (events & EPOLLOUT) {
        client_flush(client);
    }
    if (events & ~(uint32_t)EPOLLOUT) {
        while (client->state >= CLIENT_HANDSHAKE && client->state <= CLIENT_JOINED &&
               read_some(client)) {
        }
    }
}

void client_close(struct client *client)
{
    if (client->stream.fd >= 0) {
        stream_close(&client->stream);
    }
    if (client->state == CLIENT_JOINED) {
        client->pool->n_joined--;
    }
    free(client->rest);
    free(client->out);
    client->rest = client->out = NULL;
    client->n_rest = client->n_out = client->out_cap = 0;
    client->events = 0;
    client->state = CLIENT_IDLE;
}
