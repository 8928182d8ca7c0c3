/* SPDX-License-Identifier: PostgreSQL */
/* A network side with a hub that does only what the test says, and clients that write and read
 * single bytes if they have to. The test's own thread is the hub's: it waits for commands and gives
 * orders. Every wait ends after WAIT_MS at the latest, and fails the test then.
 *
 * With harness_uses_tls all clients come by the TLS port, over a bridge. */
#ifndef HERALD_TESTS_UNIT_NET_HARNESS_H
#define HERALD_TESTS_UNIT_NET_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/protocol.h"
#include "net/net.h"
#include "proto/rfc6455.h"
#include "tls_client.h"

enum { WAIT_MS = 20000, MAX_BRIDGES = 2048 };

static bool harness_uses_tls;

/* ---- the protocol: a message is its payload ---- */

static inline struct command *plain_decode(struct str text, struct session_id session)
{
    struct command *command = mem_zalloc(sizeof(*command) + text.len);
    command->type = COMMAND_MESSAGE;
    command->session = session;
    memcpy(command->data, text.ptr, text.len);
    command->payload = (struct str){command->data, text.len};
    return command;
}

static inline struct frame *text_frame(const char *text, size_t len, uint64_t offset)
{
    uint8_t header[RFC6455_HEADER_MAX];
    size_t header_len = rfc6455_header(header, RFC6455_OPCODE_TEXT, len);
    struct frame *frame = frame_new(header_len + len, NULL);
    memcpy(frame->bytes, header, header_len);
    memcpy(frame->bytes + header_len, text, len);
    frame->offset = offset;
    return frame;
}

static inline struct frame *plain_error(const struct protocol_error *error)
{
    char *message = mem_printf("error %s %s%s", error_code_name(error->code),
                               error->channel.ptr ? "in " : "", error->text ? error->text : "");
    struct frame *frame = text_frame(message, strlen(message), 0);
    free(message);
    return frame;
}

static const struct protocol plain_protocol = {
    .name = "plain",
    .decode = plain_decode,
    .error = plain_error,
};

/* ---- the hub ---- */

struct harness {
    struct net *net;
    struct transport transport;
    uint16_t port;
    pthread_mutex_t lock;
    pthread_cond_t came;
    struct command *first, **end;
    struct tls_files files; /* from here on: with TLS */
    SSL_CTX *tls_context;
    struct tls_bridge *bridges[MAX_BRIDGES];
    size_t n_bridges;
};

static inline uint16_t port_of(const char *url)
{
    return (uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10);
}

static inline void harness_submit(void *ctx, struct command *command)
{
    struct harness *harness = ctx;
    command->next = NULL;
    pthread_mutex_lock(&harness->lock);
    *harness->end = command;
    harness->end = &command->next;
    pthread_cond_signal(&harness->came);
    pthread_mutex_unlock(&harness->lock);
}

static inline void harness_wake_hub(void *ctx)
{
    (void)ctx; /* the condition has woken it */
}

/* The next command, of whatever session; NULL if none came in time. */
static inline struct command *next_command(struct harness *harness, uint64_t wait_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&harness->lock);
    while (!harness->first && pthread_cond_timedwait(&harness->came, &harness->lock, &until) == 0) {
    }
    struct command *command = harness->first;
    if (command) {
        harness->first = command->next;
        if (!harness->first) {
            harness->end = &harness->first;
        }
    }
    pthread_mutex_unlock(&harness->lock);
    return command;
}

/* Waits for that command, which must be the next one; returns its session. */
static inline struct session_id expect_command(struct harness *harness, enum command_type type,
                                               const char *payload)
{
    struct command *command = next_command(harness, WAIT_MS);
    assert_non_null(command);
    assert_int_equal(command->type, type);
    if (payload) {
        assert_int_equal(command->payload.len, strlen(payload));
        assert_memory_equal(command->payload.ptr, payload, strlen(payload));
    }
    struct session_id session = command->session;
    command_free(command);
    return session;
}

static inline void send_text(struct harness *harness, struct session_id to, const char *text)
{
    struct frame *frame = text_frame(text, strlen(text), 0);
    harness->transport.send(harness->transport.ctx, to, frame);
    frame_unref(frame);
}

static inline void publish_text(struct harness *harness, uint32_t worker, uint32_t channel,
                                const char *text, uint64_t offset)
{
    struct frame *frame = text_frame(text, strlen(text), offset);
    harness->transport.publish(harness->transport.ctx, worker, channel, frame);
    frame_unref(frame);
}

static inline void flush(struct harness *harness)
{
    harness->transport.flush(harness->transport.ctx);
}

static inline void set_gate(struct harness *harness, bool is_ready, bool is_enabled)
{
    char name[] = "canonical-1";
    char *canonicals[] = {name};
    struct site site = {.is_enabled = is_enabled, .canonicals = canonicals, .n_canonicals = 1};
    struct site_gate *gate = site_gate_new(&site, is_ready, "the \"database\" is away");
    harness->transport.gate(harness->transport.ctx, gate);
    site_gate_unref(gate);
    flush(harness);
}

static inline struct net_options harness_options(void)
{
    return (struct net_options){
        .listen = "127.0.0.1:0",
        .n_workers = 1,
        .max_sessions = 2000,
        .max_frame_bytes = 65536,
        .outqueue_bytes = 1 << 20,
        .handshake_timeout_ms = 10000,
        .ping_interval_ms = 25000,
        .ping_misses = 2,
        .protocol = &plain_protocol,
    };
}

static inline void harness_start(struct harness *harness, struct net_options options)
{
    struct err err = {0};
    *harness = (struct harness){0};
    log_configure(LOG_LEVEL_ERROR, false);
    pthread_mutex_init(&harness->lock, NULL);
    pthread_cond_init(&harness->came, NULL);
    harness->end = &harness->first;
    options.submit = harness_submit;
    options.wake_hub = harness_wake_hub;
    options.submit_ctx = harness;
    if (harness_uses_tls) {
        tls_files_make(&harness->files);
        tls_write_pair(&harness->files, false, "first");
        options.tls_listen = options.listen;
        options.listen = "127.0.0.1:0";
        options.tls_cert_file = harness->files.cert;
        options.tls_key_file = harness->files.key;
        harness->tls_context = tls_client_context();
    }
    if (net_new(&options, &harness->net, &err) != STATUS_OK) {
        fail_msg("%s", err.text);
    }
    harness->transport = net_transport(harness->net);
    harness->port = port_of(harness_uses_tls ? net_tls_url(harness->net) : net_url(harness->net));
    net_start(harness->net);
}

static inline void harness_drop_commands(struct harness *harness)
{
    struct command *command;
    while ((command = next_command(harness, 0))) {
        command_free(command);
    }
}

static inline void harness_stop(struct harness *harness)
{
    net_stop(harness->net, 0);
    net_free(harness->net);
    harness_drop_commands(harness);
    for (size_t i = 0; i < harness->n_bridges; i++) {
        tls_bridge_join(harness->bridges[i]);
        free(harness->bridges[i]);
    }
    if (harness->tls_context) {
        SSL_CTX_free(harness->tls_context);
        tls_files_remove(&harness->files);
    }
    pthread_cond_destroy(&harness->came);
    pthread_mutex_destroy(&harness->lock);
}

/* ---- clients ---- */

static inline void limit_waits(int fd)
{
    struct timeval wait = {.tv_sec = WAIT_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
}

static inline int tcp_connect(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), receive_buffer = 65536;
    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    limit_waits(fd);
    /* Else the kernel lets it grow to megabytes, and a server with much to send never waits. */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof(receive_buffer));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        fail_msg("connect: %s", strerror(errno));
    }
    return fd;
}

static inline int client_connect(struct harness *harness)
{
    int fd = tcp_connect(harness->port);
    if (!harness_uses_tls) {
        return fd;
    }
    SSL *ssl = tls_client_connect(harness->tls_context, fd);
    assert_non_null(ssl);
    assert_true(harness->n_bridges < MAX_BRIDGES);
    struct tls_bridge *bridge = mem_alloc(sizeof(*bridge));
    harness->bridges[harness->n_bridges++] = bridge;
    fd = tls_bridge_start(bridge, ssl, fd);
    limit_waits(fd);
    return fd;
}

static inline void client_write(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        assert_true(n > 0);
        at += n;
        len -= (size_t)n;
    }
}

static inline void client_write_text(int fd, const char *text)
{
    client_write(fd, text, strlen(text));
}

static inline void client_read(int fd, void *out, size_t len)
{
    char *at = out;
    while (len > 0) {
        ssize_t n = recv(fd, at, len, 0);
        if (n <= 0) {
            fail_msg("the server sent too little: %s", n == 0 ? "end" : strerror(errno));
        }
        at += n;
        len -= (size_t)n;
    }
}

/* Up to and including the empty line. */
static inline void client_read_head(int fd, char *out, size_t size)
{
    size_t len = 0;
    while (len < 4 || memcmp(out + len - 4, "\r\n\r\n", 4) != 0) {
        assert_true(len + 1 < size);
        client_read(fd, out + len++, 1);
    }
    out[len] = '\0';
}

/* Everything until the server's end, which must be an orderly one. */
static inline size_t client_read_all(int fd, char *out, size_t size)
{
    size_t len = 0;
    ssize_t n;
    while ((n = recv(fd, out + len, size - 1 - len, 0)) > 0) {
        len += (size_t)n;
    }
    if (n < 0) {
        fail_msg("no end came: %s", strerror(errno));
    }
    out[len] = '\0';
    return len;
}

static inline void client_expect_end(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    if (n != 0) {
        fail_msg("the connection is still there: %s", n < 0 ? strerror(errno) : "more bytes");
    }
    close(fd);
}

#define HANDSHAKE(path, more)                                                                      \
    "GET " path " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"            \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" more "\r\n"

/* A masked frame; the mask is fixed, so that a test can be repeated. */
static inline size_t client_frame(uint8_t *out, uint8_t first, const void *payload, size_t len)
{
    static const uint8_t mask[4] = {0x12, 0x34, 0x56, 0x78};
    size_t at = 0;
    out[at++] = first;
    if (len < 126) {
        out[at++] = (uint8_t)(0x80 | len);
    } else {
        assert_true(len <= UINT16_MAX);
        out[at++] = 0x80 | 126;
        out[at++] = (uint8_t)(len >> 8);
        out[at++] = (uint8_t)len;
    }
    memcpy(out + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < len; i++) {
        out[at++] = ((const uint8_t *)payload)[i] ^ mask[i & 3];
    }
    return at;
}

static inline void client_send_frame(int fd, uint8_t first, const void *payload, size_t len)
{
    uint8_t bytes[70000];
    client_write(fd, bytes, client_frame(bytes, first, payload, len));
}

static inline void client_send_text(int fd, const char *text)
{
    client_send_frame(fd, 0x80 | RFC6455_OPCODE_TEXT, text, strlen(text));
}

/* The next frame: its first byte; its payload, terminated, in out. */
static inline uint8_t client_read_frame(int fd, char *out, size_t size, size_t *len)
{
    uint8_t header[10];
    client_read(fd, header, 2);
    *len = header[1];
    size_t more = header[1] == 127 ? 8 : header[1] == 126 ? 2 : 0;
    if (more > 0) {
        client_read(fd, header + 2, more);
        *len = 0;
        for (size_t i = 0; i < more; i++) {
            *len = *len << 8 | header[2 + i];
        }
    }
    assert_true(*len < size);
    client_read(fd, out, *len);
    out[*len] = '\0';
    return header[0];
}

static inline void client_expect_text(int fd, const char *text)
{
    char payload[1024];
    size_t len;
    assert_int_equal(client_read_frame(fd, payload, sizeof(payload), &len),
                     0x80 | RFC6455_OPCODE_TEXT);
    assert_string_equal(payload, text);
}

static inline void client_expect_close(int fd, unsigned code, const char *reason)
{
    char payload[128];
    size_t len;
    assert_int_equal(client_read_frame(fd, payload, sizeof(payload), &len),
                     0x80 | RFC6455_OPCODE_CLOSE);
    if (code == 0) {
        assert_int_equal(len, 0);
        return;
    }
    assert_int_equal((unsigned)(uint8_t)payload[0] << 8 | (uint8_t)payload[1], code);
    assert_string_equal(payload + 2, reason);
}

static inline void client_send_close(int fd, uint16_t code)
{
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    client_send_frame(fd, 0x80 | RFC6455_OPCODE_CLOSE, payload, 2);
}

/* ---- TLS clients without a bridge ---- */

struct dialled {
    SSL *ssl; /* NULL: the handshake failed */
    int fd;
};

static inline struct dialled dial(const struct harness *harness, SSL_CTX *context)
{
    struct dialled dialled = {.fd = tcp_connect(harness->port)};
    dialled.ssl = tls_client_connect(context, dialled.fd);
    return dialled;
}

/* In order: else OpenSSL takes the session for a broken one, which cannot be resumed. */
static inline void hang_up(struct dialled dialled)
{
    if (dialled.ssl) {
        SSL_shutdown(dialled.ssl);
    }
    SSL_free(dialled.ssl);
    close(dialled.fd);
}

/* ---- a session ---- */

/* From connect to COMMAND_OPEN. */
static inline int client_open(struct harness *harness, struct session_id *session)
{
    char head[1024];
    int fd = client_connect(harness);
    client_write_text(fd, HANDSHAKE("/rt/canonical-1", ""));
    client_read_head(fd, head, sizeof(head));
    assert_non_null(strstr(head, "HTTP/1.1 101 "));
    *session = expect_command(harness, COMMAND_OPEN, NULL);
    return fd;
}

#endif
