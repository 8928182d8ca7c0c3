/* SPDX-License-Identifier: PostgreSQL */
/* Sockets and OpenSSL by hand, and not libwebsockets as in the server: here is one socket and no loop,
 * so a call that waits is the whole program; libwebsockets's client would keep to itself what a
 * server says when it refuses a handshake, and compares a subprotocol in a buffer that is too small
 * for a token.
 *
 * The socket does not block; poll() does, so that a deadline and a Ctrl-C end each wait. Only the
 * name's look-up waits by itself. */
#include "net/client/line.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/address.h"
#include "base/clock.h"
#include "base/mem.h"

struct line {
    int fd, stop_fd;
    uint32_t timeout_ms;
    SSL_CTX *context; /* NULL: no TLS */
    SSL *ssl;
};

/* ---- waiting ---- */

static int time_left(uint64_t deadline_ms)
{
    uint64_t now_ms = clock_ms();
    return now_ms >= deadline_ms ? 0 : (int)(deadline_ms - now_ms);
}

/* BYTES: the socket is ready. */
static enum line_got line_wait(const struct line *line, short events, uint64_t deadline_ms)
{
    struct pollfd fds[] = {{.fd = line->fd, .events = events},
                           {.fd = line->stop_fd, .events = POLLIN}};
    int n;
    do {
        n = poll(fds, 2, time_left(deadline_ms));
    } while (n < 0 && errno == EINTR);
    if (n > 0 && fds[1].revents != 0) {
        return LINE_STOPPED;
    }
    return n > 0 ? LINE_BYTES : n == 0 ? LINE_LATE : LINE_ENDED;
}

/* What OpenSSL must wait for before it is called again; 0: nothing will help. */
static short ssl_events(SSL *ssl, int result)
{
    switch (SSL_get_error(ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return POLLIN;
    case SSL_ERROR_WANT_WRITE:
        return POLLOUT;
    default:
        return 0;
    }
}

/* ---- TCP ---- */

static enum line_got line_connect_one(struct line *line, const struct addrinfo *address,
                                      uint64_t deadline_ms, int *error)
{
    static const int on = 1;
    socklen_t size = sizeof(*error);
    line->fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                      address->ai_protocol);
    *error = 0;
    if (line->fd < 0 ||
        (connect(line->fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS)) {
        *error = errno;
        return LINE_ENDED;
    }
    enum line_got got = line_wait(line, POLLOUT, deadline_ms);
    if (got == LINE_BYTES && getsockopt(line->fd, SOL_SOCKET, SO_ERROR, error, &size) == 0 &&
        *error != 0) {
        got = LINE_ENDED;
    }
    (void)setsockopt(line->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return got;
}

static enum status line_say(const struct target *target, enum line_got got, int error,
                            struct err *err)
{
    const char *why = got == LINE_STOPPED ? "it was interrupted"
                      : got == LINE_LATE  ? "no answer in time"
                                          : strerror(error);
    return err_set(err, EXIT_CODE_FAILED, "cannot connect to %s port %s: %s", target->host,
                   target->port, why);
}

static enum status line_connect(struct line *line, const struct target *target,
                                uint64_t deadline_ms, struct err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int error = getaddrinfo(target->host, target->port, &hints, &found);
    enum line_got got = LINE_ENDED;
    if (error != 0) {
        return err_set(err, EXIT_CODE_FAILED, "there is no address of %s: %s", target->host,
                       error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
    }
    for (const struct addrinfo *at = found; at && got != LINE_BYTES && got != LINE_STOPPED;
         at = at->ai_next) {
        if (line->fd >= 0) {
            close(line->fd);
        }
        got = line_connect_one(line, at, deadline_ms, &error);
    }
    freeaddrinfo(found);
    return got == LINE_BYTES ? STATUS_OK : line_say(target, got, error, err);
}

/* ---- TLS ---- */

static enum status line_trust(struct line *line, const struct target *target, const char *ca_file,
                              struct err *err)
{
    struct address number;
    X509_VERIFY_PARAM *param;
    line->context = SSL_CTX_new(TLS_client_method());
    if (!line->context || SSL_CTX_set_min_proto_version(line->context, TLS1_2_VERSION) != 1) {
        abort(); /* out of memory, or an OpenSSL without TLS 1.2 */
    }
    SSL_CTX_set_verify(line->context, SSL_VERIFY_PEER, NULL);
    if (ca_file ? SSL_CTX_load_verify_file(line->context, ca_file) != 1
                : SSL_CTX_set_default_verify_paths(line->context) != 1) {
        return err_set(err, EXIT_CODE_CONFIG, "there is no certificate, PEM, in %s",
                       ca_file ? ca_file : "the places where the system has them");
    }
    line->ssl = SSL_new(line->context);
    if (!line->ssl || SSL_set_fd(line->ssl, line->fd) != 1) {
        abort(); /* out of memory */
    }
    param = SSL_get0_param(line->ssl);
    bool is_number = address_parse(str_of(target->host), &number);
    int is_set = is_number ? X509_VERIFY_PARAM_set1_ip_asc(param, target->host)
                           : X509_VERIFY_PARAM_set1_host(param, target->host, 0);
    if (is_set != 1 || (!is_number && SSL_set_tlsext_host_name(line->ssl, target->host) != 1)) {
        return err_set(err, EXIT_CODE_USAGE, "%s is no name that a certificate can have",
                       target->host);
    }
    return STATUS_OK;
}

static enum status line_say_tls(const struct line *line, const struct target *target,
                                bool *is_final, struct err *err)
{
    long verified = SSL_get_verify_result(line->ssl);
    unsigned long error = ERR_peek_last_error();
    if (verified != X509_V_OK) {
        *is_final = true;
        return err_set(err, EXIT_CODE_FAILED,
                       "the certificate of %s is not trusted: %s. --ca-file names the certificate "
                       "of who has signed it",
                       target->host, X509_verify_cert_error_string(verified));
    }
    return err_set(err, EXIT_CODE_FAILED, "no TLS with %s port %s: %s", target->host, target->port,
                   error ? ERR_reason_error_string(error) : "the other side has hung up");
}

static enum status line_secure(struct line *line, const struct line_options *options,
                               uint64_t deadline_ms, bool *is_final, struct err *err)
{
    const struct target *target = options->target;
    enum line_got got = LINE_BYTES;
    int result;
    if (line_trust(line, target, options->ca_file, err) != STATUS_OK) {
        *is_final = true;
        return STATUS_FAILED;
    }
    ERR_clear_error();
    while ((result = SSL_connect(line->ssl)) != 1) {
        short events = ssl_events(line->ssl, result);
        if (events == 0) {
            return line_say_tls(line, target, is_final, err);
        }
        got = line_wait(line, events, deadline_ms);
        if (got != LINE_BYTES) {
            return line_say(target, got, errno, err);
        }
    }
    return STATUS_OK;
}

/* ---- bytes ---- */

/* > 0: so many; 0: the other side has gone; < 0: wait for *events. */
static ssize_t line_try_read(struct line *line, void *to, size_t size, short *events)
{
    *events = POLLIN;
    if (!line->ssl) {
        ssize_t n = recv(line->fd, to, size, 0);
        return n >= 0 || errno == EAGAIN || errno == EINTR ? n : 0;
    }
    ERR_clear_error();
    int n = SSL_read(line->ssl, to, (int)size);
    if (n <= 0) {
        *events = ssl_events(line->ssl, n);
        return *events ? -1 : 0;
    }
    return n;
}

static ssize_t line_try_write(struct line *line, const void *from, size_t size, short *events)
{
    *events = POLLOUT;
    if (!line->ssl) {
        ssize_t n = send(line->fd, from, size, MSG_NOSIGNAL);
        return n >= 0 || errno == EAGAIN || errno == EINTR ? n : 0;
    }
    ERR_clear_error();
    int n = SSL_write(line->ssl, from, (int)size);
    if (n <= 0) {
        *events = ssl_events(line->ssl, n);
        return *events ? -1 : 0;
    }
    return n;
}

enum line_got line_read(struct line *line, void *to, size_t size, uint32_t timeout_ms, size_t *n)
{
    uint64_t deadline_ms = clock_ms() + timeout_ms;
    enum line_got got = LINE_BYTES;
    short events;
    ssize_t done;
    while (got == LINE_BYTES && (done = line_try_read(line, to, size, &events)) != 0) {
        if (done > 0) {
            *n = (size_t)done;
            return LINE_BYTES;
        }
        got = line_wait(line, events, deadline_ms);
    }
    return got == LINE_BYTES ? LINE_ENDED : got;
}

enum line_got line_write(struct line *line, const void *from, size_t size)
{
    uint64_t deadline_ms = clock_ms() + line->timeout_ms;
    const char *at = from, *end = at + size;
    enum line_got got = LINE_BYTES;
    short events;
    while (at < end && got == LINE_BYTES) {
        ssize_t done = line_try_write(line, at, (size_t)(end - at), &events);
        if (done == 0) {
            return LINE_ENDED;
        }
        at += done > 0 ? done : 0;
        got = done > 0 ? LINE_BYTES : line_wait(line, events, deadline_ms);
    }
    return got;
}

/* ---- life ---- */

enum status line_open(const struct line_options *options, struct line **out, bool *is_final,
                      struct err *err)
{
    uint64_t deadline_ms = clock_ms() + options->timeout_ms;
    struct line *line = mem_zalloc(sizeof(*line));
    *line = (struct line){.fd = -1, .stop_fd = options->stop_fd, .timeout_ms = options->timeout_ms};
    *is_final = false;
    if (line_connect(line, options->target, deadline_ms, err) != STATUS_OK ||
        (options->target->is_tls &&
         line_secure(line, options, deadline_ms, is_final, err) != STATUS_OK)) {
        line_close(line);
        return STATUS_FAILED;
    }
    *out = line;
    return STATUS_OK;
}

void line_close(struct line *line)
{
    if (!line) {
        return;
    }
    SSL_free(line->ssl);
    SSL_CTX_free(line->context);
    if (line->fd >= 0) {
        close(line->fd);
    }
    free(line);
}
