/* SPDX-License-Identifier: PostgreSQL */
/* TLS: the certificate, the tickets, and what of OpenSSL libwebsockets leaves to us. */
#ifndef HERALD_NET_TLS_H
#define HERALD_NET_TLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct lws;

/* One record's payload: what a session reads and writes at once. */
#define TLS_RECORD_BYTES 16384

/* A certificate with its chain, and its key: immutable, shared by the workers. */
struct tls_pair;
/* Both files are PEM; the certificate comes first in its own, what signed it behind it. Fails with
 * EXIT_CODE_CONFIG and a sentence if OpenSSL would not serve with them. */
enum status tls_pair_load(const char *cert_file, const char *key_file, struct tls_pair **out,
                          struct err *err) MUST_CHECK;
struct tls_pair *tls_pair_ref(struct tls_pair *pair);
void tls_pair_unref(struct tls_pair *pair); /* NULL is fine */

/* Where the keys of session tickets come from. Workers that begin with the same seed have the same
 * keys at any time, so a client may come back to any of them. */
struct tls_seed {
    uint8_t bytes[32];
    uint64_t begin_ms; /* of the first keys */
};
void tls_seed_init(struct tls_seed *seed);
void tls_seed_clear(struct tls_seed *seed); /* wipes it */

/* What one worker knows of TLS. */
struct tls;
struct tls *tls_new(struct tls_pair *pair, const struct tls_seed *seed); /* references the pair */
void tls_free(struct tls *tls);                                          /* NULL is fine */
/* An SSL_CTX for outgoing connections, which there are none of. libwebsockets makes one for each
 * virtual host if it is not given any, with all of the system's certificates; and 4.1.6 forgets to
 * free it in all contexts but the last. */
void *tls_outgoing(struct tls *tls);
/* Settings of the SSL_CTX that libwebsockets has made for the worker, which must not outlive tls.
 */
bool tls_set_up(struct tls *tls, void *ssl_ctx);
void tls_use(struct tls *tls, struct tls_pair *pair); /* for handshakes from now on */
void tls_rotate(struct tls *tls, uint64_t now_ms);    /* the tickets' keys, if it is time */
/* Tells the client that nothing more comes (close_notify): without it he must take the end of the
 * connection for an attack. Nothing, if the connection is a plain one. */
void tls_say_end(struct lws *wsi);

#endif
