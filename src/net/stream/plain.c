/* SPDX-License-Identifier: PostgreSQL */
/* A connection without TLS: the kernel's calls, and no more of them than it takes. To come and go
 * costs six: accept4, epoll_ctl, recv and send, epoll_ctl and close.
 *
 * They were libwebsockets' once, as those with TLS are: 4.1.6 walks its whole table of descriptors
 * whenever a plain connection closes (a check for developers that Debian's build has switched on:
 * sanity_assert_no_sockfd_traces), and so each cost what --max-sessions was, the half of all its
 * CPU at 20 000.
 *
 * One read per turn: whoever sends without end does not keep the others waiting. */
#include "net/stream/plain.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/loop.h"
#include "net/socket/output.h"
#include "net/socket/socket.h"
#include "net/stream/life.h"
#include "net/worker/worker.h"

static enum stream_state plain_write(struct socket *socket, uint8_t *data, size_t len,
                                     size_t *taken)
{
    ssize_t sent = send(socket->fd, data, len, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EWOULDBLOCK) {
        return STREAM_STATE_BROKEN;
    }
    *taken = sent > 0 ? (size_t)sent : 0;
    return *taken == len ? STREAM_STATE_OPEN : STREAM_STATE_FULL;
}

static void plain_want(struct socket *socket, bool is_reading, bool is_writing)
{
    loop_poll_set(socket->poll, is_reading, is_writing);
}

static void plain_end(struct socket *socket)
{
    int fd = socket->fd;
    loop_poll_free(socket->poll);
    life_end(socket);
    close(fd);
}

/* False: it has ended. */
static bool plain_read(struct socket *socket)
{
    uint8_t *input = socket->worker->input;
    ssize_t got = recv(socket->fd, input, WORKER_INPUT_BYTES, 0);
    if (got > 0) {
        life_read(socket, input, (size_t)got);
    }
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK));
}

/* An error comes as both: who is not to be read meets it when he is written to. */
static void on_ready(void *arg, bool is_readable, bool is_writable)
{
    struct socket *socket = arg;
    if (is_readable && socket_is_read(socket) && !plain_read(socket)) {
        plain_end(socket);
    } else if (is_writable && socket->flow != SOCKET_FLOW_OPEN && !output_on_writable(socket)) {
        plain_end(socket);
    }
}

void plain_adopt(struct worker *worker, int fd, const struct arrival *arrival)
{
    static const struct stream plain = {plain_write, plain_want, plain_end};
    struct socket *socket = life_begin(worker, &plain, fd, arrival);
    socket->poll = loop_poll_new(worker->loop, fd, on_ready, socket);
    plain_want(socket, true, false);
}
