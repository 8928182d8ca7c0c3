/* SPDX-License-Identifier: PostgreSQL */
/* The verifier as the server has it: many threads check while keys change under them. */
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>

static void test_reload(void **state)
{
    (void)state;
    struct place place;
    struct err err = {0};
    place_open(&place);
    struct tokens_options options = {
        .secret_file = place_text(&place, "secret", SECRET_64),
        .key_file = place_text(&place, "pem", RSA_OTHER_PUBLIC),
    };
    struct tokens *tokens = new_tokens(&options);
    expect_ann(tokens, TOKEN_HS256);
    assert_string_equal(check(tokens, TOKEN_RS256), "its signature does not match");
    place_text(&place, "pem", RSA_PUBLIC);
    assert_string_equal(check(tokens, TOKEN_RS256), "its signature does not match");
    assert_int_equal(tokens_reload(tokens, &options, &err), STATUS_OK);
    expect_ann(tokens, TOKEN_RS256);
    expect_ann(tokens, TOKEN_HS256);
    /* A mistake in one file keeps all that was. */
    place_text(&place, "pem", "broken");
    place_text(&place, "secret", SECRET_32 "another one");
    assert_int_equal(tokens_reload(tokens, &options, &err), STATUS_FAILED);
    assert_non_null(strstr(err.text, "--token-key-file"));
    expect_ann(tokens, TOKEN_RS256);
    expect_ann(tokens, TOKEN_HS256);
    place_text(&place, "pem", P256_PUBLIC);
    assert_int_equal(tokens_reload(tokens, &options, &err), STATUS_OK);
    expect_ann(tokens, TOKEN_ES256);
    assert_string_equal(check(tokens, TOKEN_HS256), "its signature does not match");
    assert_string_equal(check(tokens, TOKEN_RS256), "its algorithm is not accepted here");
    tokens_free(tokens);
    place_close(&place);
}

/* What is asked of a token changes with the options, and with keys that cannot be read it does not. */
static void test_other_options(void **state)
{
    (void)state;
    struct place place;
    struct err err = {0};
    place_open(&place);
    struct tokens_options options = {.secret_file = place_text(&place, "secret", SECRET_64)};
    struct tokens *tokens = new_tokens(&options);
    char *token = claims_token("{\"iss\":\"them\",\"exp\":1000}");
    assert_string_equal(check_at(tokens, str_of(token), 1000, NULL), "it has expired");
    options.leeway_ms = 3000;
    assert_int_equal(tokens_reload(tokens, &options, &err), STATUS_OK);
    assert_string_equal(check_at(tokens, str_of(token), 1000, NULL), "");
    options.issuer = "us";
    options.key_file = "/nowhere/key";
    assert_int_equal(tokens_reload(tokens, &options, &err), STATUS_FAILED);
    assert_string_equal(check_at(tokens, str_of(token), 1000, NULL), "");
    options.key_file = NULL;
    assert_int_equal(tokens_reload(tokens, &options, &err), STATUS_OK);
    assert_string_equal(check_at(tokens, str_of(token), 1000, NULL),
                        "it is from another issuer (iss)");
    options.issuer = NULL;
    options.max_bytes = 64;
    assert_int_equal(tokens_reload(tokens, &options, &err), STATUS_OK);
    assert_string_equal(check_at(tokens, str_of(token), 1000, NULL), "it is too long");
    free(token);
    tokens_free(tokens);
    place_close(&place);
}

static void test_leeway_and_rules(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    struct tokens_options options = {
        .secret_file = place_text(&place, "secret", SECRET_64),
        .leeway_ms = 2500, /* whole seconds: 2 */
        .issuer = "us",
        .max_bytes = 200,
    };
    struct tokens *tokens = new_tokens(&options);
    char *token = claims_token("{\"iss\":\"us\",\"exp\":1000,\"nbf\":900}");
    assert_string_equal(check_at(tokens, str_of(token), 897, NULL), "it is not valid yet");
    assert_string_equal(check_at(tokens, str_of(token), 898, NULL), "");
    assert_string_equal(check_at(tokens, str_of(token), 1001, NULL), "");
    assert_string_equal(check_at(tokens, str_of(token), 1002, NULL), "it has expired");
    free(token);
    token = claims_token("{\"iss\":\"them\"}");
    assert_string_equal(check(tokens, token), "it is from another issuer (iss)");
    free(token);
    assert_string_equal(check(tokens, TOKEN_RS256), "it is too long");
    char opaque[201];
    memset(opaque, 'x', sizeof(opaque));
    assert_string_equal(check_at(tokens, (struct str){opaque, 200}, NOW, NULL), "opaque");
    assert_string_equal(check_at(tokens, (struct str){opaque, 201}, NOW, NULL), "it is too long");
    struct tokens_counts counts;
    tokens_counts(tokens, &counts);
    assert_int_equal(counts.n_accepted, 2);
    assert_int_equal(counts.n_expired, 1);
    assert_int_equal(counts.n_opaque, 1);
    assert_int_equal(counts.n_refused, 4);
    assert_int_equal(counts.n_operations, 5);
    assert_int_equal(counts.n_keys, 1);
    tokens_free(tokens);
    place_close(&place);
}

static void test_a_closer_look(void **state)
{
    (void)state;
    struct place place;
    place_open(&place);
    struct tokens_options options = {.secret_file = place_text(&place, "secret", SECRET_64)};
    struct tokens *tokens = new_tokens(&options);
    struct tokens_look look;
    tokens_look(tokens, str_of(TOKEN_HS256), NOW, &look);
    assert_int_equal(look.verdict, VERDICT_ACCEPTED);
    assert_true(look.is_opened);
    assert_non_null(look.identity);
    assert_string_equal(look.algorithm, "HS256");
    assert_null(look.key_id);
    assert_non_null(strstr(look.header, "\"HS256\""));
    assert_non_null(strstr(look.claims, "\"dbo_id\""));
    tokens_look_release(&look);
    /* Nobody has verified it, so nobody is said to have; its claims can be read nevertheless. */
    tokens_look(tokens, str_of(TOKEN_RS256), NOW, &look);
    assert_int_equal(look.verdict, VERDICT_REFUSED);
    assert_string_equal(look.why, "its algorithm is not accepted here");
    assert_false(look.is_opened);
    assert_null(look.identity);
    assert_null(look.algorithm);
    assert_non_null(strstr(look.claims, "\"dbo_id\""));
    tokens_look_release(&look);
    tokens_look(tokens, str_of("opaque"), NOW, &look);
    assert_int_equal(look.verdict, VERDICT_OPAQUE);
    assert_null(look.header);
    assert_null(look.claims);
    tokens_look_release(&look);
    tokens_free(tokens);
    place_close(&place);
}

/* ---- threads ---- */

struct racers {
    struct tokens *tokens;
    atomic_bool stop;
    atomic_uint n_wrong, n_checks;
};

/* Each of these is good whatever keys are in force. */
static const char *const good[] = {TOKEN_HS256, TOKEN_ES256, TOKEN_A256KW_A256CBC};

static void *race(void *arg)
{
    struct racers *racers = arg;
    struct authenticator authenticator = tokens_authenticator(racers->tokens);
    for (size_t i = 0; !atomic_load(&racers->stop); i++) {
        const char *why = NULL;
        struct identity *identity = NULL;
        const char *token = i % 4 == 3 ? TOKEN_RS256 : good[i % 4];
        enum verdict verdict =
            authenticator.check(authenticator.ctx, str_of(token), NOW, &identity, &why);
        /* The RSA key comes and goes. */
        bool is_right = verdict == VERDICT_ACCEPTED || (i % 4 == 3 && verdict == VERDICT_REFUSED);
        atomic_fetch_add(&racers->n_wrong, !is_right);
        atomic_fetch_add(&racers->n_checks, 1);
        identity_unref(identity);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    (void)state;
    struct place place;
    struct err err;
    pthread_t threads[4];
    place_open(&place);
    struct tokens_options options = {
        .secret_file = place_text(&place, "secret", SECRET_64),
        .key_file = place_text(&place, "pem", RSA_PUBLIC),
        .jwks_file = place_text(
            &place, "jwks",
            "{\"keys\":[{\"kty\":\"EC\",\"kid\":\"e1\",\"crv\":\"P-256\",\"x\":\"" P256_JWK_X
            "\",\"y\":\"" P256_JWK_Y "\"},{\"kty\":\"oct\",\"alg\":\"A256KW\",\"k\":"
            "\"YSBzZWNyZXQgZm9yIHRlc3RzLCA2NCBieXRlcyBsb24\"}]}"),
    };
    struct racers racers = {.tokens = new_tokens(&options)};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers), 0);
    }
    for (int i = 0; i < 40 || atomic_load(&racers.n_checks) < 400; i++) {
        place_text(&place, "pem", i % 2 ? RSA_PUBLIC : RSA_OTHER_PUBLIC);
        assert_int_equal(tokens_reload(racers.tokens, &options, &err), STATUS_OK);
    }
    atomic_store(&racers.stop, true);
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&racers.n_wrong), 0);
    struct tokens_counts counts;
    tokens_counts(racers.tokens, &counts);
    assert_int_equal(counts.n_accepted + counts.n_refused, atomic_load(&racers.n_checks));
    tokens_free(racers.tokens);
    place_close(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reload),           cmocka_unit_test(test_other_options),
        cmocka_unit_test(test_leeway_and_rules), cmocka_unit_test(test_a_closer_look),
        cmocka_unit_test(test_many_threads),
    };
    return cmocka_run_group_tests_name("auth/tokens", tests, NULL, NULL);
}
