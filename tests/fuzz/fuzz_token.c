/* SPDX-License-Identifier: PostgreSQL */
/* The way of a token, with keys of every kind. The first byte says what the rest is: T a token, H a
 * header (before a fixed payload and signature), C claims and E a plaintext, which are signed and
 * encrypted here so that the far side of the computation is reached as well, K a JWK set. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/auth/vectors.h"
#include "auth/base64url.h"
#include "auth/crypto.h"
#include "auth/token.h"
#include "base/log.h"

#define NOW INT64_C(1800000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct key *secret_key(const char *secret, const char *algorithm)
{
    struct err err;
    struct key *key = NULL;
    enum status status = key_from_secret(str_of(secret), algorithm_find(algorithm), &key, &err);
    assert(status == STATUS_OK);
    (void)status;
    return key;
}

static struct key *pem_key(const char *pem, const char *algorithm)
{
    struct err err;
    struct key *key = NULL;
    enum status status =
        key_from_pem(str_of(pem), algorithm_find(algorithm), KEY_FOR_CHECKS, &key, &err);
    assert(status == STATUS_OK);
    (void)status;
    return key;
}

enum { HS256, A256KW, DIR, RS256, RSA_OAEP, ES256, EDDSA, ECDH, N_KEYS };

static const struct keyset *the_keys(void)
{
    static struct keyset *set;
    if (!set) {
        log_configure(LOG_LEVEL_ERROR, false);
        struct key *keys[N_KEYS] = {
            [HS256] = secret_key(SECRET_64, "HS256"),
            [A256KW] = secret_key(SECRET_32, "A256KW"),
            [DIR] = secret_key(SECRET_32, "dir"),
            [RS256] = pem_key(RSA_PUBLIC, "RS256"),
            [RSA_OAEP] = pem_key(RSA_PRIVATE, "RSA-OAEP-256"),
            [ES256] = pem_key(P256_PUBLIC, "ES256"),
            [EDDSA] = pem_key(ED_PUBLIC, "EdDSA"),
            [ECDH] = pem_key(P256_PRIVATE, "ECDH-ES"),
        };
        set = keyset_new(keys, N_KEYS);
    }
    return set;
}

static void check_token(struct str token)
{
    static const struct claims_rules rules = {
        .leeway_s = 5, .dbo = "dbo_id", .row = "user.row", .extras = "extras"};
    struct token_check check = {
        .keyset = the_keys(), .rules = &rules, .max_bytes = 8192, .now_s = NOW};
    struct identity *identity = NULL;
    const char *why = NULL;
    enum verdict verdict = token_check(&check, token, &identity, &why);
    assert((verdict == VERDICT_ACCEPTED) == (identity != NULL));
    assert((verdict == VERDICT_REFUSED || verdict == VERDICT_EXPIRED) == (why != NULL));
    assert(check.n_operations <= 2); /* one key of each kind, and one nesting */
    assert(verdict != VERDICT_ACCEPTED || check.n_operations > 0);
    if (identity) {
        assert(identity->expires_at == 0 || identity->expires_at > NOW);
        assert(identity->extras.len >= 2 && identity->extras.len <= CLAIMS_MAX_EXTRAS);
        assert(identity->row_id.len <= CLAIMS_MAX_ROW_ID && str_is_utf8(identity->row_id));
        json_t *extras = json_loadb(identity->extras.ptr, identity->extras.len,
                                    JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL, NULL);
        assert(json_is_object(extras));
        json_decref(extras);
        identity_unref(identity);
    }
}

static void check_header(struct str header)
{
    struct buf token = {0};
    base64url_encode(header, &token);
    buf_literal(&token, strchr(TOKEN_A256KW_A256GCM, '.'));
    check_token((struct str){token.data, token.len});
    buf_clear(&token);
    base64url_encode(header, &token);
    buf_literal(&token, strchr(TOKEN_HS256, '.'));
    check_token((struct str){token.data, token.len});
    buf_release(&token);
}

static void check_made(struct str text, bool is_encrypted)
{
    struct buf token = {0};
    const struct key *key = the_keys()->keys[is_encrypted ? A256KW : HS256];
    json_t *header = json_pack("{s:s}", "alg", key->algorithm->name);
    if (is_encrypted) {
        json_object_set_new(header, "enc", json_string("A128GCM"));
    }
    bool is_made = is_encrypted ? crypto_encrypt(key, header, text, &token)
                                : crypto_sign(key, header, text, &token);
    if (is_made) {
        check_token((struct str){token.data, token.len});
    }
    json_decref(header);
    buf_release(&token);
}

static void check_set(struct str text)
{
    struct err err;
    struct keyset *set = NULL;
    if (keyset_parse(text, "fuzz", KEY_FOR_CHECKS, &set, &err) == STATUS_OK) {
        assert(set->n <= KEYSET_MAX_KEYS);
        for (size_t i = 0; i < set->n; i++) {
            json_t *jwk = key_copy_jwk(set->keys[i]);
            assert(json_is_object(jwk) && set->keys[i]->algorithm);
            json_decref(jwk);
        }
        keyset_unref(set);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct str rest = {(const char *)data + 1, size - 1};
    switch (data[0]) {
    case 'H':
        check_header(rest);
        break;
    case 'C':
        check_made(rest, false);
        break;
    case 'E':
        check_made(rest, true);
        break;
    case 'K':
        check_set(rest);
        break;
    default:
        check_token(rest);
        break;
    }
    return 0;
}
