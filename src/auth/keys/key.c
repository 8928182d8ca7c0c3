/* SPDX-License-Identifier: PostgreSQL */
/* Where keys are judged, once, when they are loaded: a check of a token then only meets keys that
 * are whole, of a sensible size and good for exactly one algorithm. That last is what the classical
 * attacks live on (a public RSA key taken for an HMAC secret), and libjose 11 does not see to it:
 * its comparison of the two names is `strcmp(…) < 0`.
 *
 * From a JWK only the members that the computation needs are taken over; `use` and `key_ops` are
 * judged here. */
#include "auth/keys/key.h"

#include <jose/openssl.h>
#include <openssl/decoder.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base64url.h"
#include "base/mem.h"

#define MIN_RSA_BITS 2048 /* RFC 7518, 3.3 */
#define MAX_RSA_BITS 8192 /* what a check may cost */
#define ED25519_BYTES 32

static enum status key_fail(struct err *err, const char *what)
{
    err_set(err, EXIT_CODE_CONFIG, "%s", what);
    return STATUS_FAILED;
}

static const char *text_of(const json_t *jwk, const char *name)
{
    return json_string_value(json_object_get(jwk, name));
}

/* ---- which algorithm ---- */

static const struct {
    const char *name;
    enum key_type type;
} key_types[] = {
    {"oct", KEY_TYPE_OCT}, {"RSA", KEY_TYPE_RSA}, {"EC", KEY_TYPE_EC}, {"OKP", KEY_TYPE_OKP}};

static enum status find_type(const json_t *jwk, enum key_type *out, struct err *err)
{
    const char *name = text_of(jwk, "kty");
    for (size_t i = 0; name && i < sizeof(key_types) / sizeof(key_types[0]); i++) {
        if (strcmp(key_types[i].name, name) == 0) {
            *out = key_types[i].type;
            return STATUS_OK;
        }
    }
    return key_fail(err, "is of no type (kty) that pgherald knows");
}

/* NULL: err says why. */
static const struct algorithm *named_algorithm(const json_t *jwk, enum key_type type,
                                               struct err *err)
{
    const char *name = text_of(jwk, "alg"), *curve = text_of(jwk, "crv");
    const char *use = text_of(jwk, "use");
    bool is_by_curve =
        curve && (type == KEY_TYPE_EC || type == KEY_TYPE_OKP) && (!use || strcmp(use, "sig") == 0);
    const struct algorithm *algorithm = name          ? algorithm_find(name)
                                        : is_by_curve ? algorithm_of_curve(curve)
                                                      : NULL;
    if (!algorithm) {
        key_fail(err, name          ? "is for an algorithm (alg) that pgherald does not take"
                      : is_by_curve ? "is on a curve (crv) that pgherald does not take"
                                    : "does not say what algorithm it is for (alg)");
    }
    return algorithm;
}

static const struct algorithm *find_algorithm(const json_t *jwk, const struct algorithm *pinned,
                                              struct err *err)
{
    const char *curve = text_of(jwk, "crv");
    enum key_type type = KEY_TYPE_OCT;
    if (find_type(jwk, &type, err) != STATUS_OK) {
        return NULL;
    }
    const struct algorithm *algorithm = pinned ? pinned : named_algorithm(jwk, type, err);
    if (!algorithm) {
        return NULL;
    }
    if (algorithm->type != type) {
        err_set(err, EXIT_CODE_CONFIG, "is of another type than %s needs", algorithm->name);
        return NULL;
    }
    if (algorithm->curve && (!curve || strcmp(algorithm->curve, curve) != 0)) {
        err_set(err, EXIT_CODE_CONFIG, "is on another curve than %s needs", algorithm->name);
        return NULL;
    }
    return algorithm;
}

/* ---- what its owner allows ---- */

static bool is_in(const char *word, const char *const words[])
{
    for (size_t i = 0; words[i]; i++) {
        if (strcmp(words[i], word) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_allowed(const json_t *jwk, const struct algorithm *algorithm, enum key_use use)
{
    static const char *const checks[] = {"verify", NULL};
    static const char *const makes[] = {"verify", "sign", NULL};
    static const char *const decrypts[] = {"decrypt", "unwrapKey", "deriveKey", "deriveBits", NULL};
    const char *const *wanted = algorithm->is_encryption ? decrypts
                                : use == KEY_FOR_MINTING ? makes
                                                         : checks;
    const char *stated = text_of(jwk, "use");
    const json_t *operations = json_object_get(jwk, "key_ops");
    if (stated && strcmp(stated, algorithm->is_encryption ? "enc" : "sig") != 0) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(operations); i++) {
        const char *operation = json_string_value(json_array_get(operations, i));
        if (operation && is_in(operation, wanted)) {
            return true;
        }
    }
    return !operations;
}

/* ---- its numbers ---- */

static enum status check_oct(struct key *key, struct err *err)
{
    struct buf bytes = {0};
    const struct algorithm *algorithm = key->algorithm;
    const char *text = text_of(key->jwk, "k");
    bool is_good = text && base64url_decode(str_of(text), &bytes);
    key->key_bytes = bytes.len;
    if (bytes.data) {
        explicit_bzero(bytes.data, bytes.cap);
    }
    buf_release(&bytes);
    if (!is_good) {
        return key_fail(err, "is broken: its bytes are not base64url");
    }
    if (key->key_bytes < algorithm->min_bytes || key->key_bytes > algorithm->max_bytes) {
        return err_set(err, EXIT_CODE_CONFIG, "has %zu bytes, and %s needs %s%zu", key->key_bytes,
                       algorithm->name,
                       key->key_bytes > algorithm->max_bytes         ? "no more than "
                       : algorithm->min_bytes < algorithm->max_bytes ? "at least "
                                                                     : "",
                       key->key_bytes > algorithm->max_bytes ? algorithm->max_bytes
                                                             : algorithm->min_bytes);
    }
    bool is_direct = strcmp(algorithm->name, "dir") == 0;
    if (is_direct && !encryption_of_size(key->key_bytes)) {
        return err_set(err, EXIT_CODE_CONFIG, "has %zu bytes, and dir needs 16, 24, 32, 48 or 64",
                       key->key_bytes);
    }
    key->has_private = true;
    return STATUS_OK;
}

/* 0: its numbers make no key. For EC, libjose looks whether the point is on the curve. */
static int bits_of(const struct key *key)
{
    EVP_PKEY *pkey = jose_openssl_jwk_to_EVP_PKEY(NULL, key->jwk);
    int bits = pkey ? EVP_PKEY_bits(pkey) : 0;
    EVP_PKEY_free(pkey);
    return bits;
}

static enum status check_rsa(struct key *key, struct err *err)
{
    int bits = bits_of(key);
    if (bits == 0) {
        return key_fail(err, "is broken: its numbers make no RSA key");
    }
    if (bits < MIN_RSA_BITS || bits > MAX_RSA_BITS) {
        return err_set(err, EXIT_CODE_CONFIG, "has %d bits, and pgherald takes %d to %d", bits,
                       MIN_RSA_BITS, MAX_RSA_BITS);
    }
    key->key_bytes = (size_t)(bits + 7) / 8;
    return STATUS_OK;
}

static enum status check_ec(const struct key *key, struct err *err)
{
    return bits_of(key) > 0 ? STATUS_OK
                            : key_fail(err, "is broken: its numbers are no point of its curve");
}

static enum status check_okp(const struct key *key, struct err *err)
{
    static const char *const names[] = {"x", "d"};
    for (size_t i = 0; i < 2; i++) {
        struct buf bytes = {0};
        const char *text = text_of(key->jwk, names[i]);
        bool is_good =
            text ? base64url_decode(str_of(text), &bytes) && bytes.len == ED25519_BYTES : i == 1;
        buf_release(&bytes);
        if (!is_good) {
            return key_fail(err, "is broken: Ed25519 has keys of 32 bytes");
        }
    }
    return STATUS_OK;
}

static enum status check_numbers(struct key *key, struct err *err)
{
    switch (key->algorithm->type) {
    case KEY_TYPE_OCT:
        return check_oct(key, err);
    case KEY_TYPE_RSA:
        return check_rsa(key, err);
    case KEY_TYPE_EC:
        return check_ec(key, err);
    case KEY_TYPE_OKP:
        return check_okp(key, err);
    }
    return STATUS_FAILED;
}

/* ---- making one ---- */

static json_t *take_members(const json_t *jwk, const struct algorithm *algorithm, bool with_private)
{
    static const char *const publics[] = {"kty", "k", "n", "e", "crv", "x", "y"};
    static const char *const privates[] = {"d", "p", "q", "dp", "dq", "qi"};
    json_t *clean = json_object();
    for (size_t i = 0; i < sizeof(publics) / sizeof(publics[0]); i++) {
        json_object_set_new(clean, publics[i], json_deep_copy(json_object_get(jwk, publics[i])));
    }
    for (size_t i = 0; with_private && i < sizeof(privates) / sizeof(privates[0]); i++) {
        json_object_set_new(clean, privates[i], json_deep_copy(json_object_get(jwk, privates[i])));
    }
    json_object_set_new(clean, "alg", json_string(algorithm->name));
    return clean;
}

enum status key_from_jwk(const json_t *jwk, const struct algorithm *pinned, enum key_use use,
                         struct key **out, struct err *err)
{
    const struct algorithm *algorithm = find_algorithm(jwk, pinned, err);
    if (!algorithm) {
        return STATUS_FAILED;
    }
    if (!is_allowed(jwk, algorithm, use)) {
        return key_fail(err, "is not meant for this (use, key_ops)");
    }
    bool is_public = algorithm_is_public(algorithm);
    bool has_private = json_object_get(jwk, "d") != NULL;
    if (is_public && !has_private) {
        return err_set(err, EXIT_CODE_CONFIG, "has no private part, which %s needs",
                       algorithm->name);
    }
    struct key *key = mem_zalloc(sizeof(*key));
    atomic_init(&key->refs, 1);
    key->algorithm = algorithm;
    key->id = mem_strdup(text_of(jwk, "kid"));
    key->jwk = take_members(jwk, algorithm, is_public || use == KEY_FOR_MINTING);
    key->has_private = json_object_get(key->jwk, "d") != NULL;
    if (check_numbers(key, err) != STATUS_OK) {
        key_unref(key);
        return STATUS_FAILED;
    }
    *out = key;
    return STATUS_OK;
}

/* ---- PEM ---- */

static EVP_PKEY *read_certificate(struct str pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    EVP_PKEY *pkey = certificate ? X509_get_pubkey(certificate) : NULL;
    X509_free(certificate);
    BIO_free(bio);
    return pkey;
}

/* Private or public, in any of its wrappings. Without a passphrase, which nobody could type. */
static EVP_PKEY *read_pem(struct str pem)
{
    EVP_PKEY *pkey = NULL;
    const unsigned char *at = (const unsigned char *)pem.ptr;
    size_t left = pem.len;
    OSSL_DECODER_CTX *decoder =
        OSSL_DECODER_CTX_new_for_pkey(&pkey, "PEM", NULL, NULL, 0, NULL, NULL);
    if (!decoder || !OSSL_DECODER_CTX_set_passphrase(decoder, (const unsigned char *)"", 0) ||
        !OSSL_DECODER_from_data(decoder, &at, &left)) {
        pkey = NULL;
    }
    OSSL_DECODER_CTX_free(decoder);
    return pkey ? pkey : read_certificate(pem);
}

static void set_bytes(json_t *jwk, const char *name, const unsigned char *bytes, size_t len)
{
    struct buf text = {0};
    base64url_encode((struct str){(const char *)bytes, len}, &text);
    json_object_set_new(jwk, name, json_string(buf_text(&text)));
    explicit_bzero(text.data, text.cap);
    buf_release(&text);
}

/* libjose 11 does not know this type of key (RFC 8037). */
static json_t *ed25519_to_jwk(const EVP_PKEY *pkey)
{
    unsigned char bytes[ED25519_BYTES];
    size_t len = sizeof(bytes);
    if (EVP_PKEY_get_raw_public_key(pkey, bytes, &len) != 1) {
        return NULL;
    }
    json_t *jwk = json_pack("{s:s, s:s}", "kty", "OKP", "crv", "Ed25519");
    set_bytes(jwk, "x", bytes, len);
    len = sizeof(bytes);
    if (EVP_PKEY_get_raw_private_key(pkey, bytes, &len) == 1) {
        set_bytes(jwk, "d", bytes, len);
    }
    explicit_bzero(bytes, sizeof(bytes));
    return jwk;
}

enum status key_from_pem(struct str pem, const struct algorithm *pinned, enum key_use use,
                         struct key **out, struct err *err)
{
    EVP_PKEY *pkey = read_pem(pem);
    if (!pkey) {
        return key_fail(err, "cannot be read: it is no PEM of a key, or has a passphrase");
    }
    bool is_rsa = EVP_PKEY_base_id(pkey) == EVP_PKEY_RSA;
    json_t *jwk = EVP_PKEY_base_id(pkey) == EVP_PKEY_ED25519
                      ? ed25519_to_jwk(pkey)
                      : jose_openssl_jwk_from_EVP_PKEY(NULL, pkey);
    EVP_PKEY_free(pkey);
    if (!jwk) {
        return key_fail(err,
                        "is of no kind that pgherald knows: RSA, P-256, P-384, P-521, Ed25519");
    }
    enum status status =
        key_from_jwk(jwk, !pinned && is_rsa ? algorithm_find("RS256") : pinned, use, out, err);
    json_decref(jwk);
    return status;
}

enum status key_from_secret(struct str secret, const struct algorithm *algorithm, struct key **out,
                            struct err *err)
{
    json_t *jwk = json_pack("{s:s}", "kty", "oct");
    set_bytes(jwk, "k", (const unsigned char *)secret.ptr, secret.len);
    enum status status = key_from_jwk(jwk, algorithm, KEY_FOR_MINTING, out, err);
    json_decref(jwk);
    return status;
}

json_t *key_copy_jwk(const struct key *key)
{
    return json_deep_copy(key->jwk);
}

struct key *key_ref(struct key *key)
{
    atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
    return key;
}

void key_unref(struct key *key)
{
    if (key && atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) == 1) {
        free(key->id);
        json_decref((json_t *)(uintptr_t)key->jwk);
        free(key);
    }
}
