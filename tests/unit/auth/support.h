/* SPDX-License-Identifier: PostgreSQL */
/* A directory for key files, a verifier over them, and tokens that no library would make: header
 * and claims as any text, with an HMAC as a stranger would compute it. */
#ifndef HERALD_TESTS_AUTH_SUPPORT_H
#define HERALD_TESTS_AUTH_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/base64url.h"
#include "auth/tokens.h"
#include "base/log.h"
#include "base/mem.h"
#include "vectors.h"

#define NOW INT64_C(1800000000)
#define EVERYTHING "{\"dbo_id\":12,\"row_id\":34,\"extras\":{\"name\":\"Ann\"}}"

struct place {
    char dir[32];
    char *paths[16];
    size_t n;
};

static inline void place_open(struct place *place)
{
    *place = (struct place){.dir = "/tmp/pgherald-auth-XXXXXX"};
    assert_non_null(mkdtemp(place->dir));
}

/* Writes a file (again); its path lives until place_close. */
static inline const char *place_write(struct place *place, const char *name, const void *data,
                                      size_t len)
{
    char *path = mem_printf("%s/%s", place->dir, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    for (size_t i = 0; i < place->n; i++) {
        if (strcmp(place->paths[i], path) == 0) {
            free(path);
            return place->paths[i];
        }
    }
    assert_true(place->n < 16);
    return place->paths[place->n++] = path;
}

static inline const char *place_text(struct place *place, const char *name, const char *text)
{
    return place_write(place, name, text, strlen(text));
}

static inline void place_close(struct place *place)
{
    for (size_t i = 0; i < place->n; i++) {
        unlink(place->paths[i]);
        free(place->paths[i]);
    }
    assert_int_equal(rmdir(place->dir), 0);
}

static inline struct tokens *new_tokens(const struct tokens_options *options)
{
    struct err err = {0};
    struct tokens *tokens = NULL;
    if (tokens_new(options, &tokens, &err) != STATUS_OK) {
        fail_msg("%s", err.text);
    }
    return tokens;
}

/* Keys as texts. */
struct keys {
    const char *secret, *secret_algorithm; /* NULL: none */
    const char *pem, *pem_algorithm;
    const char *jwks;
};

static inline struct tokens *with_keys(struct place *place, const struct keys *keys)
{
    struct tokens_options options = {
        .secret_algorithm = keys->secret_algorithm,
        .key_algorithm = keys->pem_algorithm,
        .leeway_ms = 5000,
    };
    if (keys->secret) {
        options.secret_file = place_text(place, "secret", keys->secret);
    }
    if (keys->pem) {
        options.key_file = place_text(place, "pem", keys->pem);
    }
    if (keys->jwks) {
        options.jwks_file = place_text(place, "jwks", keys->jwks);
    }
    return new_tokens(&options);
}

static inline void expect_failure(const struct tokens_options *options, const char *part)
{
    struct err err = {0};
    struct tokens *tokens = NULL;
    assert_int_equal(tokens_new(options, &tokens, &err), STATUS_FAILED);
    assert_null(tokens);
    assert_int_equal(err.code, EXIT_CODE_CONFIG);
    if (!strstr(err.text, part)) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, part);
    }
}

/* The why of a refusal or expiry; "" for an accepted token, "opaque" for an opaque one. The token
 * is given as a block of its exact size: AddressSanitizer then sees a read of one byte too many. */
static inline const char *check_at(struct tokens *tokens, struct str token, int64_t now_s,
                                   struct identity **out)
{
    struct authenticator authenticator = tokens_authenticator(tokens);
    char *block = mem_alloc(token.len);
    memcpy(block, token.ptr, token.len);
    const char *why = NULL;
    struct identity *identity = NULL;
    enum verdict verdict = authenticator.check(authenticator.ctx, (struct str){block, token.len},
                                               now_s, &identity, &why);
    free(block);
    assert_true((verdict == VERDICT_ACCEPTED) == (identity != NULL));
    assert_true((verdict == VERDICT_REFUSED || verdict == VERDICT_EXPIRED) == (why != NULL));
    if (out) {
        *out = identity;
    } else {
        identity_unref(identity);
    }
    return why ? why : verdict == VERDICT_OPAQUE ? "opaque" : "";
}

static inline const char *check(struct tokens *tokens, const char *token)
{
    return check_at(tokens, str_of(token), NOW, NULL);
}

static inline void expect_ann(struct tokens *tokens, const char *token)
{
    struct identity *identity = NULL;
    assert_string_equal(check_at(tokens, str_of(token), NOW, &identity), "");
    assert_int_equal(identity->dbo_id, 12);
    assert_true(str_equals(identity->row_id, STR("34")));
    assert_true(str_equals(identity->extras, STR("{\"name\":\"Ann\"}")));
    identity_unref(identity);
}

static inline char *hmac_token_n(struct str header, struct str claims, struct str secret)
{
    struct buf token = {0};
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    base64url_encode(header, &token);
    buf_char(&token, '.');
    base64url_encode(claims, &token);
    HMAC(EVP_sha256(), secret.ptr, (int)secret.len, (const unsigned char *)token.data, token.len,
         mac, &mac_len);
    buf_char(&token, '.');
    base64url_encode((struct str){(const char *)mac, mac_len}, &token);
    char *text = mem_strdup(buf_text(&token));
    buf_release(&token);
    return text;
}

static inline char *hmac_token(const char *header, const char *claims)
{
    return hmac_token_n(str_of(header), str_of(claims), STR(SECRET_64));
}

static inline char *claims_token(const char *claims)
{
    return hmac_token("{\"alg\":\"HS256\"}", claims);
}

#endif
