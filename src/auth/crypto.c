/* SPDX-License-Identifier: PostgreSQL */
/* libjose behind four calls. What it cannot do OpenSSL does: Ed25519, which libjose 11 does not
 * have, and the RSA-OAEP-256 of a key, which it lacks when it is built with OpenSSL 3 (it asks for
 * a macro that is a function now; `jose alg -k wrap` shows it. Delete rsa_unwrap when that is
 * mended in Debian's).
 *
 * Every call has a configuration of its own, because libjose's reference counts of it are plain
 * numbers, and with an error function that says nothing: the usual one writes to stderr what a
 * stranger sent. */
#include "auth/crypto.h"

#include <jose/jwe.h>
#include <jose/jws.h>
#include <jose/openssl.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "auth/base64url.h"

static void say_nothing(void *misc, const char *file, int line, uint64_t code, const char *format,
                        va_list arguments)
{
    (void)misc;
    (void)file;
    (void)line;
    (void)code;
    (void)format;
    (void)arguments;
}

static jose_cfg_t *quiet(void)
{
    jose_cfg_t *cfg = jose_cfg();
    if (!cfg) {
        abort(); /* no memory, as in mem_alloc */
    }
    jose_cfg_set_err_func(cfg, say_nothing, NULL);
    return cfg;
}

static json_t *text(struct str part)
{
    return json_stringn(part.ptr, part.len);
}

/* ---- Ed25519 ---- */

static EVP_PKEY *ed25519_key(const struct key *key, const char *member)
{
    struct buf bytes = {0};
    EVP_PKEY *pkey = NULL;
    if (base64url_decode(str_of(json_string_value(json_object_get(key->jwk, member))), &bytes)) {
        const unsigned char *raw = (const unsigned char *)bytes.data;
        pkey = member[0] == 'd'
                   ? EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw, bytes.len)
                   : EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, raw, bytes.len);
    }
    if (bytes.data) {
        explicit_bzero(bytes.data, bytes.cap);
    }
    buf_release(&bytes);
    return pkey;
}

/* What is signed stands in the token: the first two parts with the dot between them. */
static bool ed25519_verify(const struct key *key, const struct compact *jws)
{
    struct buf signature = {0};
    const char *start = jws->parts[0].ptr, *end = jws->parts[1].ptr + jws->parts[1].len;
    EVP_PKEY *pkey = ed25519_key(key, "x");
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_good = pkey && ctx && base64url_decode(jws->parts[2], &signature) &&
                   EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
                   EVP_DigestVerify(ctx, (const unsigned char *)signature.data, signature.len,
                                    (const unsigned char *)start, (size_t)(end - start)) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    buf_release(&signature);
    return is_good;
}

static bool ed25519_sign(const struct key *key, struct buf *token)
{
    unsigned char signature[64];
    size_t len = sizeof(signature);
    EVP_PKEY *pkey = ed25519_key(key, "d");
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool is_good =
        pkey && ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
        EVP_DigestSign(ctx, signature, &len, (const unsigned char *)token->data, token->len) == 1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    if (is_good) {
        buf_char(token, '.');
        base64url_encode((struct str){(const char *)signature, len}, token);
    }
    return is_good;
}

/* ---- checking ---- */

bool crypto_verify(const struct key *key, const struct compact *compact)
{
    if (key->algorithm->type == KEY_TYPE_OKP) {
        return ed25519_verify(key, compact);
    }
    jose_cfg_t *cfg = quiet();
    json_t *jwk = key_copy_jwk(key);
    json_t *jws = json_pack("{s:o, s:o, s:o}", "protected", text(compact->parts[0]), "payload",
                            text(compact->parts[1]), "signature", text(compact->parts[2]));
    bool is_good = jose_jws_ver(cfg, jws, NULL, jwk, false);
    json_decref(jws);
    json_decref(jwk);
    jose_cfg_decref(cfg);
    return is_good;
}

static bool oaep_decrypt(EVP_PKEY *pkey, const struct buf *wrapped, unsigned char *out, size_t *len)
{
    EVP_PKEY_CTX *ctx = pkey ? EVP_PKEY_CTX_new(pkey, NULL) : NULL;
    bool is_good =
        ctx && EVP_PKEY_decrypt_init(ctx) == 1 &&
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
        EVP_PKEY_CTX_set_rsa_oaep_md(ctx, EVP_sha256()) == 1 &&
        EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, EVP_sha256()) == 1 &&
        EVP_PKEY_decrypt(ctx, out, len, (const unsigned char *)wrapped->data, wrapped->len) == 1;
    EVP_PKEY_CTX_free(ctx);
    return is_good;
}

/* The content encryption key as a JWK; NULL: it is not for this key. */
static json_t *rsa_unwrap(const struct key *key, const struct compact *compact)
{
    struct buf wrapped = {0}, encoded = {0};
    unsigned char cek[1024]; /* no RSA key that key.c lets in has more */
    size_t len = sizeof(cek);
    json_t *jwk = key_copy_jwk(key), *out = NULL;
    EVP_PKEY *pkey = jose_openssl_jwk_to_EVP_PKEY(NULL, jwk);
    if (base64url_decode(compact->parts[1], &wrapped) && oaep_decrypt(pkey, &wrapped, cek, &len)) {
        base64url_encode((struct str){(const char *)cek, len}, &encoded);
        out = json_pack("{s:s, s:s%}", "kty", "oct", "k", encoded.data, encoded.len);
        explicit_bzero(encoded.data, encoded.len);
    }
    explicit_bzero(cek, sizeof(cek));
    EVP_PKEY_free(pkey);
    json_decref(jwk);
    buf_release(&encoded);
    buf_release(&wrapped);
    return out;
}

/* As libjose wants it: with dir it takes the key's algorithm for the one of the content. */
static json_t *jwk_for(const struct key *key, const json_t *header)
{
    json_t *jwk = key_copy_jwk(key);
    if (strcmp(key->algorithm->name, "dir") == 0) {
        json_object_set(jwk, "alg", json_object_get(header, "enc"));
    }
    return jwk;
}

static void *decrypt(const struct key *key, const struct compact *compact, const json_t *jwe,
                     size_t *len)
{
    jose_cfg_t *cfg = quiet();
    bool is_rsa = key->algorithm->type == KEY_TYPE_RSA;
    json_t *jwk = is_rsa ? rsa_unwrap(key, compact) : jwk_for(key, compact->header);
    void *plaintext = !jwk     ? NULL
                      : is_rsa ? jose_jwe_dec_cek(cfg, jwe, jwk, len)
                               : jose_jwe_dec(cfg, jwe, NULL, jwk, len);
    json_decref(jwk);
    jose_cfg_decref(cfg);
    return plaintext;
}

bool crypto_decrypt(const struct key *key, const struct compact *compact, struct buf *out)
{
    json_t *jwe = json_pack("{s:o, s:o, s:o, s:o, s:o}", "protected", text(compact->parts[0]),
                            "encrypted_key", text(compact->parts[1]), "iv", text(compact->parts[2]),
                            "ciphertext", text(compact->parts[3]), "tag", text(compact->parts[4]));
    size_t len = 0; /* libjose adds to it */
    char *plaintext = decrypt(key, compact, jwe, &len);
    json_decref(jwe);
    if (!plaintext) {
        return false;
    }
    buf_add(out, plaintext, len);
    explicit_bzero(plaintext, len);
    free(plaintext);
    return true;
}

/* ---- making ---- */

static void add_part(struct buf *out, const json_t *object, const char *name, char dot)
{
    const json_t *part = json_object_get(object, name);
    if (dot != '\0') {
        buf_char(out, dot);
    }
    buf_add(out, json_string_value(part), json_string_length(part));
}

static json_t *encoded(struct str bytes)
{
    struct buf part = {0};
    base64url_encode(bytes, &part);
    json_t *json = json_stringn(part.data, part.len);
    buf_release(&part);
    return json;
}

bool crypto_sign(const struct key *key, json_t *header, struct str payload, struct buf *out)
{
    if (key->algorithm->type == KEY_TYPE_OKP) {
        char *written = json_dumps(header, JSON_COMPACT);
        base64url_encode(str_of(written), out);
        buf_char(out, '.');
        base64url_encode(payload, out);
        free(written);
        return ed25519_sign(key, out);
    }
    jose_cfg_t *cfg = quiet();
    json_t *jwk = key_copy_jwk(key);
    json_t *jws = json_pack("{s:o}", "payload", encoded(payload));
    json_t *sig = json_pack("{s:O}", "protected", header);
    bool is_good = jose_jws_sig(cfg, jws, sig, jwk);
    if (is_good) {
        add_part(out, jws, "protected", '\0');
        add_part(out, jws, "payload", '.');
        add_part(out, jws, "signature", '.');
    }
    json_decref(sig);
    json_decref(jws);
    json_decref(jwk);
    jose_cfg_decref(cfg);
    return is_good;
}

bool crypto_encrypt(const struct key *key, json_t *header, struct str plaintext, struct buf *out)
{
    jose_cfg_t *cfg = quiet();
    json_t *jwk = jwk_for(key, header);
    json_t *jwe = json_pack("{s:O}", "protected", header);
    bool is_good = jose_jwe_enc(cfg, jwe, NULL, jwk, plaintext.ptr, plaintext.len);
    if (is_good) {
        add_part(out, jwe, "protected", '\0');
        add_part(out, jwe, "encrypted_key", '.');
        add_part(out, jwe, "iv", '.');
        add_part(out, jwe, "ciphertext", '.');
        add_part(out, jwe, "tag", '.');
    }
    json_decref(jwe);
    json_decref(jwk);
    jose_cfg_decref(cfg);
    return is_good;
}
