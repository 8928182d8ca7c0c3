/* SPDX-License-Identifier: PostgreSQL */
/* Tokens of another implementation and of the RFCs, under every algorithm. */
#include "support.h"

/* Also: with one character of each part changed it is refused. */
static void expect_bound(struct tokens *tokens, const char *token)
{
    expect_ann(tokens, token);
    char *copy = mem_strdup(token);
    for (size_t at = 0; copy[at] != '\0'; at++) {
        bool ends = copy[at] == '.' || copy[at + 1] == '\0';
        if (!ends || at == 0 || copy[at - 1] == '.') {
            continue;
        }
        /* Not the very last: its low bits may mean nothing. In the middle of the part. */
        size_t middle = at - 3;
        char before = copy[middle];
        copy[middle] = before == 'A' ? 'B' : 'A';
        const char *why = check(tokens, copy);
        if (why[0] == '\0') {
            fail_msg("accepted: %s", copy);
        }
        copy[middle] = before;
    }
    free(copy);
}

static void test_every_algorithm(void **state)
{
    (void)state;
    static const struct {
        struct keys keys;
        const char *token;
    } cases[] = {
        {{.secret = SECRET_64}, TOKEN_HS256},
        {{.secret = SECRET_64 "\n"}, TOKEN_HS256},
        {{.secret = SECRET_64, .secret_algorithm = "HS384"}, TOKEN_HS384},
        {{.secret = SECRET_64, .secret_algorithm = "HS512"}, TOKEN_HS512},
        {{.pem = RSA_PUBLIC}, TOKEN_RS256},
        {{.pem = RSA_PRIVATE}, TOKEN_RS256},
        {{.pem = RSA_PKCS1_PUBLIC}, TOKEN_RS256},
        {{.pem = RSA_PKCS1_PRIVATE}, TOKEN_RS256},
        {{.pem = RSA_PUBLIC, .pem_algorithm = "RS384"}, TOKEN_RS384},
        {{.pem = RSA_PUBLIC, .pem_algorithm = "RS512"}, TOKEN_RS512},
        {{.pem = RSA_PUBLIC, .pem_algorithm = "PS256"}, TOKEN_PS256},
        {{.pem = RSA_PUBLIC, .pem_algorithm = "PS384"}, TOKEN_PS384},
        {{.pem = RSA_PUBLIC, .pem_algorithm = "PS512"}, TOKEN_PS512},
        {{.pem = P256_PUBLIC}, TOKEN_ES256},
        {{.pem = P256_CERTIFICATE}, TOKEN_ES256},
        {{.pem = P384_PUBLIC}, TOKEN_ES384},
        {{.pem = P521_PUBLIC, .pem_algorithm = "ES512"}, TOKEN_ES512},
        {{.pem = ED_PUBLIC}, TOKEN_EDDSA},
        {{.pem = ED_PRIVATE, .pem_algorithm = "EdDSA"}, TOKEN_EDDSA},
        {{.secret = SECRET_32, .secret_algorithm = "dir"}, TOKEN_DIR_A256GCM},
        {{.secret = SECRET_32, .secret_algorithm = "dir"}, TOKEN_DIR_A128CBC},
        {{.secret = SECRET_64, .secret_algorithm = "dir"}, TOKEN_DIR_A256CBC},
        {{.secret = SECRET_32, .secret_algorithm = "A256KW"}, TOKEN_A256KW_A128GCM},
        {{.secret = SECRET_32, .secret_algorithm = "A256KW"}, TOKEN_A256KW_A192GCM},
        {{.secret = SECRET_32, .secret_algorithm = "A256KW"}, TOKEN_A256KW_A256GCM},
        {{.secret = SECRET_32, .secret_algorithm = "A256KW"}, TOKEN_A256KW_A128CBC},
        {{.secret = SECRET_32, .secret_algorithm = "A256KW"}, TOKEN_A256KW_A192CBC},
        {{.secret = SECRET_32, .secret_algorithm = "A256KW"}, TOKEN_A256KW_A256CBC},
        {{.secret = SECRET_64, .pem = RSA_PRIVATE, .pem_algorithm = "RSA-OAEP-256"},
         TOKEN_NESTED_RSA},
        {{.secret = SECRET_64, .pem = P256_PRIVATE, .pem_algorithm = "ECDH-ES"}, TOKEN_NESTED_ECDH},
        {{.secret = SECRET_64, .pem = P521_PRIVATE, .pem_algorithm = "ECDH-ES"},
         TOKEN_NESTED_ECDH_P521},
        {{.secret = SECRET_64, .pem = P384_PRIVATE, .pem_algorithm = "ECDH-ES+A256KW"},
         TOKEN_NESTED_ECDH_KW},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct place place;
        place_open(&place);
        struct tokens *tokens = with_keys(&place, &cases[i].keys);
        expect_bound(tokens, cases[i].token);
        tokens_free(tokens);
        place_close(&place);
    }
}

static char *set_of(const char *jwk, const char *more)
{
    return mem_printf("{\"keys\":[{%s,%.*s]}", more, (int)(strlen(jwk) - 1), jwk + 1);
}

/* Each has a claim, or a text that is no JSON at all, which tells apart what was verified from what
 * was not. */
static void test_the_rfcs(void **state)
{
    (void)state;
    static const struct {
        const char *jwk, *more, *token, *why;
    } cases[] = {
        {RFC7515_A1_JWK, "\"alg\":\"HS256\"", RFC7515_A1, "it has expired"},
        {RFC7515_A2_JWK, "\"alg\":\"RS256\"", RFC7515_A2, "it has expired"},
        {RFC7515_A3_JWK, "\"x-\":1", RFC7515_A3, "it has expired"},
        {RFC7515_A4_JWK, "\"x-\":1", RFC7515_A4, "its claims are not a JSON object"},
        {RFC7515_A1_JWK, "\"alg\":\"HS256\"", RFC7515_A5, "its algorithm is not accepted here"},
        {RFC7515_A1_JWK, "\"alg\":\"HS256\"", RFC7516_A3, "its algorithm is not accepted here"},
        {RFC7520_56_JWK, "\"x-\":1", RFC7520_56, "its claims are not a JSON object"},
        {RFC7520_55_JWK, "\"alg\":\"ECDH-ES\"", RFC7520_55, "it is encrypted but not signed"},
        {RFC7520_51_JWK, "\"x-\":1", RFC7520_51, "this server has no key for tokens"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct place place;
        place_open(&place);
        char *jwks = set_of(cases[i].jwk, cases[i].more);
        char *alg = strstr(jwks, "\"alg\":\"A128GCM\"");
        if (alg) { /* the cookbook's way to say dir with A128GCM */
            memcpy(alg, "\"alg\":\"dir\"    ", 15);
        }
        struct tokens *tokens = with_keys(&place, &(struct keys){.jwks = jwks});
        assert_string_equal(check(tokens, cases[i].token), cases[i].why);
        tokens_free(tokens);
        free(jwks);
        place_close(&place);
    }
    /* A.1 is good in its time. */
    struct place place;
    struct identity *identity = NULL;
    place_open(&place);
    char *jwks = set_of(RFC7515_A1_JWK, "\"alg\":\"HS256\"");
    struct tokens *tokens = with_keys(&place, &(struct keys){.jwks = jwks});
    assert_string_equal(check_at(tokens, STR(RFC7515_A1), 1300819379, &identity), "");
    assert_int_equal(identity->dbo_id, 0);
    assert_int_equal(identity->expires_at, 1300819385);
    identity_unref(identity);
    tokens_free(tokens);
    free(jwks);
    place_close(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_algorithm),
        cmocka_unit_test(test_the_rfcs),
    };
    return cmocka_run_group_tests_name("auth/token", tests, NULL, NULL);
}
