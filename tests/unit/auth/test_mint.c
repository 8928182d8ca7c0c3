/* SPDX-License-Identifier: PostgreSQL */
/* What is minted under some options is accepted under them, and only there. */
#include "support.h"

static char *mint(const struct tokens_options *options, const struct tokens_claims *claims)
{
    struct err err = {0};
    char *token = NULL;
    if (tokens_mint(options, claims, &token, &err) != STATUS_OK) {
        fail_msg("%s", err.text);
    }
    return token;
}

static const struct tokens_claims ann = {
    .dbo_id = 12, .row_id = "34", .extras = "{\"name\":\"Ann\"}", .now_s = NOW, .expires_in_s = 60};

static void test_every_key_that_makes_tokens(void **state)
{
    (void)state;
    static const struct {
        const char *secret, *secret_algorithm, *pem, *pem_algorithm;
    } cases[] = {
        {.secret = SECRET_64},
        {.secret = SECRET_64, .secret_algorithm = "HS384"},
        {.secret = SECRET_64, .secret_algorithm = "HS512"},
        {.secret = "0123456789012345", .secret_algorithm = "dir"},
        {.secret = SECRET_32, .secret_algorithm = "dir"},
        {.secret = SECRET_64, .secret_algorithm = "dir"},
        {.secret = SECRET_32, .secret_algorithm = "A256KW"},
        {.pem = RSA_PRIVATE},
        {.pem = RSA_PRIVATE, .pem_algorithm = "RS384"},
        {.pem = RSA_PRIVATE, .pem_algorithm = "RS512"},
        {.pem = RSA_PRIVATE, .pem_algorithm = "PS256"},
        {.pem = RSA_PRIVATE, .pem_algorithm = "PS384"},
        {.pem = RSA_PRIVATE, .pem_algorithm = "PS512"},
        {.pem = P256_PRIVATE},
        {.pem = P384_PRIVATE},
        {.pem = P521_PRIVATE},
        {.pem = ED_PRIVATE},
    };
    struct place place;
    place_open(&place);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tokens_options options = {
            .secret_file = cases[i].secret ? place_text(&place, "s", cases[i].secret) : NULL,
            .secret_algorithm = cases[i].secret_algorithm,
            .key_file = cases[i].pem ? place_text(&place, "p", cases[i].pem) : NULL,
            .key_algorithm = cases[i].pem_algorithm,
        };
        struct tokens *tokens = new_tokens(&options);
        char *token = mint(&options, &ann);
        struct identity *identity = NULL;
        expect_ann(tokens, token);
        assert_string_equal(check_at(tokens, str_of(token), NOW + 59, &identity), "");
        assert_int_equal(identity->expires_at, NOW + 60);
        identity_unref(identity);
        assert_string_equal(check_at(tokens, str_of(token), NOW + 60, NULL), "it has expired");
        free(token);
        tokens_free(tokens);
    }
    place_close(&place);
}

static void test_a_key_of_a_set(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    char *jwks = mem_printf("{\"keys\":[{\"kid\":\"k7\",%s]}", RFC7515_A3_JWK + 1);
    struct tokens_options options = {.jwks_file = place_text(&place, "jwks", jwks)};
    struct tokens *tokens = new_tokens(&options);
    char *token = mint(&options, &ann);
    expect_ann(tokens, token);
    struct buf header = {0};
    assert_true(base64url_decode((struct str){token, strcspn(token, ".")}, &header));
    assert_non_null(strstr(buf_text(&header), "\"kid\":\"k7\""));
    buf_release(&header);
    free(token);
    free(jwks);
    tokens_free(tokens);
    place_close(&place);
}

static void test_rules_and_names(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    struct tokens_options options = {
        .secret_file = place_text(&place, "secret", SECRET_64),
        .issuer = "https://issuer.example",
        .audience = "chat",
        .dbo_claim = "user.dbo",
        .row_claim = "sub",
        .extras_claim = "user",
    };
    static const char *const names[] = {"dbo", "a.b", "user.dbo", "https://x.example/a.b"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        options.dbo_claim = names[i];
        struct tokens *tokens = new_tokens(&options);
        char *token = mint(&options, &ann);
        struct identity *identity = NULL;
        assert_string_equal(check_at(tokens, str_of(token), NOW, &identity), "");
        assert_int_equal(identity->dbo_id, 12);
        assert_true(str_equals(identity->row_id, STR("34")));
        identity_unref(identity);
        free(token);
        tokens_free(tokens);
    }
    struct tokens_options strict = options;
    strict.audience = "other";
    struct tokens *tokens = new_tokens(&strict);
    char *token = mint(&options, &ann);
    assert_string_equal(check(tokens, token), "it is for another audience (aud)");
    free(token);
    tokens_free(tokens);
    place_close(&place);
}

static void test_row_ids(void **state)
{
    (void)state;
    static const char *const ids[][2] = {
        {"34", "\"row_id\":34"},
        {"0", "\"row_id\":0"},
        {"034", "\"row_id\":\"034\""},
        {"9007199254740991", "\"row_id\":9007199254740991"},
        {"9007199254740992", "\"row_id\":\"9007199254740992\""},
        {"6f9619ff-8b86-d011-b42d-00c04fc964ff",
         "\"row_id\":\"6f9619ff-8b86-d011-b42d-00c04fc964ff\""},
    };
    struct place place;
    place_open(&place);
    struct tokens_options options = {.secret_file = place_text(&place, "secret", SECRET_64)};
    struct tokens *tokens = new_tokens(&options);
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        struct tokens_claims claims = {.row_id = ids[i][0], .now_s = NOW};
        struct buf text = {0};
        struct identity *identity = NULL;
        char *token = mint(&options, &claims);
        char *payload = strchr(token, '.') + 1;
        assert_true(base64url_decode((struct str){payload, strcspn(payload, ".")}, &text));
        assert_non_null(strstr(buf_text(&text), ids[i][1]));
        assert_null(strstr(buf_text(&text), "exp"));
        assert_string_equal(check_at(tokens, str_of(token), NOW, &identity), "");
        assert_true(str_equals(identity->row_id, str_of(ids[i][0])));
        assert_int_equal(identity->expires_at, 0);
        identity_unref(identity);
        buf_release(&text);
        free(token);
    }
    tokens_free(tokens);
    place_close(&place);
}

static void test_what_makes_no_tokens(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    const char *pem = place_text(&place, "pem", RSA_PUBLIC);
    const char *private_pem = place_text(&place, "private", RSA_PRIVATE);
    const char *secret = place_text(&place, "secret", SECRET_64);
    const struct {
        struct tokens_options options;
        struct tokens_claims claims;
        enum exit_code code;
        const char *part;
    } cases[] = {
        {{0}, ann, EXIT_CODE_CONFIG, "there is no key to make a token with"},
        {{.key_file = pem}, ann, EXIT_CODE_CONFIG, "a public key checks tokens and makes none"},
        {{.key_file = private_pem, .key_algorithm = "RSA-OAEP-256"},
         ann,
         EXIT_CODE_CONFIG,
         "a key for RSA-OAEP-256 only decrypts"},
        {{.secret_file = "/nonexistent"}, ann, EXIT_CODE_CONFIG, "/nonexistent: cannot be read"},
        {{.secret_file = secret}, {.extras = "[]"}, EXIT_CODE_USAGE, "--extras"},
        {{.secret_file = secret}, {.extras = "{"}, EXIT_CODE_USAGE, "--extras"},
        {{.secret_file = secret}, {.row_id = "\xff"}, EXIT_CODE_USAGE, "--row-id"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = {0};
        char *token = NULL;
        assert_int_equal(tokens_mint(&cases[i].options, &cases[i].claims, &token, &err),
                         STATUS_FAILED);
        assert_null(token);
        assert_int_equal(err.code, cases[i].code);
        assert_non_null(strstr(err.text, cases[i].part));
    }
    place_close(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_that_makes_tokens),
        cmocka_unit_test(test_a_key_of_a_set),
        cmocka_unit_test(test_rules_and_names),
        cmocka_unit_test(test_row_ids),
        cmocka_unit_test(test_what_makes_no_tokens),
    };
    return cmocka_run_group_tests_name("auth/mint", tests, NULL, NULL);
}
