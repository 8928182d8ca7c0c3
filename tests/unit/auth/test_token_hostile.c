/* SPDX-License-Identifier: PostgreSQL */
/* Tokens that mean harm: each is refused, for the right reason, and for no more than an accepted
 * one costs. */
#include "support.h"

#include "auth/crypto.h"

/* All the kinds of keys at once: whatever a token asks for is there. */
static struct tokens *with_all_keys(struct place *place)
{
    return with_keys(
        place,
        &(struct keys){
            .secret = SECRET_64,
            .pem = RSA_PUBLIC,
            .jwks =
                "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e1\",\"crv\":\"P-256\",\"x\":\"" P256_JWK_X
                "\",\"y\":\"" P256_JWK_Y "\"},"
                "{\"kty\":\"oct\",\"kid\":\"k1\",\"alg\":\"A256KW\",\"k\":"
                "\"YSBzZWNyZXQgZm9yIHRlc3RzLCA2NCBieXRlcyBsb24\"},"
                "{\"kty\":\"oct\",\"kid\":\"d1\",\"alg\":\"dir\",\"k\":"
                "\"YSBzZWNyZXQgZm9yIHRlc3RzLCA2NCBieXRlcyBsb24\"}]}",
        });
}

static void expect_why(struct tokens *tokens, const char *token, const char *why)
{
    const char *got = check(tokens, token);
    if (strcmp(got, why) != 0) {
        fail_msg("%.300s\n got \"%s\" instead of \"%s\"", token, got, why);
    }
}

static void test_headers(void **state)
{
    (void)state;
    static const char malformed[] = "it is not well formed";
    static const char algorithm[] = "its algorithm is not accepted here";
    static const char *const cases[][2] = {
        {"{\"alg\":\"HS256\"}", ""},
        {"{\"alg\":\"none\"}", algorithm},
        {"{\"alg\":\"None\"}", algorithm},
        {"{\"alg\":\"NONE\"}", algorithm},
        {"{\"alg\":\"nOnE\"}", algorithm},
        {"{\"alg\":\"\"}", algorithm},
        {"{\"alg\":\"hs256\"}", algorithm},
        {"{\"alg\":\"HS256 \"}", algorithm},
        {"{\"alg\":\"HS25\"}", algorithm},
        {"{\"alg\":\"HS384\"}", algorithm},
        {"{\"alg\":\"ES384\"}", algorithm},
        {"{\"alg\":\"dir\"}", algorithm},
        {"{\"alg\":\"A256KW\"}", algorithm},
        {"{\"alg\":\"RS256\"}", "its signature does not match"},
        {"{\"alg\":\"HS256\\u0000\"}", malformed},
        {"{\"alg\":null}", malformed},
        {"{\"alg\":[\"HS256\"]}", malformed},
        {"{\"alg\":256}", malformed},
        {"{}", malformed},
        {"{\"alg\":\"HS256\"", malformed},
        {"{\"alg\":\"HS256\"}}", malformed},
        {"{\"alg\":\"HS256\",\"alg\":\"HS256\"}", malformed},
        {"{\"alg\":\"none\",\"alg\":\"HS256\"}", malformed},
        {"{\"alg\":\"HS256\",\"kid\":\"a\",\"kid\":\"b\"}", malformed},
        {"{\"alg\":\"HS256\",\"kid\":7}", malformed},
        {"{\"alg\":\"HS256\",\"kid\":null}", malformed},
        {"{\"alg\":\"HS256\",\"kid\":\"any\"}", ""},
        {"{\"alg\":\"ES256\",\"kid\":\"e2\"}", "it names a key that is not known here (kid)"},
        {"{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}",
         "it demands an extension that is not known here (crit)"},
        {"{\"alg\":\"HS256\",\"crit\":[]}",
         "it demands an extension that is not known here (crit)"},
        {"{\"alg\":\"HS256\",\"jku\":\"http://127.0.0.1:1/\",\"x5u\":\"http://127.0.0.1:1/\"}", ""},
        {"{\"alg\":\"HS256\",\"a\":[[[1]]]}", ""},
        {"{\"alg\":\"HS256\",\"a\":[[[[1]]]]}", malformed},
        {"{\"alg\":\"HS256\",\"a\":\"\xff\"}", malformed},
        {"{\"alg\":\"HS256\"\xc2\xa0}", malformed},
    };
    struct place place;
    place_open(&place);
    struct tokens *tokens = with_all_keys(&place);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *token = hmac_token(cases[i][0], EVERYTHING);
        const char *got = check(tokens, token);
        /* A foreign algorithm's signature has another length: it is not even tried. */
        if (strcmp(got, cases[i][1]) != 0) {
            fail_msg("%s: \"%s\" instead of \"%s\"", cases[i][0], got, cases[i][1]);
        }
        free(token);
    }
    tokens_free(tokens);
    place_close(&place);
}

/* The classical confusion, with every spelling of the public key that an attacker could think of.
 */
static void test_a_public_key_is_no_secret(void **state)
{
    (void)state;
    const char *const spellings[] = {RSA_PUBLIC, RSA_PKCS1_PUBLIC, RSA_JWK_N};
    struct place place;
    place_open(&place);
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        for (int with_secret = 0; with_secret < 2; with_secret++) {
            struct tokens *tokens =
                with_keys(&place, &(struct keys){.pem = RSA_PUBLIC,
                                                 .secret = with_secret ? SECRET_64 : NULL});
            char *token =
                hmac_token_n(STR("{\"alg\":\"HS256\"}"), STR(EVERYTHING), str_of(spellings[i]));
            expect_why(tokens, token,
                       with_secret ? "its signature does not match"
                                   : "its algorithm is not accepted here");
            free(token);
            tokens_free(tokens);
        }
    }
    place_close(&place);
}

/* A key that comes with the token does not count. */
static void test_keys_in_the_header(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    struct tokens *tokens = with_all_keys(&place);
    const char *header = "{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":"
                         "\"bXkgb3duIHNlY3JldCwgd2hpY2ggSSBzZW5kIGFsb25nIQ\"},\"x5c\":[\"MII\"]}";
    char *token =
        hmac_token_n(str_of(header), STR(EVERYTHING), STR("my own secret, which I send along!"));
    expect_why(tokens, token, "its signature does not match");
    free(token);
    tokens_free(tokens);
    place_close(&place);
}

static void test_shapes(void **state)
{
    (void)state;
    static const char opaque[] = "opaque", malformed[] = "it is not well formed";
    /* eyJhbGciOiJIUzI1NiJ9 is {"alg":"HS256"} */
#define H "eyJhbGciOiJIUzI1NiJ9"
#define T(text)                                                                                    \
    {                                                                                              \
        text, sizeof(text) - 1                                                                     \
    }
    static const struct {
        struct str token;
        const char *why;
    } cases[] = {
        {{"", 0}, malformed},
        {T("x"), opaque},
        {T("a.b.c"), opaque},
        {T(".."), opaque},
        {T("...."), opaque},
        {T("v2.local.abc"), opaque},
        {T(H), opaque},
        {T(H "."), opaque},
        {T(H ".e30"), opaque},
        {T(H ".e30.x.y"), opaque},
        {T(H ".e30.x.y.z.q"), opaque},
        {T("." H ".e30"), opaque},
        {T("W10.e30.AA"), opaque}, /* [] */
        {T(H ".."), "its signature does not match"},
        {T(H ".e30."), "its signature does not match"},
        {T(H ".e30.AA"), "its signature does not match"},
        {T(H ".e30.A"), malformed},
        {T(H ".e30.AB"), malformed},
        {T(H ".e30=.AA"), malformed},
        {T(H ".e3 0.AA"), malformed},
        {T(H ".e3+0.AA"), malformed},
        {T(H "=.e30.AA"), malformed},
        {T(H ".e30.AA\0"), malformed},
        {T(H "\0.e30.AA"), malformed},
        {T(H ".e30.AA\n"), malformed},
        {T("\0"), malformed},
        {T("two words"), malformed},
        {T("caf\xc3\xa9"), malformed},
        {T(TOKEN_HS256 "."), opaque},
        {T(TOKEN_HS256 ".."), "its algorithm is not accepted here"},
        {T("Bearer " TOKEN_HS256), malformed},
    };
    struct place place;
    place_open(&place);
    struct tokens *tokens = with_all_keys(&place);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *got = check_at(tokens, cases[i].token, NOW, NULL);
        if (strcmp(got, cases[i].why) != 0) {
            fail_msg("%.*s: %s", (int)cases[i].token.len, cases[i].token.ptr, got);
        }
    }
    tokens_free(tokens);
    place_close(&place);
}

/* A JWE with any header and parts of any lengths (of zeros). */
static char *jwe_token(const char *header, size_t key, size_t iv, size_t ciphertext, size_t tag)
{
    const size_t lengths[] = {key, iv, ciphertext, tag};
    struct buf token = {0};
    base64url_encode(str_of(header), &token);
    for (size_t i = 0; i < 4; i++) {
        char *zeros = mem_zalloc(lengths[i]);
        buf_char(&token, '.');
        base64url_encode((struct str){zeros, lengths[i]}, &token);
        free(zeros);
    }
    char *text = mem_strdup(buf_text(&token));
    buf_release(&token);
    return text;
}

#define MALFORMED "it is not well formed"
#define FAILS "it cannot be decrypted"
#define ALGORITHM "its algorithm is not accepted here"
#define KW "{\"alg\":\"A256KW\",\"enc\":\"A256GCM\"}"
#define DIR "{\"alg\":\"dir\",\"enc\":\"A128CBC-HS256\"}"
static const struct {
    const char *header;
    size_t key, iv, ciphertext, tag;
    const char *why;
    unsigned n_operations;
} jwe_cases[] = {
    {KW, 40, 12, 10, 16, FAILS, 1},
    {KW, 41, 12, 10, 16, FAILS, 0},
    {KW, 0, 12, 10, 16, FAILS, 0},
    {KW, 48, 12, 10, 16, FAILS, 0},
    {KW, 4000, 12, 10, 16, FAILS, 0},
    {KW, 40, 0, 10, 16, MALFORMED, 0},
    {KW, 40, 16, 10, 16, MALFORMED, 0},
    {KW, 40, 12, 0, 16, MALFORMED, 0},
    {KW, 40, 12, 10, 0, MALFORMED, 0},
    {KW, 40, 12, 10, 4, MALFORMED, 0},
    {DIR, 0, 16, 32, 16, FAILS, 1},
    {DIR, 1, 16, 32, 16, FAILS, 0},
    {DIR, 0, 16, 33, 16, MALFORMED, 0},
    {DIR, 0, 16, 32, 17, MALFORMED, 0},
    {"{\"alg\":\"dir\",\"enc\":\"A128GCM\"}", 0, 12, 10, 16, FAILS, 0}, /* key of 32 bytes */
    {"{\"alg\":\"A256KW\",\"enc\":\"A256GCM\",\"zip\":\"DEF\"}", 40, 12, 10, 16,
     "it is compressed, which is not accepted (zip)", 0},
    {"{\"alg\":\"A256KW\",\"enc\":\"A256GCM\",\"zip\":null}", 40, 12, 10, 16,
     "it is compressed, which is not accepted (zip)", 0},
    {"{\"alg\":\"A256KW\",\"enc\":\"A256GCM\",\"p2c\":2000000000}", 40, 12, 10, 16, ALGORITHM, 0},
    {"{\"alg\":\"PBES2-HS256+A128KW\",\"enc\":\"A128GCM\",\"p2c\":2147483647,\"p2s\":\"AAAA\"}", 24,
     12, 10, 16, ALGORITHM, 0},
    {"{\"alg\":\"A256KW\",\"enc\":\"none\"}", 40, 12, 10, 16,
     "its encryption is not accepted here (enc)", 0},
    {"{\"alg\":\"A256KW\"}", 40, 12, 10, 16, "its encryption is not accepted here (enc)", 0},
    {"{\"alg\":\"A256KW\",\"enc\":[\"A256GCM\"]}", 40, 12, 10, 16,
     "its encryption is not accepted here (enc)", 0},
    {"{\"alg\":\"A128KW\",\"enc\":\"A256GCM\"}", 40, 12, 10, 16, ALGORITHM, 0},
    {"{\"alg\":\"RSA1_5\",\"enc\":\"A256GCM\"}", 256, 12, 10, 16, ALGORITHM, 0},
    {"{\"alg\":\"RSA-OAEP\",\"enc\":\"A256GCM\"}", 256, 12, 10, 16, ALGORITHM, 0},
    {"{\"alg\":\"RSA-OAEP-256\",\"enc\":\"A256GCM\"}", 256, 12, 10, 16, ALGORITHM, 0},
    {"{\"alg\":\"HS256\",\"enc\":\"A256GCM\"}", 40, 12, 10, 16, ALGORITHM, 0},
    {"{\"alg\":\"A256KW\",\"enc\":\"A256GCM\",\"crit\":[\"x\"],\"x\":1}", 40, 12, 10, 16,
     "it demands an extension that is not known here (crit)", 0},
    {"{\"alg\":\"A256KW\",\"enc\":\"A256GCM\",\"kid\":\"k9\"}", 40, 12, 10, 16,
     "it names a key that is not known here (kid)", 0},
};

static void test_jwe_headers_and_lengths(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    struct tokens *tokens = with_all_keys(&place);
    for (size_t i = 0; i < sizeof(jwe_cases) / sizeof(jwe_cases[0]); i++) {
        struct tokens_counts before, after;
        char *token = jwe_token(jwe_cases[i].header, jwe_cases[i].key, jwe_cases[i].iv,
                                jwe_cases[i].ciphertext, jwe_cases[i].tag);
        tokens_counts(tokens, &before);
        expect_why(tokens, token, jwe_cases[i].why);
        tokens_counts(tokens, &after);
        assert_int_equal(after.n_operations - before.n_operations, jwe_cases[i].n_operations);
        free(token);
    }
    tokens_free(tokens);
    place_close(&place);
}

/* libjose would inflate it. */
static void test_a_compressed_token(void **state)
{
    (void)state;
    struct place place;
    struct key *key = NULL;
    struct err err;
    struct buf token = {0};
    place_open(&place);
    struct tokens *tokens =
        with_keys(&place, &(struct keys){.secret = SECRET_32, .secret_algorithm = "A256KW"});
    assert_int_equal(key_from_secret(STR(SECRET_32), algorithm_find("A256KW"), &key, &err), 0);
    json_t *header = json_pack("{s:s,s:s}", "alg", "A256KW", "enc", "A256GCM");
    assert_true(crypto_encrypt(key, header, STR(EVERYTHING), &token));
    expect_ann(tokens, buf_text(&token));
    buf_clear(&token);
    json_object_set_new(header, "zip", json_string("DEF"));
    assert_true(crypto_encrypt(key, header, STR(EVERYTHING), &token));
    expect_why(tokens, buf_text(&token), "it is compressed, which is not accepted (zip)");
    json_decref(header);
    buf_release(&token);
    key_unref(key);
    tokens_free(tokens);
    place_close(&place);
}

static void test_what_anybody_can_encrypt(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    const struct keys rsa = {
        .secret = SECRET_64, .pem = RSA_PRIVATE, .pem_algorithm = "RSA-OAEP-256"};
    const struct keys ecdh = {.secret = SECRET_64, .pem = P256_PRIVATE, .pem_algorithm = "ECDH-ES"};
    struct tokens *tokens = with_keys(&place, &rsa);
    expect_why(tokens, TOKEN_BARE_RSA, "it is encrypted but not signed");
    expect_why(tokens, TOKEN_TWICE_RSA, "it is encrypted but not signed");
    expect_why(tokens, TOKEN_NESTED_RSA_SHA1, "its algorithm is not accepted here");
    expect_why(tokens, TOKEN_PBES2, "its algorithm is not accepted here");
    tokens_free(tokens);
    tokens = with_keys(&place, &ecdh);
    expect_why(tokens, TOKEN_BARE_ECDH, "it is encrypted but not signed");
    expect_why(tokens, TOKEN_NESTED_ECDH_P521, "it cannot be decrypted");
    tokens_free(tokens);
    /* The signature inside is looked at. */
    const struct keys other = {
        .secret = SECRET_32 SECRET_32, .pem = RSA_PRIVATE, .pem_algorithm = "RSA-OAEP-256"};
    tokens = with_keys(&place, &other);
    expect_why(tokens, TOKEN_NESTED_RSA, "its signature does not match");
    tokens_free(tokens);
    const struct keys alone = {.pem = RSA_PRIVATE, .pem_algorithm = "RSA-OAEP-256"};
    tokens = with_keys(&place, &alone);
    expect_why(tokens, TOKEN_NESTED_RSA, "its algorithm is not accepted here");
    tokens_free(tokens);
    place_close(&place);
}

static void test_sender_keys_of_ecdh(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "it is not well formed"},
        {",\"epk\":null", "it is not well formed"},
        {",\"epk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\"}", "it is not well formed"},
        {",\"epk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}",
         "it cannot be decrypted"}, /* not on the curve */
        {",\"epk\":{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AQ\",\"y\":\"AQ\"}",
         "it cannot be decrypted"},
        {",\"epk\":{\"kty\":\"oct\",\"k\":\"AQ\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}",
         "it cannot be decrypted"},
        {",\"epk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" P256_JWK_X "\",\"y\":\"" P256_JWK_Y
         "\"},\"apu\":7",
         "it is not well formed"},
        {",\"epk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" P256_JWK_X "\",\"y\":\"" P256_JWK_Y
         "\"},\"apu\":\"***\"",
         "it cannot be decrypted"},
        {",\"epk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" P256_JWK_X "\",\"y\":\"" P256_JWK_Y
         "\"}",
         "it cannot be decrypted"},
    };
    struct place place;
    place_open(&place);
    struct tokens *tokens =
        with_keys(&place, &(struct keys){.pem = P256_PRIVATE, .pem_algorithm = "ECDH-ES"});
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *header = mem_printf("{\"alg\":\"ECDH-ES\",\"enc\":\"A256GCM\"%s}", cases[i][0]);
        char *token = jwe_token(header, 0, 12, 10, 16);
        expect_why(tokens, token, cases[i][1]);
        free(token);
        free(header);
    }
    tokens_free(tokens);
    place_close(&place);
}

/* ---- lengths and costs ---- */

static void test_long_tokens(void **state)
{
    (void)state;
    struct place place;
    struct buf claims = {0};
    place_open(&place);
    struct tokens *tokens = with_all_keys(&place);
    buf_literal(&claims, "{\"dbo_id\":12,\"row_id\":34,\"extras\":{\"name\":\"Ann\"},\"pad\":\"");
    while (claims.len < 2970) { /* base64 makes 4 of 3 */
        buf_char(&claims, 'x');
    }
    buf_literal(&claims, "\"}");
    char *token = claims_token(buf_text(&claims));
    assert_in_range(strlen(token), 4000, 4096);
    expect_ann(tokens, token);
    free(token);
    /* Unread: it is a block that may not be read at all. */
    struct str huge = {(const char *)(uintptr_t)16, 1 << 20};
    struct authenticator authenticator = tokens_authenticator(tokens);
    struct identity *identity = NULL;
    const char *why = NULL;
    assert_int_equal(authenticator.check(authenticator.ctx, huge, NOW, &identity, &why),
                     VERDICT_REFUSED);
    assert_string_equal(why, "it is too long");
    buf_release(&claims);
    tokens_free(tokens);
    place_close(&place);
}

static unsigned cost_of(struct tokens *tokens, const char *token, bool is_accepted)
{
    struct tokens_counts before, after;
    tokens_counts(tokens, &before);
    const char *why = check(tokens, token);
    tokens_counts(tokens, &after);
    if ((why[0] == '\0') != is_accepted) {
        fail_msg("%s: %s", token, why);
    }
    return (unsigned)(after.n_operations - before.n_operations);
}

/* Counted in signatures and decryptions, because time is not a test. */
static void test_a_refusal_costs_no_more(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    struct tokens *tokens = with_all_keys(&place);
    assert_int_equal(cost_of(tokens, TOKEN_HS256, true), 1);
    assert_int_equal(cost_of(tokens, TOKEN_NESTED_A256KW, true), 2);
    static const char *const headers[] = {"{\"alg\":\"none\"}",
                                          "{\"alg\":\"HS256\"}",
                                          "{\"alg\":\"RS256\"}",
                                          "{\"alg\":\"ES256\"}",
                                          "{\"alg\":\"HS256\",\"kid\":\"x\"}",
                                          "{\"alg\":\"ES256\",\"kid\":\"x\"}"};
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        char *token = hmac_token_n(str_of(headers[i]), STR(EVERYTHING), STR(SECRET_32));
        assert_in_range(cost_of(tokens, token, false), 0, 1);
        free(token);
    }
    char *expired = claims_token("{\"exp\":1}");
    assert_int_equal(cost_of(tokens, expired, false), 1);
    free(expired);
    assert_int_equal(cost_of(tokens, TOKEN_NESTED_RSA, false), 0);
    assert_int_equal(cost_of(tokens, TOKEN_ES384, false), 0);
    assert_int_equal(cost_of(tokens, TOKEN_PBES2, false), 0);
    tokens_free(tokens);
    place_close(&place);
}

/* Without a kid the keys are tried, but not all that there may be. */
static void test_many_keys_are_not_all_tried(void **state)
{
    (void)state;
    struct place place;
    struct buf jwks = {0};
    place_open(&place);
    buf_literal(&jwks, "{\"keys\":[");
    for (int i = 0; i < 20; i++) {
        buf_printf(&jwks,
                   "%s{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"k%d\",\"k\":"
                   "\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAz"
                   "Zr1Z9C%02dA\"}",
                   i ? "," : "", i, i + 10);
    }
    buf_literal(&jwks, "]}");
    struct tokens *tokens = with_keys(&place, &(struct keys){.jwks = buf_text(&jwks)});
    assert_int_equal(cost_of(tokens, TOKEN_HS256, false), 4);
    char *named = hmac_token("{\"alg\":\"HS256\",\"kid\":\"k7\"}", EVERYTHING);
    assert_int_equal(cost_of(tokens, named, false), 1);
    free(named);
    buf_release(&jwks);
    tokens_free(tokens);
    place_close(&place);
}

static void test_without_keys(void **state)
{
    (void)state;
    struct tokens *tokens = new_tokens(&(struct tokens_options){0});
    expect_why(tokens, TOKEN_HS256, "this server has no key for tokens");
    expect_why(tokens, TOKEN_DIR_A256GCM, "this server has no key for tokens");
    expect_why(tokens, "a-session-of-the-database", "opaque");
    tokens_free(tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_a_public_key_is_no_secret),
        cmocka_unit_test(test_keys_in_the_header),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_jwe_headers_and_lengths),
        cmocka_unit_test(test_a_compressed_token),
        cmocka_unit_test(test_what_anybody_can_encrypt),
        cmocka_unit_test(test_sender_keys_of_ecdh),
        cmocka_unit_test(test_long_tokens),
        cmocka_unit_test(test_a_refusal_costs_no_more),
        cmocka_unit_test(test_many_keys_are_not_all_tried),
        cmocka_unit_test(test_without_keys),
    };
    return cmocka_run_group_tests_name("auth/token: hostile", tests, NULL, NULL);
}
