/* SPDX-License-Identifier: PostgreSQL */
/* Keys in files: what is taken, and the sentence that a mistake gets. */
#include "support.h"

#include "auth/keys/key_files.h"

static void test_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *secret, *algorithm, *part; /* NULL: it is good */
    } cases[] = {
        {SECRET_32, NULL, NULL},
        {SECRET_32, "HS256", NULL},
        {SECRET_32 "\n", "dir", NULL},
        {SECRET_64, "HS512", NULL},
        {SECRET_64, "dir", NULL},
        {"0123456789012345678901234567890", NULL, "has 31 bytes, and HS256 needs at least 32"},
        {"0123456789012345678901234567890\n", NULL, "has 31 bytes"},
        {SECRET_32, "HS384", "has 32 bytes, and HS384 needs at least 48"},
        {SECRET_32, "HS512", "needs at least 64"},
        {SECRET_64, "A256KW", "has 64 bytes, and A256KW needs no more than 32"},
        {"0123456789", "A256KW", "has 10 bytes, and A256KW needs 32"},
        {SECRET_32 "x", "dir", "has 33 bytes, and dir needs 16, 24, 32, 48 or 64"},
        {"", NULL, "is empty"},
        {"\n", NULL, "has 0 bytes"},
        {RSA_PUBLIC, NULL, "holds a PEM, not a secret: use --token-key-file"},
        {SECRET_32, "RS256", "--token-secret-algorithm: \"RS256\" is not one of HS256"},
        {SECRET_32, "none", "--token-secret-algorithm: \"none\" is not one of"},
        {SECRET_32, "hs256", "--token-secret-algorithm"},
        {SECRET_32, "", "--token-secret-algorithm"},
    };
    struct place place;
    place_open(&place);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tokens_options options = {
            .secret_file = place_text(&place, "secret", cases[i].secret),
            .secret_algorithm = cases[i].algorithm,
        };
        if (cases[i].part) {
            expect_failure(&options, cases[i].part);
        } else {
            tokens_free(new_tokens(&options));
        }
    }
    char big[1100];
    memset(big, 'x', sizeof(big));
    struct tokens_options options = {.secret_file = place_write(&place, "secret", big, 1024)};
    tokens_free(new_tokens(&options));
    place_write(&place, "secret", big, 1025);
    expect_failure(&options, "has 1025 bytes, and HS256 needs no more than 1024");
    place_write(&place, "secret", big, 1100);
    expect_failure(&options, "is too big");
    options.secret_file = "/nonexistent/secret";
    expect_failure(&options, "--token-secret-file /nonexistent/secret: cannot be read: No such");
    options.secret_file = place.dir;
    expect_failure(&options, "cannot be read: Is a directory");
    place_close(&place);
}

/* A secret may have any bytes. */
static void test_a_secret_with_a_nul(void **state)
{
    (void)state;
    static const char secret[] = "0123456789\0\n23456789012345678901\n";
    struct place place;
    place_open(&place);
    struct tokens_options options = {.secret_file =
                                         place_write(&place, "secret", secret, sizeof(secret) - 1)};
    struct tokens *tokens = new_tokens(&options);
    char *token = hmac_token_n(STR("{\"alg\":\"HS256\"}"), STR(EVERYTHING),
                               (struct str){secret, sizeof(secret) - 2});
    expect_ann(tokens, token);
    free(token);
    tokens_free(tokens);
    place_close(&place);
}

static void test_pems(void **state)
{
    (void)state;
    static const struct {
        const char *pem, *algorithm, *part;
    } cases[] = {
        {RSA_PUBLIC, NULL, NULL},
        {"Some words before.\n" RSA_PUBLIC, "PS512", NULL},
        {P256_PUBLIC, NULL, NULL},
        {P521_PRIVATE, "ECDH-ES", NULL},
        {ED_PUBLIC, NULL, NULL},
        {RSA_PUBLIC, "RSA-OAEP-256", "has no private part, which RSA-OAEP-256 needs"},
        {P256_PUBLIC, "ECDH-ES", "has no private part"},
        {P256_PUBLIC, "ES384", "is on another curve than ES384 needs"},
        {P256_PUBLIC, "RS256", "is of another type than RS256 needs"},
        {RSA_PUBLIC, "ES256", "is of another type than ES256 needs"},
        {RSA_PUBLIC, "HS256", "--token-key-algorithm: \"HS256\" is not one of RS256"},
        {RSA_PUBLIC, "RSA1_5", "--token-key-algorithm: \"RSA1_5\" is not one of"},
        {RSA_SMALL_PUBLIC, NULL, "has 1024 bits, and pgherald takes 2048 to 8192"},
        {SECP256K1_PUBLIC, NULL, "is of no kind that pgherald knows"},
        {RSA_ENCRYPTED, NULL, "cannot be read: it is no PEM of a key, or has a passphrase"},
        {"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", NULL, "cannot be read"},
        {SECRET_64, NULL, "cannot be read"},
    };
    struct place place;
    place_open(&place);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tokens_options options = {
            .key_file = place_text(&place, "pem", cases[i].pem),
            .key_algorithm = cases[i].algorithm,
        };
        if (cases[i].part) {
            expect_failure(&options, cases[i].part);
        } else {
            tokens_free(new_tokens(&options));
        }
    }
    struct tokens_options options = {.key_file = place_text(&place, "pem", RSA_SMALL_PUBLIC)};
    expect_failure(&options, "--token-key-file /tmp/pgherald-auth-");
    place_close(&place);
}

static void test_all_sources_at_once(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    struct tokens_options options = {
        .secret_file = place_text(&place, "secret", SECRET_64),
        .key_file = place_text(&place, "pem", RSA_PUBLIC),
        .jwks_file = place_text(&place, "jwks",
                                "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_JWK_X "\"}"),
    };
    struct tokens *tokens = new_tokens(&options);
    expect_ann(tokens, TOKEN_HS256);
    expect_ann(tokens, TOKEN_RS256);
    expect_ann(tokens, TOKEN_EDDSA);
    tokens_free(tokens);
    place_text(&place, "jwks", "{}");
    expect_failure(&options, "it is no JWK set");
    place_close(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_a_secret_with_a_nul),
        cmocka_unit_test(test_pems),
        cmocka_unit_test(test_all_sources_at_once),
    };
    return cmocka_run_group_tests_name("auth/keys/key_files", tests, NULL, NULL);
}
