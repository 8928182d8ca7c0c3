/* SPDX-License-Identifier: PostgreSQL */
/* The way of a token: length, characters, shape, header, key, lengths of the parts, and only then a
 * computation. Whatever can be refused without one is refused before it, so no token costs more
 * than the checks of KEYSET_MAX_TRIES keys, and with a kid (or one key) no more than one that is
 * accepted.
 *
 * A JWE under a secret that both sides share may hold the claims, or a signed token. One under a
 * public key may only hold a signed token: encryption says who can read it, never who wrote it.
 * There are no further nestings.
 *
 * Refused from the header: compression (zip: a small token could grow to anything), PBES2 and its
 * count (p2c: the sender would choose what a check costs), extensions (crit). */
#include "auth/token.h"

#include <string.h>

#include "auth/base64url.h"
#include "auth/crypto.h"

static enum verdict token_refuse(const char **why, const char *text)
{
    *why = text;
    return VERDICT_REFUSED;
}

/* The keys for a token; NULL, or why there is none. */
static const char *select_keys(struct token_check *check, const struct compact *compact,
                               const struct algorithm *algorithm,
                               const struct key *keys[KEYSET_MAX_TRIES], size_t *n_keys)
{
    switch (keyset_select(check->keyset, algorithm, compact->key_id, keys, n_keys)) {
    case KEYSET_FOUND:
        return NULL;
    case KEYSET_NO_ID:
        check->misses_key = true;
        return "it names a key that is not known here (kid)";
    case KEYSET_NO_ALGORITHM:
        /* The issuer may have a new key of another type; without a kid there is no reason to think
         * so. */
        check->misses_key = compact->key_id != NULL;
        break;
    }
    return why_algorithm;
}

/* ---- JWS ---- */

static bool is_signature_length(const struct key *key, size_t len)
{
    static const struct {
        const char *name;
        size_t len;
    } lengths[] = {{"HS256", 32}, {"HS384", 48},  {"HS512", 64}, {"ES256", 64},
                   {"ES384", 96}, {"ES512", 132}, {"EdDSA", 64}};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        if (strcmp(lengths[i].name, key->algorithm->name) == 0) {
            return len == lengths[i].len;
        }
    }
    return len == key->key_bytes; /* RSA */
}

/* Appends the payload and returns NULL, or why not. */
static const char *open_jws(struct token_check *check, struct compact *jws, struct buf *payload)
{
    const struct key *keys[KEYSET_MAX_TRIES];
    size_t n_keys = 0;
    const struct algorithm *algorithm = algorithm_find(jws->algorithm);
    if (!algorithm || algorithm->is_encryption) {
        return why_algorithm;
    }
    const char *why = select_keys(check, jws, algorithm, keys, &n_keys);
    if (why) {
        return why;
    }
    struct buf signature = {0};
    bool is_good = base64url_decode(jws->parts[2], &signature);
    size_t signature_len = signature.len;
    buf_release(&signature);
    if (!is_good || !base64url_decode(jws->parts[1], payload)) {
        return why_malformed;
    }
    for (size_t i = 0; i < n_keys; i++) {
        if (is_signature_length(keys[i], signature_len)) {
            check->n_operations++;
            if (crypto_verify(keys[i], jws)) {
                check->key = keys[i];
                return NULL;
            }
        }
    }
    return "its signature does not match";
}

/* ---- JWE ---- */

static bool is_text_of(const json_t *value, size_t max)
{
    return json_is_string(value) && json_string_length(value) > 0 &&
           json_string_length(value) <= max;
}

/* The sender's key of ECDH-ES. libjose looks whether it is a point of the curve. */
static bool is_sender_key(const json_t *header)
{
    const json_t *epk = json_object_get(header, "epk");
    const size_t max = 88; /* characters of a P-521 coordinate */
    const json_t *info[] = {json_object_get(header, "apu"), json_object_get(header, "apv")};
    for (size_t i = 0; i < 2; i++) {
        if (info[i] && !is_text_of(info[i], 256)) {
            return false;
        }
    }
    return is_text_of(json_object_get(epk, "kty"), 8) &&
           is_text_of(json_object_get(epk, "crv"), 8) &&
           is_text_of(json_object_get(epk, "x"), max) && is_text_of(json_object_get(epk, "y"), max);
}

/* How long the encrypted key is for this key and encryption. */
static size_t encrypted_key_bytes(const struct key *key, const struct encryption *encryption)
{
    const struct algorithm *algorithm = key->algorithm;
    if (algorithm->type == KEY_TYPE_RSA) {
        return key->key_bytes;
    }
    bool is_wrapped = strstr(algorithm->name, "A256KW") != NULL;
    return is_wrapped ? encryption->key_bytes + 8 : 0; /* RFC 3394 */
}

/* The five parts decode, and to lengths that make sense for the encryption. */
static bool has_good_parts(const struct compact *jwe, const struct encryption *encryption)
{
    struct buf bytes[COMPACT_JWE_PARTS] = {{0}};
    bool is_good = true;
    for (size_t i = 1; i < COMPACT_JWE_PARTS; i++) {
        is_good = is_good && base64url_decode(jwe->parts[i], &bytes[i]);
    }
    is_good = is_good && bytes[2].len == encryption->iv_bytes && bytes[3].len > 0 &&
              bytes[3].len % encryption->block_size == 0 && bytes[4].len == encryption->tag_bytes;
    for (size_t i = 1; i < COMPACT_JWE_PARTS; i++) {
        buf_release(&bytes[i]);
    }
    return is_good;
}

static const char *judge_jwe(const struct compact *jwe, const struct algorithm **algorithm,
                             const struct encryption **encryption)
{
    const json_t *header = jwe->header;
    *algorithm = algorithm_find(jwe->algorithm);
    if (!*algorithm || !(*algorithm)->is_encryption || json_object_get(header, "p2c") ||
        json_object_get(header, "p2s")) {
        return why_algorithm;
    }
    if (json_object_get(header, "zip")) {
        return "it is compressed, which is not accepted (zip)";
    }
    *encryption = jwe->encryption ? encryption_find(jwe->encryption) : NULL;
    if (!*encryption) {
        return "its encryption is not accepted here (enc)";
    }
    bool is_agreed = (*algorithm)->type == KEY_TYPE_EC;
    if (is_agreed && !is_sender_key(header)) {
        return why_malformed;
    }
    return has_good_parts(jwe, *encryption) ? NULL : why_malformed;
}

static bool fits(const struct key *key, const struct encryption *encryption,
                 const struct compact *jwe)
{
    bool is_direct = strcmp(key->algorithm->name, "dir") == 0;
    const json_t *epk = json_object_get(jwe->header, "epk");
    bool is_agreed = key->algorithm->type == KEY_TYPE_EC;
    return base64url_bytes(jwe->parts[1].len) == encrypted_key_bytes(key, encryption) &&
           (!is_direct || key->key_bytes == encryption->key_bytes) &&
           (!is_agreed ||
            json_equal(json_object_get(epk, "crv"), json_object_get(key->jwk, "crv")));
}

/* Appends the plaintext and returns NULL, or why not. */
static const char *open_jwe(struct token_check *check, struct compact *jwe, bool *is_public,
                            struct buf *plaintext)
{
    const struct key *keys[KEYSET_MAX_TRIES];
    size_t n_keys = 0;
    const struct algorithm *algorithm = NULL;
    const struct encryption *encryption = NULL;
    const char *why = judge_jwe(jwe, &algorithm, &encryption);
    why = why ? why : select_keys(check, jwe, algorithm, keys, &n_keys);
    if (why) {
        return why;
    }
    *is_public = algorithm_is_public(algorithm);
    for (size_t i = 0; i < n_keys; i++) {
        if (fits(keys[i], encryption, jwe)) {
            check->n_operations++;
            if (crypto_decrypt(keys[i], jwe, plaintext)) {
                check->key = keys[i];
                return NULL;
            }
        }
    }
    return "it cannot be decrypted";
}

/* ---- all of it ---- */

/* The alphabet of tokens is part of it (RFC 6750, b64token); no space, nothing above ASCII. */
static bool is_printable(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7F) {
            return false;
        }
    }
    return text.len > 0;
}

static enum verdict check_claims(struct token_check *check, struct str text, struct identity **out,
                                 const char **why)
{
    if (check->claims) {
        buf_str(check->claims, text);
    }
    return claims_check(check->rules, text, check->now_s, out, why);
}

static enum verdict check_jws(struct token_check *check, struct compact *jws, struct identity **out,
                              const char **why)
{
    *why = compact_read_header(jws);
    if (*why) {
        return VERDICT_REFUSED;
    }
    struct buf claims = {0};
    enum verdict verdict = VERDICT_REFUSED;
    *why = open_jws(check, jws, &claims);
    if (!*why) {
        verdict = check_claims(check, (struct str){claims.data, claims.len}, out, why);
    }
    buf_release(&claims);
    compact_release(jws);
    return verdict;
}

static enum verdict check_plaintext(struct token_check *check, struct str text, bool is_public,
                                    struct identity **out, const char **why)
{
    struct compact inner;
    if (text.len > 0 && is_printable(text) && compact_split(text, &inner) &&
        inner.n_parts == COMPACT_JWS_PARTS) {
        return check_jws(check, &inner, out, why);
    }
    if (is_public) {
        return token_refuse(why, "it is encrypted but not signed");
    }
    return check_claims(check, text, out, why);
}

static enum verdict check_jwe(struct token_check *check, struct compact *jwe, struct identity **out,
                              const char **why)
{
    *why = compact_read_header(jwe);
    if (*why) {
        return VERDICT_REFUSED;
    }
    struct buf plaintext = {0};
    bool is_public = false;
    enum verdict verdict = VERDICT_REFUSED;
    *why = open_jwe(check, jwe, &is_public, &plaintext);
    if (!*why) {
        verdict = check_plaintext(check, (struct str){plaintext.data, plaintext.len}, is_public,
                                  out, why);
    }
    buf_release(&plaintext);
    compact_release(jwe);
    return verdict;
}

enum verdict token_check(struct token_check *check, struct str token, struct identity **out,
                         const char **why)
{
    struct compact compact;
    check->n_operations = 0;
    check->key = NULL;
    check->misses_key = false;
    if (token.len > check->max_bytes) {
        return token_refuse(why, "it is too long");
    }
    if (!is_printable(token)) {
        return token_refuse(why, why_malformed);
    }
    if (!compact_split(token, &compact)) {
        return VERDICT_OPAQUE;
    }
    if (check->keyset->n == 0) {
        check->misses_key = true;
        return token_refuse(why, "this server has no key for tokens");
    }
    return compact.n_parts == COMPACT_JWS_PARTS ? check_jws(check, &compact, out, why)
                                                : check_jwe(check, &compact, out, why);
}
