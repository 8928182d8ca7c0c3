/* SPDX-License-Identifier: PostgreSQL */
/* TLS: libwebsockets does handshakes, reading and writing; the certificate and the tickets are
 * ours.
 *
 * The files are read here and not by libwebsockets, once for all workers: its reload reads them
 * again in each context, says that all is well when they are broken, and would give workers that
 * read a moment apart different certificates. A pair is tried in a context of its own first, so
 * what the operator wrote is known to work before anything is changed.
 *
 * Each handshake takes the worker's current pair in OpenSSL's certificate callback. The obvious
 * way, replacing it in the SSL_CTX, has a trap: an SSL_CTX has one place per type of key, so after
 * a change from RSA to ECDSA the old certificate would still be there and be given to some clients.
 * Sessions that are open have what they began with.
 *
 * Tickets let a client come back without the signature, which is nearly all that a handshake costs.
 * The workers' keys are derived from one random seed, and every half day a new seed from the old
 * one, which is wiped: a thief of today's keys cannot read yesterday's tickets. Workers do that by
 * themselves and agree, because they count from the same moment. Tickets of before are not taken
 * any more; their owners pay one full handshake.
 *
 * libwebsockets 4.1.6 never sends close_notify in its raw role: tls_say_end does. */
#include "net/tls.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <libwebsockets.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    ROTATE_MS = 12 * 60 * 60 * 1000,
    TICKET_KEY_BYTES = 80, /* name, HMAC and AES key: SSL_CTX_set_tlsext_ticket_keys(3) */
};

/* ---- certificate and key ---- */

struct tls_pair {
    atomic_uint refs;
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
};

struct tls_pair *tls_pair_ref(struct tls_pair *pair)
{
    atomic_fetch_add_explicit(&pair->refs, 1, memory_order_relaxed);
    return pair;
}

void tls_pair_unref(struct tls_pair *pair)
{
    if (pair && atomic_fetch_sub_explicit(&pair->refs, 1, memory_order_acq_rel) == 1) {
        X509_free(pair->leaf);
        sk_X509_pop_free(pair->chain, X509_free);
        EVP_PKEY_free(pair->key);
        free(pair);
    }
}

static BIO *open_file(const char *option, const char *path, struct err *err)
{
    errno = 0;
    BIO *file = BIO_new_file(path, "r");
    if (!file) {
        err_set(err, EXIT_CODE_CONFIG, "cannot read %s \"%s\": %s", option, path, strerror(errno));
    }
    return file;
}

/* Why OpenSSL does not want something. */
static const char *reason(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());
    return text ? text : "no reason given";
}

/* The certificates behind the first one. */
static bool read_chain(BIO *file, struct tls_pair *pair)
{
    X509 *next;
    while ((next = PEM_read_bio_X509(file, NULL, NULL, NULL))) {
        if (sk_X509_push(pair->chain, next) <= 0) {
            X509_free(next);
            return false;
        }
    }
    unsigned long error = ERR_peek_last_error();
    return ERR_GET_LIB(error) == ERR_LIB_PEM &&
           ERR_GET_REASON(error) == PEM_R_NO_START_LINE; /* that was all */
}

static enum status read_certificates(const char *path, struct tls_pair *pair, struct err *err)
{
    BIO *file = open_file("--tls-cert-file", path, err);
    if (!file) {
        return STATUS_FAILED;
    }
    pair->leaf = PEM_read_bio_X509_AUX(file, NULL, NULL, NULL);
    bool is_good = pair->leaf && read_chain(file, pair);
    BIO_free(file);
    return is_good ? STATUS_OK
                   : err_set(err, EXIT_CODE_CONFIG,
                             "--tls-cert-file \"%s\" is not a certificate in PEM format with those "
                             "that signed it behind it: %s",
                             path, reason());
}

/* Instead of OpenSSL's, which would ask at the terminal. */
static int on_passphrase(char *buf, int size, int is_write, void *arg)
{
    (void)buf;
    (void)size;
    (void)is_write;
    bool *is_asked = arg;
    *is_asked = true;
    return -1;
}

static enum status read_key(const char *path, struct tls_pair *pair, struct err *err)
{
    bool is_asked = false;
    BIO *file = open_file("--tls-key-file", path, err);
    if (!file) {
        return STATUS_FAILED;
    }
    pair->key = PEM_read_bio_PrivateKey(file, NULL, on_passphrase, &is_asked);
    BIO_free(file);
    if (pair->key) {
        return STATUS_OK;
    }
    if (is_asked) {
        return err_set(
            err, EXIT_CODE_CONFIG,
            "--tls-key-file \"%s\" is locked with a passphrase: give a file without one, "
            "readable by the server only",
            path);
    }
    return err_set(err, EXIT_CODE_CONFIG, "--tls-key-file \"%s\" is not a key in PEM format: %s",
                   path, reason());
}

/* For every context, so that the trial below means something. */
static bool set_protocol(SSL_CTX *context)
{
    /* RFC 9325: the versions, and forward secrecy with authenticated encryption. TLS 1.3 has
     * nothing else; of its suites the one that all must have (RFC 8446, 9.1) comes first, because
     * SHA-256, which processors have, makes a handshake a tenth cheaper than SHA-384. */
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
           SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                                             "TLS_CHACHA20_POLY1305_SHA256") == 1;
}

static enum status try_pair(const struct tls_pair *pair, const char *cert_file,
                            const char *key_file, struct err *err)
{
    if (X509_check_private_key(pair->leaf, pair->key) != 1) {
        return err_set(err, EXIT_CODE_CONFIG,
                       "--tls-key-file \"%s\" is not the key of the first certificate in "
                       "--tls-cert-file \"%s\"",
                       key_file, cert_file);
    }
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    bool is_good = context && set_protocol(context) &&
                   SSL_CTX_use_cert_and_key(context, pair->leaf, pair->key, pair->chain, 1) == 1;
    SSL_CTX_free(context);
    if (!is_good) {
        return err_set(err, EXIT_CODE_CONFIG, "OpenSSL refuses --tls-cert-file \"%s\": %s",
                       cert_file, reason());
    }
    if (X509_cmp_current_time(X509_get0_notAfter(pair->leaf)) < 0) {
        log_warn("the certificate in %s has expired: clients will refuse it", cert_file);
    }
    return STATUS_OK;
}

enum status tls_pair_load(const char *cert_file, const char *key_file, struct tls_pair **out,
                          struct err *err)
{
    struct tls_pair *pair = mem_zalloc(sizeof(*pair));
    atomic_init(&pair->refs, 1);
    pair->chain = sk_X509_new_null();
    ERR_clear_error();
    enum status status = read_certificates(cert_file, pair, err);
    if (status == STATUS_OK) {
        status = read_key(key_file, pair, err);
    }
    if (status == STATUS_OK) {
        status = try_pair(pair, cert_file, key_file, err);
    }
    ERR_clear_error();
    if (status != STATUS_OK) {
        tls_pair_unref(pair);
        return status;
    }
    *out = pair;
    return STATUS_OK;
}

/* ---- the worker's part ---- */

struct tls {
    SSL_CTX *context; /* libwebsockets' */
    SSL_CTX *outgoing;
    struct tls_pair *pair;
    struct tls_seed seed;
};

struct tls *tls_new(struct tls_pair *pair, const struct tls_seed *seed)
{
    struct tls *tls = mem_zalloc(sizeof(*tls));
    tls->pair = tls_pair_ref(pair);
    tls->seed = *seed;
    tls->outgoing = SSL_CTX_new(TLS_client_method());
    return tls;
}

void *tls_outgoing(struct tls *tls)
{
    return tls->outgoing;
}

void tls_free(struct tls *tls)
{
    if (tls) {
        tls_pair_unref(tls->pair);
        SSL_CTX_free(tls->outgoing);
        tls_seed_clear(&tls->seed);
        free(tls);
    }
}

void tls_use(struct tls *tls, struct tls_pair *pair)
{
    tls_pair_unref(tls->pair);
    tls->pair = tls_pair_ref(pair);
}

static int on_certificate(SSL *ssl, void *arg)
{
    const struct tls *tls = arg;
    const struct tls_pair *pair = tls->pair;
    return SSL_use_cert_and_key(ssl, pair->leaf, pair->key, pair->chain, 1);
}

/* ---- tickets ---- */

void tls_seed_init(struct tls_seed *seed)
{
    seed->begin_ms = clock_ms();
    if (RAND_bytes(seed->bytes, sizeof(seed->bytes)) != 1) {
        abort(); /* as with exhausted memory: nothing secret can be had */
    }
}

void tls_seed_clear(struct tls_seed *seed)
{
    OPENSSL_cleanse(seed, sizeof(*seed));
}

/* SHA-512 of the seed and a label. */
static void derive(const struct tls_seed *seed, uint8_t label, uint8_t out[64])
{
    uint8_t input[sizeof(seed->bytes) + 1];
    memcpy(input, seed->bytes, sizeof(seed->bytes));
    input[sizeof(seed->bytes)] = label;
    if (EVP_Digest(input, sizeof(input), out, NULL, EVP_sha512(), NULL) != 1) {
        abort(); /* without memory */
    }
    OPENSSL_cleanse(input, sizeof(input));
}

static bool set_ticket_keys(struct tls *tls)
{
    uint8_t keys[2 * 64];
    derive(&tls->seed, 1, keys);
    derive(&tls->seed, 2, keys + 64);
    bool is_good = SSL_CTX_set_tlsext_ticket_keys(tls->context, keys, TICKET_KEY_BYTES) == 1;
    OPENSSL_cleanse(keys, sizeof(keys));
    return is_good;
}

void tls_rotate(struct tls *tls, uint64_t now_ms)
{
    if (now_ms - tls->seed.begin_ms < ROTATE_MS) {
        return;
    }
    while (now_ms - tls->seed.begin_ms >= ROTATE_MS) {
        uint8_t next[64];
        derive(&tls->seed, 3, next);
        memcpy(tls->seed.bytes, next, sizeof(tls->seed.bytes));
        OPENSSL_cleanse(next, sizeof(next));
        tls->seed.begin_ms += ROTATE_MS;
    }
    if (!set_ticket_keys(tls)) {
        log_error("the keys of TLS session tickets cannot be set");
    }
}

bool tls_set_up(struct tls *tls, void *ssl_ctx)
{
    tls->context = ssl_ctx;
    SSL_CTX_set_options(tls->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_cert_cb(tls->context, on_certificate, tls);
    /* libwebsockets' callback looks for a virtual host of the client's name; there are none. */
    SSL_CTX_set_tlsext_servername_callback(tls->context, NULL);
    /* Tickets, nothing kept here. A client gets a new one with each handshake, so one is enough. */
    SSL_CTX_set_session_cache_mode(tls->context, SSL_SESS_CACHE_OFF);
    return set_protocol(tls->context) && SSL_CTX_set_num_tickets(tls->context, 1) == 1 &&
           set_ticket_keys(tls);
}

/* ---- the end ---- */

void tls_say_end(struct lws *wsi)
{
    SSL *ssl = lws_get_ssl(wsi);
    if (ssl) {
        /* If it cannot be sent, the client learns of the end by the end. */
        ERR_clear_error();
        SSL_shutdown(ssl);
        ERR_clear_error();
    }
}
