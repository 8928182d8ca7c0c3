/* SPDX-License-Identifier: PostgreSQL */
/* JWK sets: which keys are taken, and which of them a token is tried with. */
#include "support.h"

#include "auth/keys/keyset.h"

#define OCT_K "\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUu\""
#define P256 "\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" P256_JWK_X "\",\"y\":\"" P256_JWK_Y "\""
#define RSA_ANY "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"" RSA_JWK_N "\""

static struct keyset *parse(const char *text)
{
    struct err err = {0};
    struct keyset *set = NULL;
    if (keyset_parse(str_of(text), "test", KEY_FOR_CHECKS, &set, &err) != STATUS_OK) {
        fail_msg("%s", err.text);
    }
    return set;
}

static void test_one_key(void **state)
{
    (void)state;
    static const struct {
        const char *jwk, *algorithm; /* NULL: it is left out */
    } cases[] = {
        {"{\"kty\":\"oct\",\"alg\":\"HS256\"," OCT_K "}", "HS256"},
        {"{\"kty\":\"oct\"," OCT_K "}", NULL},
        {"{\"kty\":\"oct\",\"alg\":\"HS512\"," OCT_K "}", NULL}, /* 54 bytes */
        {"{\"kty\":\"oct\",\"alg\":\"none\"," OCT_K "}", NULL},
        {"{\"kty\":\"oct\",\"alg\":\"RS256\"," OCT_K "}", NULL},
        {"{\"kty\":\"oct\",\"alg\":\"HS256\"}", NULL},
        {"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":7}", NULL},
        {"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"***\"}", NULL},
        {"{\"alg\":\"HS256\"," OCT_K "}", NULL},
        {"{\"kty\":\"OCT\",\"alg\":\"HS256\"," OCT_K "}", NULL},
        {"{" RSA_ANY ",\"alg\":\"RS256\"}", "RS256"},
        {"{" RSA_ANY ",\"alg\":\"PS384\",\"use\":\"sig\"}", "PS384"},
        {"{" RSA_ANY "}", NULL},
        {"{" RSA_ANY ",\"alg\":\"HS256\"}", NULL},
        {"{" RSA_ANY ",\"alg\":\"RSA-OAEP-256\"}", NULL}, /* no private part */
        {"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", NULL},
        {"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"e\":\"AQAB\"}", NULL},
        {"{" P256 "}", "ES256"},
        {"{" P256 ",\"use\":\"sig\"}", "ES256"},
        {"{" P256 ",\"alg\":\"ES256\",\"key_ops\":[\"verify\"]}", "ES256"},
        {"{" P256 ",\"use\":\"enc\"}", NULL},
        {"{" P256 ",\"alg\":\"ES256\",\"use\":\"enc\"}", NULL},
        {"{" P256 ",\"alg\":\"ES256\",\"key_ops\":[\"sign\"]}", NULL},
        {"{" P256 ",\"alg\":\"ES256\",\"key_ops\":[]}", NULL},
        {"{" P256 ",\"alg\":\"ES384\"}", NULL},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}", NULL},
        {"{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AQ\",\"y\":\"AQ\"}", NULL},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_JWK_X "\"}", "EdDSA"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQ\"}", NULL},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"AQ\"}", NULL},
        {"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" ED_JWK_X "\",\"alg\":\"EdDSA\"}", NULL},
        {"7", NULL},
        {"null", NULL},
        {"[]", NULL},
    };
    log_configure(LOG_LEVEL_ERROR, false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = mem_printf("{\"keys\":[%s,{\"kty\":\"oct\",\"alg\":\"HS384\"," OCT_K "}]}",
                                cases[i].jwk);
        struct keyset *set = parse(text);
        if (set->n != (cases[i].algorithm ? 2 : 1)) {
            fail_msg("%s", cases[i].jwk);
        }
        assert_string_equal(set->keys[set->n - 1]->algorithm->name, "HS384");
        if (cases[i].algorithm) {
            assert_string_equal(set->keys[0]->algorithm->name, cases[i].algorithm);
        }
        keyset_unref(set);
        free(text);
    }
}

static void test_no_sets(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "x",
                                        "[]",
                                        "{}",
                                        "{\"keys\":{}}",
                                        "{\"keys\":7}",
                                        "{\"keys\":[]",
                                        "{\"keys\":[],"
                                        "\"keys\":[]}",
                                        "{\"keys\":[[[[[[[[[[]]]]]]]]]]}",
                                        "<html>",
                                        NULL};
    for (size_t i = 0; texts[i]; i++) {
        struct err err = {0};
        struct keyset *set = NULL;
        assert_int_equal(keyset_parse(str_of(texts[i]), "FILE", KEY_FOR_CHECKS, &set, &err),
                         STATUS_FAILED);
        assert_non_null(strstr(err.text, "FILE: it is no JWK set"));
        assert_null(set);
    }
    struct keyset *set = parse("{\"keys\":[]}");
    assert_int_equal(set->n, 0);
    keyset_unref(set);
}

static void test_too_many_keys(void **state)
{
    (void)state;
    struct buf text = {0};
    log_configure(LOG_LEVEL_ERROR, false);
    buf_literal(&text, "{\"keys\":[");
    for (int i = 0; i < KEYSET_MAX_KEYS + 10; i++) {
        buf_printf(&text, "%s{\"kty\":\"oct\",\"alg\":\"HS256\"," OCT_K "}", i ? "," : "");
    }
    buf_literal(&text, "]}");
    struct keyset *set = parse(buf_text(&text));
    assert_int_equal(set->n, KEYSET_MAX_KEYS);
    keyset_unref(set);
    buf_release(&text);
}

/* Only what the computation needs is kept, and never a private part that it does not. */
static void test_private_parts_are_dropped(void **state)
{
    (void)state;
    char *text = mem_printf("{\"keys\":[{\"alg\":\"ES256\",%s]}", RFC7515_A3_JWK + 1);
    struct keyset *set = parse(text);
    assert_int_equal(set->n, 1);
    assert_null(json_object_get(set->keys[0]->jwk, "d"));
    assert_false(set->keys[0]->has_private);
    keyset_unref(set);
    struct err err;
    assert_int_equal(keyset_parse(str_of(text), "test", KEY_FOR_MINTING, &set, &err), STATUS_OK);
    assert_non_null(json_object_get(set->keys[0]->jwk, "d"));
    assert_true(set->keys[0]->has_private);
    keyset_unref(set);
    free(text);
}

static void test_selection(void **state)
{
    (void)state;
    struct keyset *named = parse("{\"keys\":[{" P256 ",\"kid\":\"a\"},{" P256 ",\"kid\":\"b\"},"
                                 "{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"a\"," OCT_K "}]}");
    struct keyset *unnamed = parse("{\"keys\":[{" P256 "}]}");
    struct keyset *both = keyset_join(named, unnamed);
    const struct algorithm *es = algorithm_find("ES256"), *hs = algorithm_find("HS256");
    const struct key *keys[KEYSET_MAX_TRIES];
    size_t n;
    assert_int_equal(both->n, 4);
    assert_int_equal(keyset_select(named, es, "b", keys, &n), KEYSET_FOUND);
    assert_int_equal(n, 1);
    assert_string_equal(keys[0]->id, "b");
    assert_int_equal(keyset_select(named, es, "c", keys, &n), KEYSET_NO_ID);
    assert_int_equal(n, 0);
    assert_int_equal(keyset_select(named, hs, "b", keys, &n), KEYSET_NO_ID);
    assert_int_equal(keyset_select(named, algorithm_find("ES384"), "a", keys, &n),
                     KEYSET_NO_ALGORITHM);
    assert_int_equal(keyset_select(named, es, NULL, keys, &n), KEYSET_FOUND);
    assert_int_equal(n, 2);
    /* A key without a name stands in where no other has it. */
    assert_int_equal(keyset_select(both, es, "c", keys, &n), KEYSET_FOUND);
    assert_int_equal(n, 1);
    assert_null(keys[0]->id);
    assert_int_equal(keyset_select(both, es, "a", keys, &n), KEYSET_FOUND);
    assert_int_equal(n, 1);
    assert_string_equal(keys[0]->id, "a");
    assert_int_equal(keyset_select(both, es, NULL, keys, &n), KEYSET_FOUND);
    assert_int_equal(n, 3);
    keyset_unref(both);
    keyset_unref(unnamed);
    keyset_unref(named);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_key),       cmocka_unit_test(test_no_sets),
        cmocka_unit_test(test_too_many_keys), cmocka_unit_test(test_private_parts_are_dropped),
        cmocka_unit_test(test_selection),
    };
    return cmocka_run_group_tests_name("auth/keys/keyset", tests, NULL, NULL);
}
