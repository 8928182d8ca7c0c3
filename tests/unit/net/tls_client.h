/* SPDX-License-Identifier: PostgreSQL */
/* TLS for the tests' clients: certificates in temporary files, and a bridge, so that a client which
 * only knows how to read and write a descriptor speaks TLS all the same. A thread carries the bytes
 * between the connection and one end of a socket pair; whoever has the other end notices nothing,
 * back pressure included. */
#ifndef HERALD_TESTS_UNIT_NET_TLS_CLIENT_H
#define HERALD_TESTS_UNIT_NET_TLS_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "base/mem.h"

/* ---- certificates ---- */

struct tls_files { /* cert.pem and key.pem in a directory of their own */
    char dir[64], cert[96], key[96];
};

static inline void tls_files_make(struct tls_files *files)
{
    snprintf(files->dir, sizeof(files->dir), "/tmp/pgherald-tls-XXXXXX");
    assert_non_null(mkdtemp(files->dir));
    snprintf(files->cert, sizeof(files->cert), "%s/cert.pem", files->dir);
    snprintf(files->key, sizeof(files->key), "%s/key.pem", files->dir);
}

static inline void tls_files_remove(struct tls_files *files)
{
    unlink(files->cert);
    unlink(files->key);
    rmdir(files->dir);
}

static inline void tls_write_key(const struct tls_files *files, EVP_PKEY *key)
{
    FILE *file = fopen(files->key, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
}

/* Signed by itself. The name is what tells certificates apart. */
static inline void tls_write_cert(const struct tls_files *files, EVP_PKEY *key, const char *name)
{
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, subject);
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    FILE *file = fopen(files->cert, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, cert), 1);
    fclose(file);
    X509_free(cert);
}

static inline void tls_write_pair(const struct tls_files *files, bool is_rsa, const char *name)
{
    EVP_PKEY *key = is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    assert_non_null(key);
    tls_write_key(files, key);
    tls_write_cert(files, key, name);
    EVP_PKEY_free(key);
}

/* ---- the bridge ---- */

struct tls_bridge {
    SSL *ssl;
    int fd, app_fd;
    pthread_t thread;
    atomic_bool saw_end; /* close_notify came */
    size_t in_at, n_in, out_at, n_out;
    char in[16384], out[16384];
};

static inline void tls_set_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* One way each; false: that was the end. *is_idle is cleared if something moved. */
static inline bool tls_carry_in(struct tls_bridge *bridge, bool *is_idle)
{
    if (bridge->n_in == 0) {
        ERR_clear_error();
        int n = SSL_read(bridge->ssl, bridge->in, sizeof(bridge->in));
        if (n <= 0) {
            int error = SSL_get_error(bridge->ssl, n);
            atomic_store(&bridge->saw_end, error == SSL_ERROR_ZERO_RETURN);
            return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
        }
        bridge->in_at = 0;
        bridge->n_in = (size_t)n;
        *is_idle = false;
    }
    ssize_t n = send(bridge->app_fd, bridge->in + bridge->in_at, bridge->n_in, MSG_NOSIGNAL);
    if (n > 0) {
        bridge->in_at += (size_t)n;
        bridge->n_in -= (size_t)n;
        *is_idle = false;
    }
    return n > 0 || errno == EAGAIN;
}

static inline bool tls_carry_out(struct tls_bridge *bridge, bool *is_idle)
{
    if (bridge->n_out == 0) {
        ssize_t n = recv(bridge->app_fd, bridge->out, sizeof(bridge->out), 0);
        if (n <= 0) {
            return n < 0 && errno == EAGAIN;
        }
        bridge->out_at = 0;
        bridge->n_out = (size_t)n;
        *is_idle = false;
    }
    ERR_clear_error();
    int n = SSL_write(bridge->ssl, bridge->out + bridge->out_at, (int)bridge->n_out);
    if (n > 0) {
        bridge->out_at += (size_t)n;
        bridge->n_out -= (size_t)n;
        *is_idle = false;
        return true;
    }
    int error = SSL_get_error(bridge->ssl, n);
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

static inline void tls_wait(const struct tls_bridge *bridge, bool has_in)
{
    struct pollfd fds[2] = {{.fd = bridge->fd}, {.fd = bridge->app_fd}};
    fds[bridge->n_in == 0 ? 0 : 1].events |= has_in ? (bridge->n_in == 0 ? POLLIN : POLLOUT) : 0;
    fds[bridge->n_out > 0 ? 0 : 1].events |= bridge->n_out > 0 ? POLLOUT : POLLIN;
    for (int i = 0; i < 2; i++) { /* an end that nobody asked for would be told all the time */
        fds[i].fd = fds[i].events != 0 ? fds[i].fd : -1;
    }
    poll(fds, 2, -1);
}

/* After close_notify the client may still send: only its own end is the end. */
static inline void *tls_bridge_run(void *arg)
{
    struct tls_bridge *bridge = arg;
    bool has_in = true, is_idle;
    do {
        is_idle = true;
        if (has_in && !tls_carry_in(bridge, &is_idle)) {
            has_in = false;
            if (!atomic_load(&bridge->saw_end)) {
                break;
            }
            shutdown(bridge->app_fd, SHUT_WR);
        }
        if (!tls_carry_out(bridge, &is_idle)) {
            break;
        }
        if (is_idle) {
            tls_wait(bridge, has_in);
        }
    } while (true);
    close(bridge->app_fd);
    close(bridge->fd);
    return NULL;
}

/* Ends when either side does. Takes the connection, whose handshake is done. Returns the client's
 * end. */
static inline int tls_bridge_start(struct tls_bridge *bridge, SSL *ssl, int fd)
{
    int pair[2];
    *bridge = (struct tls_bridge){.ssl = ssl, .fd = fd};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    bridge->app_fd = pair[0];
    tls_set_nonblocking(bridge->app_fd);
    tls_set_nonblocking(fd);
    assert_int_equal(pthread_create(&bridge->thread, NULL, tls_bridge_run, bridge), 0);
    return pair[1];
}

static inline void tls_bridge_join(struct tls_bridge *bridge)
{
    pthread_join(bridge->thread, NULL);
    SSL_free(bridge->ssl);
}

/* ---- clients ---- */

/* Does not look at who signed. */
static inline SSL_CTX *tls_client_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    assert_non_null(context);
    return context;
}

/* NULL: the handshake failed. The descriptor stays the caller's. */
static inline SSL *tls_client_connect(SSL_CTX *context, int fd)
{
    static const unsigned char alpn[] = "\x08http/1.1";
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    SSL_set_alpn_protos(ssl, alpn, sizeof(alpn) - 1);
    ERR_clear_error();
    if (SSL_connect(ssl) == 1) {
        return ssl;
    }
    SSL_free(ssl);
    return NULL;
}

#endif
