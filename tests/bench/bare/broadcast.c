/* SPDX-License-Identifier: PostgreSQL */
/* A turn: what epoll reports is read, texts that came in are put as frames into the burst of their
 * channel, and at the end each channel's burst is sent to each of its clients in one system call.
 * A client whose socket is full keeps the rest, copied, and gets it when it is writable.
 *
 * The handshake reads the channel from the path (GET /7) and answers with a constant: the load
 * generator sends the key of the RFC's example. Requests and frames are taken on trust. */
#include "broadcast.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 1024, READ_BYTES = 65536, SEND_BUFFER_BYTES = 128 * 1024 };

static const char answer[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

struct bytes {
    uint8_t *data;
    size_t len, cap;
};

struct connection {
    int fd;
    bool is_open; /* the handshake is done */
    bool is_dead; /* to be forgotten at the end of the turn */
    uint32_t channel;
    struct bytes in, out; /* a frame that is not whole; what the socket did not take */
};

struct channel {
    struct connection **members;
    uint32_t n, cap;
    struct bytes burst;
    bool is_dirty;
};

struct watched {
    int fd;
    void (*on_readable)(void *arg);
    void *arg;
};

struct broadcast {
    int epoll, listener;
    struct channel *channels;
    uint32_t n_channels;
    uint32_t *dirty;
    uint32_t n_dirty, dirty_cap;
    struct connection **dead;
    uint32_t n_dead, dead_cap;
    struct watched watched; /* at most one */
    uint8_t buffer[READ_BYTES];
};

static void *grown(void *array, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap) {
        return array;
    }
    *cap = *cap > 0 ? *cap * 2 : 16;
    array = realloc(array, *cap * size);
    if (!array) {
        abort();
    }
    return array;
}

static void append(struct bytes *bytes, const void *data, size_t len)
{
    if (bytes->len + len > bytes->cap) {
        bytes->cap = (bytes->len + len) * 2;
        bytes->data = realloc(bytes->data, bytes->cap);
        if (!bytes->data) {
            abort();
        }
    }
    if (len > 0) {
        memcpy(bytes->data + bytes->len, data, len);
    }
    bytes->len += len;
}

/* ---- channels ---- */

static struct channel *channel_of(struct broadcast *broadcast, uint32_t number)
{
    while (number >= broadcast->n_channels) {
        uint32_t n = broadcast->n_channels > 0 ? broadcast->n_channels * 2 : 64;
        broadcast->channels = realloc(broadcast->channels, n * sizeof(struct channel));
        if (!broadcast->channels) {
            abort();
        }
        for (uint32_t i = broadcast->n_channels; i < n; i++) {
            broadcast->channels[i] = (struct channel){0};
        }
        broadcast->n_channels = n;
    }
    return &broadcast->channels[number];
}

static void forget(struct broadcast *broadcast, struct connection *connection)
{
    struct channel *channel = channel_of(broadcast, connection->channel);
    for (uint32_t i = 0; i < channel->n; i++) {
        if (channel->members[i] == connection) {
            channel->members[i] = channel->members[--channel->n];
            break;
        }
    }
    close(connection->fd);
    free(connection->in.data);
    free(connection->out.data);
    free(connection);
}

static void bury(struct broadcast *broadcast, struct connection *connection)
{
    if (!connection->is_dead) {
        connection->is_dead = true;
        broadcast->dead = grown(broadcast->dead, broadcast->n_dead, &broadcast->dead_cap,
                                sizeof(*broadcast->dead));
        broadcast->dead[broadcast->n_dead++] = connection;
    }
}

void broadcast_text(struct broadcast *broadcast, uint32_t number, const void *text, size_t len)
{
    struct channel *channel = channel_of(broadcast, number);
    uint8_t head[4] = {0x81, (uint8_t)len};
    if (len > 125) {
        head[1] = 126;
        head[2] = (uint8_t)(len >> 8);
        head[3] = (uint8_t)len;
    }
    append(&channel->burst, head, len > 125 ? 4 : 2);
    append(&channel->burst, text, len);
    if (!channel->is_dirty) {
        channel->is_dirty = true;
        broadcast->dirty = grown(broadcast->dirty, broadcast->n_dirty, &broadcast->dirty_cap,
                                 sizeof(*broadcast->dirty));
        broadcast->dirty[broadcast->n_dirty++] = number;
    }
}

/* ---- out ---- */

static void watch(struct broadcast *broadcast, struct connection *connection, int operation,
                  bool wants_write)
{
    struct epoll_event event = {.events = wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN,
                                .data.ptr = connection};
    epoll_ctl(broadcast->epoll, operation, connection->fd, &event);
}

static void write_out(struct broadcast *broadcast, struct connection *connection, const void *data,
                      size_t len)
{
    ssize_t n = 0;
    if (connection->out.len == 0) {
        n = send(connection->fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            bury(broadcast, connection);
            return;
        }
        n = n < 0 ? 0 : n;
        if ((size_t)n < len) {
            watch(broadcast, connection, EPOLL_CTL_MOD, true);
        }
    }
    append(&connection->out, (const uint8_t *)data + n, len - (size_t)n);
}

static void write_rest(struct broadcast *broadcast, struct connection *connection)
{
    struct bytes *out = &connection->out;
    ssize_t n = send(connection->fd, out->data, out->len, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN) {
            bury(broadcast, connection);
        }
        return;
    }
    out->len -= (size_t)n;
    memmove(out->data, out->data + n, out->len);
    if (out->len == 0) {
        free(out->data);
        *out = (struct bytes){0};
        watch(broadcast, connection, EPOLL_CTL_MOD, false);
    }
}

static void end_turn(struct broadcast *broadcast)
{
    for (uint32_t i = 0; i < broadcast->n_dirty; i++) {
        struct channel *channel = &broadcast->channels[broadcast->dirty[i]];
        for (uint32_t k = 0; k < channel->n; k++) {
            write_out(broadcast, channel->members[k], channel->burst.data, channel->burst.len);
        }
        channel->burst.len = 0;
        channel->is_dirty = false;
    }
    broadcast->n_dirty = 0;
    for (uint32_t i = 0; i < broadcast->n_dead; i++) {
        forget(broadcast, broadcast->dead[i]);
    }
    broadcast->n_dead = 0;
}

/* ---- in ---- */

static void open_connection(struct broadcast *broadcast, struct connection *connection)
{
    const char *path = (const char *)connection->in.data;
    connection->channel = (uint32_t)strtoul(path + strcspn(path, "/") + 1, NULL, 10);
    connection->is_open = true;
    connection->in.len = 0;
    struct channel *channel = channel_of(broadcast, connection->channel);
    channel->members =
        grown(channel->members, channel->n, &channel->cap, sizeof(*channel->members));
    channel->members[channel->n++] = connection;
    write_out(broadcast, connection, answer, sizeof(answer) - 1);
}

/* Masked text frames, as the load generator sends them. Returns the bytes taken. */
static size_t take_frames(struct broadcast *broadcast, const struct connection *connection,
                          uint8_t *data, size_t len)
{
    size_t taken = 0;
    while (len - taken >= 6) {
        uint8_t *frame = data + taken;
        size_t payload = frame[1] & 127U, head = 6;
        if (payload == 126) {
            head = 8;
            payload = len - taken >= head ? (size_t)frame[2] << 8 | frame[3] : len;
        }
        if (payload > len - taken - head) {
            break;
        }
        for (size_t i = 0; i < payload; i++) {
            frame[head + i] ^= frame[head - 4 + i % 4];
        }
        if ((frame[0] & 15) == 1) {
            broadcast_text(broadcast, connection->channel, frame + head, payload);
        }
        taken += head + payload;
    }
    return taken;
}

static void read_in(struct broadcast *broadcast, struct connection *connection)
{
    struct bytes *in = &connection->in;
    size_t had = in->len;
    ssize_t n = recv(connection->fd, broadcast->buffer, sizeof(broadcast->buffer), 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) {
            bury(broadcast, connection);
        }
        return;
    }
    if (!connection->is_open) {
        append(in, broadcast->buffer, (size_t)n);
        if (memmem(in->data, in->len, "\r\n\r\n", 4)) {
            open_connection(broadcast, connection);
        }
        return;
    }
    uint8_t *data = broadcast->buffer;
    size_t len = (size_t)n;
    if (had > 0) {
        append(in, broadcast->buffer, (size_t)n);
        data = in->data;
        len = in->len;
    }
    size_t taken = take_frames(broadcast, connection, data, len);
    if (had > 0) {
        memmove(in->data, in->data + taken, len - taken);
        in->len = len - taken;
    } else {
        append(in, data + taken, len - taken);
    }
}

static void accept_all(struct broadcast *broadcast)
{
    int fd;
    while ((fd = accept4(broadcast->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = calloc(1, sizeof(*connection));
        if (!connection) {
            abort();
        }
        connection->fd = fd;
        watch(broadcast, connection, EPOLL_CTL_ADD, false);
    }
}

/* ---- life ---- */

struct broadcast *broadcast_new(uint16_t port)
{
    static const int yes = 1, send_buffer = SEND_BUFFER_BYTES;
    struct broadcast *broadcast = calloc(1, sizeof(*broadcast));
    if (!broadcast) {
        abort();
    }
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    broadcast->epoll = epoll_create1(EPOLL_CLOEXEC);
    broadcast->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(broadcast->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    setsockopt(broadcast->listener, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    setsockopt(broadcast->listener, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
    if (bind(broadcast->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(broadcast->listener, 4096) != 0) {
        perror("bind");
        exit(1);
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(broadcast->epoll, EPOLL_CTL_ADD, broadcast->listener, &event);
    return broadcast;
}

void broadcast_watch(struct broadcast *broadcast, int fd, void (*on_readable)(void *arg), void *arg)
{
    broadcast->watched = (struct watched){fd, on_readable, arg};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &broadcast->watched};
    epoll_ctl(broadcast->epoll, EPOLL_CTL_ADD, fd, &event);
}

static void on_events(struct broadcast *broadcast, const struct epoll_event *event)
{
    if (!event->data.ptr) {
        accept_all(broadcast);
        return;
    }
    if (event->data.ptr == &broadcast->watched) {
        broadcast->watched.on_readable(broadcast->watched.arg);
        return;
    }
    struct connection *connection = event->data.ptr;
    if (event->events & EPOLLOUT) {
        write_rest(broadcast, connection);
    }
    if (event->events & ~(uint32_t)EPOLLOUT) {
        read_in(broadcast, connection);
    }
}

void broadcast_run(struct broadcast *broadcast)
{
    static struct epoll_event events[EVENTS];
    for (;;) {
        int n = epoll_wait(broadcast->epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            on_events(broadcast, &events[i]);
        }
        end_turn(broadcast);
    }
}
