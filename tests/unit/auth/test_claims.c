/* SPDX-License-Identifier: PostgreSQL */
/* Claims as text, without a token around them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "auth/claims.h"
#include "base/buf.h"

#define NOW INT64_C(1000)

static const struct claims_rules plain = {
    .leeway_s = 5, .dbo = "dbo_id", .row = "row_id", .extras = "extras"};

/* "" for accepted. */
static const char *why_of(const struct claims_rules *rules, const char *text, enum verdict *verdict,
                          struct identity **out)
{
    const char *why = "";
    *out = NULL;
    *verdict = claims_check(rules, str_of(text), NOW, out, &why);
    return why;
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum verdict verdict;
        int64_t expires_at;
    } cases[] = {
        {"{}", VERDICT_ACCEPTED, 0},
        {"{\"exp\":1001}", VERDICT_ACCEPTED, 1006},
        {"{\"exp\":996}", VERDICT_ACCEPTED, 1001},
        {"{\"exp\":995.001}", VERDICT_ACCEPTED, 1001},
        {"{\"exp\":995}", VERDICT_EXPIRED, 0},
        {"{\"exp\":0}", VERDICT_EXPIRED, 0},
        {"{\"exp\":-1e300}", VERDICT_EXPIRED, 0},
        {"{\"exp\":1e300}", VERDICT_ACCEPTED, 253402300804},
        {"{\"exp\":99999999999999999999999}", VERDICT_ACCEPTED, 253402300804},
        {"{\"exp\":1e999}", VERDICT_REFUSED, 0},
        {"{\"exp\":\"2000\"}", VERDICT_REFUSED, 0},
        {"{\"exp\":null}", VERDICT_REFUSED, 0},
        {"{\"exp\":true}", VERDICT_REFUSED, 0},
        {"{\"exp\":[2000]}", VERDICT_REFUSED, 0},
        {"{\"nbf\":1005}", VERDICT_ACCEPTED, 0},
        {"{\"nbf\":1005.5}", VERDICT_REFUSED, 0},
        {"{\"nbf\":1006}", VERDICT_REFUSED, 0},
        {"{\"nbf\":1e300}", VERDICT_REFUSED, 0},
        {"{\"nbf\":-1e300}", VERDICT_ACCEPTED, 0},
        {"{\"nbf\":\"1\"}", VERDICT_REFUSED, 0},
        {"{\"nbf\":1006,\"exp\":995}", VERDICT_REFUSED, 0},
        {"{\"iat\":\"yesterday\"}", VERDICT_ACCEPTED, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct identity *identity;
        enum verdict verdict;
        why_of(&plain, cases[i].text, &verdict, &identity);
        if (verdict != cases[i].verdict) {
            fail_msg("%s: %d", cases[i].text, verdict);
        }
        if (identity) {
            assert_int_equal(identity->expires_at, cases[i].expires_at);
        }
        identity_unref(identity);
    }
}

static void test_issuer_and_audience(void **state)
{
    (void)state;
    struct claims_rules rules = plain;
    rules.issuer = "https://us";
    rules.audience = "chat";
    static const struct {
        const char *text, *part; /* "" for accepted */
    } cases[] = {
        {"{\"iss\":\"https://us\",\"aud\":\"chat\"}", ""},
        {"{\"iss\":\"https://us\",\"aud\":[\"x\",3,\"chat\"]}", ""},
        {"{\"iss\":\"https://us/\",\"aud\":\"chat\"}", "issuer"},
        {"{\"aud\":\"chat\"}", "issuer"},
        {"{\"iss\":[\"https://us\"],\"aud\":\"chat\"}", "issuer"},
        {"{\"iss\":\"https://us\"}", "audience"},
        {"{\"iss\":\"https://us\",\"aud\":\"Chat\"}", "audience"},
        {"{\"iss\":\"https://us\",\"aud\":[]}", "audience"},
        {"{\"iss\":\"https://us\",\"aud\":{\"chat\":1}}", "audience"},
        {"{\"iss\":\"https://us\",\"aud\":[[\"chat\"]]}", "audience"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct identity *identity;
        enum verdict verdict;
        const char *why = why_of(&rules, cases[i].text, &verdict, &identity);
        assert_non_null(strstr(why, cases[i].part));
        assert_true((verdict == VERDICT_ACCEPTED) == (cases[i].part[0] == '\0'));
        identity_unref(identity);
    }
}

static void test_who(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int32_t dbo_id;
        const char *row_id; /* NULL: absent */
        const char *extras;
    } cases[] = {
        {"{}", 0, NULL, "{}"},
        {"{\"dbo_id\":null,\"row_id\":null,\"extras\":null}", 0, NULL, "{}"},
        {"{\"dbo_id\":12,\"row_id\":34}", 12, "34", "{}"},
        {"{\"dbo_id\":\"12\",\"row_id\":\"34\"}", 12, "34", "{}"},
        {"{\"dbo_id\":12.0,\"row_id\":34e1}", 12, "340", "{}"},
        {"{\"dbo_id\":2147483647,\"row_id\":9007199254740991}", 2147483647, "9007199254740991",
         "{}"},
        {"{\"dbo_id\":-2147483648,\"row_id\":-9007199254740991}", INT32_MIN, "-9007199254740991",
         "{}"},
        {"{\"dbo_id\":-0,\"row_id\":-0.0}", 0, "0", "{}"},
        {"{\"row_id\":\"\"}", 0, NULL, "{}"},
        {"{\"row_id\":\"018f\\u00e9\"}", 0, "018f\xc3\xa9", "{}"},
        {"{\"extras\":{ \"price\" : 1.10, \"n\":123456789012345678901234567890 }}", 0, NULL,
         "{\"price\":1.10,\"n\":123456789012345678901234567890}"},
        {"{\"extras\":{\"a\":\"\\u003c \\\" b\"}}", 0, NULL, "{\"a\":\"\\u003c \\\" b\"}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct identity *identity;
        enum verdict verdict;
        assert_string_equal(why_of(&plain, cases[i].text, &verdict, &identity), "");
        assert_int_equal(verdict, VERDICT_ACCEPTED);
        assert_int_equal(identity->dbo_id, cases[i].dbo_id);
        assert_true(str_equals(identity->row_id, str_of(cases[i].row_id)));
        assert_true(str_equals(identity->extras, str_of(cases[i].extras)));
        identity_unref(identity);
    }
}

static void test_who_is_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"dbo_id\":2147483648}", "table"},
        {"{\"dbo_id\":-2147483649}", "table"},
        {"{\"dbo_id\":1.5}", "table"},
        {"{\"dbo_id\":1e300}", "table"},
        {"{\"dbo_id\":\"2147483648\"}", "table"},
        {"{\"dbo_id\":\"-1\"}", "table"},
        {"{\"dbo_id\":\"\"}", "table"},
        {"{\"dbo_id\":\" 1\"}", "table"},
        {"{\"dbo_id\":true}", "table"},
        {"{\"dbo_id\":{}}", "table"},
        {"{\"row_id\":9007199254740992}", "row"},
        {"{\"row_id\":9007199254740993}", "row"},
        {"{\"row_id\":0.5}", "row"},
        {"{\"row_id\":true}", "row"},
        {"{\"row_id\":[\"x\"]}", "row"},
        {"{\"extras\":[]}", "extras"},
        {"{\"extras\":\"{}\"}", "extras"},
        {"{\"extras\":1}", "extras"},
        {"[]", "not a JSON object"},
        {"\"x\"", "not a JSON object"},
        {"null", "not a JSON object"},
        {"", "not a JSON object"},
        {"{", "not a JSON object"},
        {"{} {}", "not a JSON object"},
        {"{\"exp\":2000,\"exp\":3000}", "not a JSON object"},
        {"{\"extras\":{\"a\":1,\"\\u0061\":2}}", "not a JSON object"},
        {"{\"row_id\":\"a\\u0000b\"}", "not a JSON object"},
        {"{\"row_id\":\"\xff\"}", "not a JSON object"},
        {"{\"row_id\":\"\xed\xa0\x80\"}", "not a JSON object"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct identity *identity;
        enum verdict verdict;
        const char *why = why_of(&plain, cases[i][0], &verdict, &identity);
        assert_int_equal(verdict, VERDICT_REFUSED);
        if (!strstr(why, cases[i][1])) {
            fail_msg("%s: %s", cases[i][0], why);
        }
        assert_null(identity);
    }
}

/* A claim of `n` bytes: what stands before it, what fills it, what stands behind. */
static const char *fill(struct buf *out, const char *before, size_t n, const char *behind)
{
    buf_clear(out);
    buf_literal(out, before);
    for (size_t i = 0; i < n; i++) {
        buf_char(out, 'x');
    }
    buf_literal(out, behind);
    return buf_text(out);
}

static void test_sizes(void **state)
{
    (void)state;
    struct buf text = {0};
    struct identity *identity;
    enum verdict verdict;
    size_t most = CLAIMS_MAX_EXTRAS - strlen("{\"a\":\"\"}");
    assert_string_equal(
        why_of(&plain, fill(&text, "{\"row_id\":\"", 255, "\"}"), &verdict, &identity), "");
    assert_int_equal(identity->row_id.len, 255);
    identity_unref(identity);
    why_of(&plain, fill(&text, "{\"row_id\":\"", 256, "\"}"), &verdict, &identity);
    assert_int_equal(verdict, VERDICT_REFUSED);
    assert_string_equal(
        why_of(&plain, fill(&text, "{\"extras\":{\"a\":\"", most, "\"}}"), &verdict, &identity),
        "");
    assert_int_equal(identity->extras.len, CLAIMS_MAX_EXTRAS);
    identity_unref(identity);
    why_of(&plain, fill(&text, "{\"extras\":{\"a\":\"", most + 1, "\"}}"), &verdict, &identity);
    assert_int_equal(verdict, VERDICT_REFUSED);
    buf_release(&text);
}

static void test_depth(void **state)
{
    (void)state;
    struct buf text = {0};
    struct identity *identity;
    enum verdict verdict;
    for (size_t depth = 30; depth < 3000; depth *= 10) {
        buf_clear(&text);
        buf_literal(&text, "{\"extras\":{\"a\":");
        for (size_t i = 0; i < depth; i++) {
            buf_char(&text, '[');
        }
        for (size_t i = 0; i < depth; i++) {
            buf_char(&text, ']');
        }
        buf_literal(&text, "}}");
        why_of(&plain, buf_text(&text), &verdict, &identity);
        assert_int_equal(verdict, depth == 30 ? VERDICT_ACCEPTED : VERDICT_REFUSED);
        identity_unref(identity);
    }
    buf_release(&text);
}

static void test_names_of_claims(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
        int32_t dbo_id;
        const char *extras;
    } cases[] = {
        {"user", "{\"user\":7}", 7, "{}"},
        {"user.dbo", "{\"user\":{\"dbo\":7}}", 7, "{}"},
        {"user.dbo", "{\"user.dbo\":7,\"user\":{\"dbo\":8}}", 7, "{}"},
        {"a.b.c", "{\"a\":{\"b\":{\"c\":7}}}", 7, "{}"},
        {"a.b.c", "{\"a.b\":{\"c\":7},\"a\":{\"b\":3}}", 7, "{}"},
        {"a.b.c", "{\"a\":{\"b.c\":7}}", 7, "{}"},
        {"https://x.example/c.dbo", "{\"https://x.example/c\":{\"dbo\":7}}", 7, "{}"},
        {"https://x.example/dbo", "{\"https://x.example/dbo\":7}", 7, "{}"},
        {"user.dbo", "{\"user\":7}", 0, "{}"},
        {"user.dbo", "{\"user\":[7]}", 0, "{}"},
        {"a.b.c.d.e.f.g.h.i.j",
         "{\"a\":{\"b\":{\"c\":{\"d\":{\"e\":{\"f\":{\"g\":{\"h\":{\"i\":{"
         "\"j\":7}}}}}}}}}}",
         0, "{}"},
        {".", "{\"\":{\"\":7}}", 7, "{}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct claims_rules rules = plain;
        rules.dbo = cases[i].name;
        struct identity *identity;
        enum verdict verdict;
        assert_string_equal(why_of(&rules, cases[i].text, &verdict, &identity), "");
        assert_int_equal(identity->dbo_id, cases[i].dbo_id);
        assert_true(str_equals(identity->extras, str_of(cases[i].extras)));
        identity_unref(identity);
    }
    struct claims_rules rules = {.dbo = "user.dbo", .row = "sub", .extras = "user.shown"};
    struct identity *identity;
    enum verdict verdict;
    why_of(&rules, "{\"sub\":\"u1\",\"user\":{\"dbo\":3,\"sho\\u0077n\":{\"a\": 1.0}}}", &verdict,
           &identity);
    assert_int_equal(verdict, VERDICT_ACCEPTED);
    assert_int_equal(identity->dbo_id, 3);
    assert_true(str_equals(identity->row_id, STR("u1")));
    assert_true(str_equals(identity->extras, STR("{\"a\":1.0}")));
    identity_unref(identity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_issuer_and_audience),
        cmocka_unit_test(test_who),
        cmocka_unit_test(test_who_is_refused),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_names_of_claims),
    };
    return cmocka_run_group_tests_name("auth/claims", tests, NULL, NULL);
}
