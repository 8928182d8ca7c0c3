/* SPDX-License-Identifier: PostgreSQL */
/* Plain TCP. One read per readiness: epoll reports again what is left, and a second call that finds
 * nothing would cost as much as the first. */
#include "stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

bool stream_open(struct stream *stream, const struct sockaddr_in *to)
{
    static const int yes = 1;
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    *stream = (struct stream){.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    if (stream->fd < 0) {
        return false;
    }
    setsockopt(stream->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    return connect(stream->fd, (const struct sockaddr *)(const void *)to, sizeof(*to)) == 0 ||
           errno == EINPROGRESS;
}

enum stream_status stream_set_up(struct stream *stream, bool *wants_write)
{
    int error = 0;
    socklen_t len = sizeof(error);
    *wants_write = false;
    if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0) {
        errno = error;
        return STREAM_BROKEN;
    }
    return STREAM_DONE;
}

static enum stream_status outcome(ssize_t result, size_t *n)
{
    *n = result > 0 ? (size_t)result : 0;
    if (result > 0) {
        return STREAM_DONE;
    }
    return result < 0 && (errno == EAGAIN || errno == EINTR) ? STREAM_AGAIN : STREAM_BROKEN;
}

enum stream_status stream_read(struct stream *stream, uint8_t *to, size_t size, size_t *n)
{
    return outcome(recv(stream->fd, to, size, 0), n);
}

enum stream_status stream_write(struct stream *stream, const uint8_t *from, size_t len, size_t *n)
{
    return outcome(send(stream->fd, from, len, MSG_NOSIGNAL), n);
}

void stream_close(struct stream *stream)
{
    close(stream->fd);
    stream->fd = -1;
}
