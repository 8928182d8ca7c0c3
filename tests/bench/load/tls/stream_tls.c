/* SPDX-License-Identifier: PostgreSQL */
/* The same through TLS, with OpenSSL: links into load-tls. The certificate is not verified, and no
 * session is resumed: each connection pays for a whole handshake.
 *
 * What OpenSSL has decrypted epoll does not know of, so a read goes on until the socket has no
 * more; the caller comes back if its buffer was full. */
#include "../stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/ssl.h>

/* One for all streams, made with the first. */
static SSL_CTX *context(void)
{
    static SSL_CTX *ctx;
    if (!ctx) {
        ctx = SSL_CTX_new(TLS_client_method());
        if (!ctx) {
            abort();
        }
        SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
        SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    return ctx;
}

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

static enum stream_status outcome(SSL *ssl, int result)
{
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_NONE:
        return STREAM_DONE;
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return STREAM_AGAIN;
    default:
        return STREAM_BROKEN;
    }
}

enum stream_status stream_set_up(struct stream *stream, bool *wants_write)
{
    if (!stream->tls) {
        SSL *fresh = SSL_new(context());
        SSL_set_fd(fresh, stream->fd);
        stream->tls = fresh;
    }
    SSL *ssl = stream->tls;
    int result = SSL_connect(ssl);
    *wants_write = SSL_want_write(ssl);
    return outcome(ssl, result);
}

enum stream_status stream_read(struct stream *stream, uint8_t *to, size_t size, size_t *n)
{
    enum stream_status status = STREAM_DONE;
    *n = 0;
    while (*n < size && status == STREAM_DONE) {
        size_t got = 0;
        int result = SSL_read_ex(stream->tls, to + *n, size - *n, &got);
        status = outcome(stream->tls, result);
        *n += got;
    }
    return *n > 0 ? STREAM_DONE : status;
}

enum stream_status stream_write(struct stream *stream, const uint8_t *from, size_t len, size_t *n)
{
    *n = 0;
    int result = SSL_write_ex(stream->tls, from, len, n);
    return outcome(stream->tls, result);
}

void stream_close(struct stream *stream)
{
    SSL_free(stream->tls);
    close(stream->fd);
    *stream = (struct stream){.fd = -1};
}
