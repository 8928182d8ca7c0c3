/* SPDX-License-Identifier: PostgreSQL */
/* Trees: what is one, its limits and its normal form, and what it takes from an identity. */
#include "live_harness.h"

static void check_canonical(const char *json, enum filter_owner owner, const char *expected)
{
    struct filter *filter = live_filter(json, owner);
    char *text = str_dup(filter_canonical(filter));
    if (strcmp(text, expected) != 0) {
        fail_msg("%s became %s", json, text);
    }
    struct filter *again = live_filter(text, owner);
    assert_true(str_equals(filter_canonical(again), filter_canonical(filter)));
    filter_unref(again);
    filter_unref(filter);
    free(text);
}

static const char *const spellings[][2] = {
    {"{}", "{}"},
    {" { \"and\" : [ { } ] } ", "{}"},
    {"{\"and\":[]}", "{}"},
    {"{\"not\":{\"or\":[]}}", "{}"},
    {"{\"or\":[{}]}", "{}"},
    {"{\"or\":[]}", "{\"or\":[]}"},
    {"{\"not\":{}}", "{\"or\":[]}"},
    {"{\"and\":[{},{\"or\":[]}]}", "{\"or\":[]}"},
    {"{\"a\":1}", "{\"a\":{\"eq\":1}}"},
    {"{\"\\u0061\":{\"eq\":1.0}}", "{\"a\":{\"eq\":1}}"},
    {"{\"a\":{\"in\":[1]}}", "{\"a\":{\"eq\":1}}"},
    {"{\"a\":{\"nin\":[\"x\"]}}", "{\"a\":{\"neq\":\"x\"}}"},
    {"{\"a\":{\"in\":[3,1e0,2,1,\"1\"]}}", "{\"a\":{\"in\":[\"1\",1,2,3]}}"},
    {"{\"a\":{\"in\":[]}}", "{\"a\":{\"in\":[]}}"},
    {"{\"b\":2,\"a\":1}", "{\"and\":[{\"a\":{\"eq\":1}},{\"b\":{\"eq\":2}}]}"},
    {"{\"and\":[{\"b\":2},{\"and\":[{\"a\":1},{\"b\":2}]}]}",
     "{\"and\":[{\"a\":{\"eq\":1}},{\"b\":{\"eq\":2}}]}"},
    {"{\"or\":[{\"b\":2},{\"or\":[{\"a\":1}]}]}",
     "{\"or\":[{\"a\":{\"eq\":1}},{\"b\":{\"eq\":2}}]}"},
    {"{\"or\":[{\"a\":1},{\"and\":[{\"a\":1}]}]}", "{\"a\":{\"eq\":1}}"},
    {"{\"a\":{\"lt\":9,\"gt\":1}}", "{\"and\":[{\"a\":{\"gt\":1}},{\"a\":{\"lt\":9}}]}"},
    {"{\"not\":{\"not\":{\"a\":1}}}", "{\"a\":{\"eq\":1}}"},
    {"{\"not\":{\"a\":{\"is\":null}}}", "{\"not\":{\"a\":{\"is\":null}}}"},
    {"{\"a\":\"\\/\\u00e9\\u0001\"}", "{\"a\":{\"eq\":\"/\xc3\xa9\\u0001\"}}"},
    {"{\"a\":true,\"b\":false}", "{\"and\":[{\"a\":{\"eq\":true}},{\"b\":{\"eq\":false}}]}"},
    {"{\"a\":{\"isdistinct\":null}}", "{\"a\":{\"isdistinct\":null}}"},
    /* numbers */
    {"{\"a\":-0.0}", "{\"a\":{\"eq\":0}}"},
    {"{\"a\":0e5}", "{\"a\":{\"eq\":0}}"},
    {"{\"a\":1200}", "{\"a\":{\"eq\":12e2}}"},
    {"{\"a\":0.0120}", "{\"a\":{\"eq\":12e-3}}"},
    {"{\"a\":-1.25E+1}", "{\"a\":{\"eq\":-125e-1}}"},
    {"{\"a\":10.01}", "{\"a\":{\"eq\":1001e-2}}"},
    {"{\"a\":1e999}", "{\"a\":{\"eq\":1e999}}"},
    {"{\"a\":1e-999}", "{\"a\":{\"eq\":1e-999}}"},
    /* A column may have the name of an operator, but not of a list of trees. */
    {"{\"eq\":{\"eq\":1}}", "{\"eq\":{\"eq\":1}}"},
};

static void test_the_normal_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        check_canonical(spellings[i][0], FILTER_CLIENT, spellings[i][1]);
    }
    check_canonical("{\"a\":{\"eq\":{\"dbo_id\":12,\"identity\":\"row_id\"}}}", FILTER_VISIBLE,
                    "{\"a\":{\"eq\":{\"identity\":\"row_id\",\"dbo_id\":12}}}");
    check_canonical("{\"a\":{\"in\":{\"identity\":\"extras.\\u0061.b\"}}}", FILTER_VISIBLE,
                    "{\"a\":{\"in\":{\"identity\":\"extras.a.b\"}}}");
}

/* ---- what is none ---- */

static void check_wrong(struct str json, enum filter_owner owner, const char *expected)
{
    struct buf why = {0};
    char *copy = str_dup(json);
    if (filter_parse((struct str){copy, json.len}, owner, &why) ||
        strcmp(buf_text(&why), expected) != 0) {
        fail_msg("%s: %s", copy ? copy : "nothing", buf_text(&why));
    }
    free(copy);
    buf_release(&why);
}

#define OPERATORS                                                                                  \
    "the operators are eq, neq, lt, lte, gt, gte, in, nin, is, isdistinct, prefix, like"
#define VALUE "a value is a text, a number, true or false"
#define NULLS "null is never equal to anything: is it {\"is\": null}?"
#define IDENTITY                                                                                   \
    "a value of the identity is {\"identity\":\"row_id\",\"dbo_id\":N} or "                        \
    "{\"identity\":\"extras.NAME\"}"

static const char *const wrong[][2] = {
    {"", "it is not JSON"},
    {"{", "it is not JSON"},
    {"{\"a\":01}", "it is not JSON"},
    {"{\"a\":\"\xff\"}", "it is not JSON"},
    {"[]", "a tree is an object"},
    {"null", "a tree is an object"},
    {"{\"and\":{}}", "and: a list of trees is expected"},
    {"{\"or\":[{},[]]}", "or[1]: a tree is an object"},
    {"{\"not\":[]}", "not: a tree is an object"},
    {"{\"a\":1,\"\\u0061\":2}", "a key is there twice"},
    {"{\"a\":{\"gt\":1,\"gt\":2}}", "a: a key is there twice"},
    {"{\"a\\u0000\":1}", "a key is no text of Postgres"},
    {"{\"a\\ud800\":1}", "a key is no text of Postgres"},
    {"{\"a\":\"\\u0000\"}", "a: a text with \\u0000 or half of a surrogate pair is in no column"},
    {"{\"a\":\"\\udc00\"}", "a: a text with \\u0000 or half of a surrogate pair is in no column"},
    {"{\"a\":null}", "a: " NULLS},
    {"{\"a\":{\"gt\":null}}", "a.gt: " NULLS},
    {"{\"a\":{\"in\":[1,null]}}", "a.in: " NULLS},
    {"{\"a\":{\"nin\":[null]}}", "a.nin: " NULLS},
    {"{\"a\":[1]}", "a: a list stands under in or nin"},
    {"{\"a\":{}}", "a: an operator is expected"},
    {"{\"a\":{\"ilike\":\"x\"}}", "a.ilike: " OPERATORS},
    {"{\"a\":{\"EQ\":1}}", "a.EQ: " OPERATORS},
    {"{\"a\":{\"eq\":[1]}}", "a.eq: " VALUE},
    {"{\"a\":{\"eq\":{}}}", "a.eq: " VALUE},
    {"{\"a\":{\"in\":[[1]]}}", "a.in: " VALUE},
    {"{\"a\":{\"in\":1}}", "a.in: a list of values is expected"},
    {"{\"a\":{\"is\":1}}", "a.is: is takes null, true or false"},
    {"{\"a\":{\"is\":\"null\"}}", "a.is: is takes null, true or false"},
    {"{\"a\":{\"isdistinct\":[]}}", "a.isdistinct: " VALUE},
    {"{\"a\":{\"like\":1}}", "a.like: a text is expected"},
    {"{\"a\":{\"prefix\":true}}", "a.prefix: a text is expected"},
    {"{\"a\":{\"like\":\"x\\\\\"}}",
     "a.like: a pattern does not end with a backslash that nothing follows"},
    {"{\"a\":1e1000}",
     "a: a number has at most 1000 digits, those of its exponent's zeros included"},
    {"{\"a\":-1e-1001}",
     "a: a number has at most 1000 digits, those of its exponent's zeros included"},
    {"{\"a\":1e99999999999999999999}",
     "a: a number has at most 1000 digits, those of its exponent's zeros included"},
    {"{\"a\":{\"eq\":{\"identity\":\"row_id\",\"dbo_id\":1}}}", "a.eq: " VALUE},
};

static const char *const wrong_visible[][2] = {
    {"{\"a\":{\"identity\":\"row_id\"}}", "a.identity: " OPERATORS},
    {"{\"a\":{\"eq\":{\"identity\":\"row_id\"}}}",
     "a.eq: a row_id says of which table: \"dbo_id\", a number from 1 on"},
    {"{\"a\":{\"eq\":{\"identity\":\"row_id\",\"dbo_id\":0}}}",
     "a.eq: a row_id says of which table: \"dbo_id\", a number from 1 on"},
    {"{\"a\":{\"eq\":{\"identity\":\"row_id\",\"dbo_id\":2147483648}}}",
     "a.eq: a row_id says of which table: \"dbo_id\", a number from 1 on"},
    {"{\"a\":{\"eq\":{\"identity\":\"row_id\",\"dbo_id\":\"1\"}}}",
     "a.eq: a row_id says of which table: \"dbo_id\", a number from 1 on"},
    {"{\"a\":{\"eq\":{\"identity\":\"extras\"}}}", "a.eq: " IDENTITY},
    {"{\"a\":{\"eq\":{\"identity\":\"extras.\"}}}", "a.eq: " IDENTITY},
    {"{\"a\":{\"eq\":{\"identity\":\"extras.a..b\"}}}", "a.eq: " IDENTITY},
    {"{\"a\":{\"eq\":{\"identity\":\"extras.a.\"}}}", "a.eq: " IDENTITY},
    {"{\"a\":{\"eq\":{\"identity\":\"extras.a\",\"dbo_id\":1}}}", "a.eq: " IDENTITY},
    {"{\"a\":{\"eq\":{\"identity\":\"extras.a\",\"identity\":\"extras.b\"}}}", "a.eq: " IDENTITY},
    {"{\"a\":{\"eq\":{\"identity\":\"extras.a\",\"x\":1}}}", "a.eq: " IDENTITY},
    {"{\"a\":{\"eq\":{\"identity\":1}}}", "a.eq: " IDENTITY},
    {"{\"a\":{\"eq\":{}}}", "a.eq: " IDENTITY},
    {"{\"a\":{\"in\":[{\"identity\":\"extras.a\"}]}}", "a.in: " VALUE},
    {"{\"a\":{\"is\":{\"identity\":\"extras.a\"}}}", "a.is: is takes null, true or false"},
    {"{\"a\":{\"isdistinct\":{\"identity\":\"extras.a\"}}}", "a.isdistinct: " VALUE},
};

static void test_what_is_no_filter(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        check_wrong(str_of(wrong[i][0]), FILTER_CLIENT, wrong[i][1]);
    }
    for (size_t i = 0; i < sizeof(wrong_visible) / sizeof(wrong_visible[0]); i++) {
        check_wrong(str_of(wrong_visible[i][0]), FILTER_VISIBLE, wrong_visible[i][1]);
    }
    check_wrong((struct str){0}, FILTER_CLIENT, "it is not JSON");
}

/* ---- limits: what is allowed, and one more ---- */

static void put_times(struct buf *out, const char *text, int n)
{
    for (int i = 0; i < n; i++) {
        buf_literal(out, text);
    }
}

static void check_limit(const char *start, const char *text, const char *end, int most,
                        const char *why)
{
    for (int n = most; n <= most + 1; n++) {
        struct buf json = {0};
        buf_literal(&json, start);
        put_times(&json, text, n);
        buf_literal(&json, end);
        if (n == most) {
            filter_unref(live_filter(buf_text(&json), FILTER_CLIENT));
        } else {
            check_wrong(buf_span(&json), FILTER_CLIENT, why);
        }
        buf_release(&json);
    }
}

static void test_limits(void **state)
{
    (void)state;
    check_limit("{\"or\":[{\"a\":1}", ",{\"a\":1}", "]}", FILTER_LEAVES_MAX - 1,
                "or[64].a: a filter has at most 64 comparisons");
    check_limit("{\"a\":{\"in\":[1", ",1", "]}}", FILTER_VALUES_MAX - 1,
                "a.in: a list has at most 100 values");
    check_limit("{\"a\":1", " ", "}", FILTER_TEXT_MAX - 7, "a filter has at most 4096 bytes");
    check_limit("{\"a\":1", "0", "}", FILTER_DIGITS_MAX - 1,
                "a: a number has at most 1000 digits, those of its exponent's zeros included");
    for (int n = FILTER_DEPTH_MAX - 1; n <= FILTER_DEPTH_MAX; n++) {
        struct buf json = {0};
        put_times(&json, "{\"not\":", n);
        buf_literal(&json, "{}");
        put_times(&json, "}", n);
        if (n < FILTER_DEPTH_MAX) {
            filter_unref(live_filter(buf_text(&json), FILTER_CLIENT));
        } else {
            check_wrong(buf_span(&json), FILTER_CLIENT,
                        "not.not.not.not.not.not.not.not: trees are at most 8 deep");
        }
        buf_release(&json);
    }
}

/* A place is cut in front of a character. */
static void test_long_places(void **state)
{
    struct buf json = {0}, expected = {0};
    (void)state;
    buf_literal(&json, "{\"a");
    put_times(&json, "\xc3\xa9", 1000);
    buf_literal(&json, "\":null}");
    buf_char(&expected, 'a');
    put_times(&expected, "\xc3\xa9", 99);
    buf_literal(&expected, ": " NULLS);
    check_wrong(buf_span(&json), FILTER_CLIENT, buf_text(&expected));
    buf_release(&json);
    buf_release(&expected);
}

/* ---- identities ---- */

#define ROW_ID "{\"identity\":\"row_id\",\"dbo_id\":12}"

static void check_claims(const char *json, struct identity *identity, const char *expected)
{
    struct filter *filter = live_filter(json, FILTER_VISIBLE);
    struct buf claims = {0};
    filter_claims(filter, identity, &claims);
    assert_string_equal(buf_text(&claims), expected);
    buf_release(&claims);
    filter_unref(filter);
    identity_unref(identity);
}

static struct identity *make_identity(int32_t dbo_id, const char *row_id, const char *extras)
{
    return identity_new(dbo_id, str_of(row_id), str_of(extras), 0);
}

static void check_extra(const char *extras, const char *expected)
{
    check_claims("{\"a\":{\"eq\":{\"identity\":\"extras.o.x\"}}}", make_identity(1, "1", extras),
                 expected);
}

static void test_claims(void **state)
{
    (void)state;
    check_claims("{\"a\":1}", make_identity(12, "7", NULL), "");
    check_claims("{\"a\":{\"eq\":" ROW_ID "}}", NULL, "null\n");
    check_claims("{\"a\":{\"eq\":" ROW_ID "}}", make_identity(12, "7", NULL), "\"7\"\n");
    check_claims("{\"a\":{\"eq\":" ROW_ID "}}", make_identity(12, "\"", NULL), "\"\\\"\"\n");
    check_claims("{\"a\":{\"eq\":" ROW_ID "}}", make_identity(13, "7", NULL), "null\n");
    check_claims("{\"a\":{\"eq\":" ROW_ID "}}", make_identity(0, "7", NULL), "null\n");
    check_claims("{\"a\":{\"eq\":" ROW_ID "}}", make_identity(12, NULL, NULL), "null\n");
    check_claims("{\"b\":{\"eq\":" ROW_ID "},\"a\":{\"eq\":{\"identity\":\"extras.x\"}}}",
                 make_identity(12, "7", "{\"x\":1.0}"), "1\n\"7\"\n");
    check_extra("{\"o\":{\"x\":true}}", "true\n");
    check_extra("{\"o\":{\"x\":\"\\u0061\"}}", "\"a\"\n");
    check_extra("{\"o\":{\"\\u0078\":[1,\"a\",1e1]}}", "[1,\"a\",1e1]\n");
    check_extra("{\"o\":{\"x\":[]}}", "[]\n");
    check_extra("{\"o\":{\"x\":1,\"x\":2}}", "2\n"); /* as in JavaScript */
    check_extra("{\"o\":{\"x\":null}}", "null\n");
    check_extra("{\"o\":{\"x\":{}}}", "null\n");
    check_extra("{\"o\":{\"x\":[null]}}", "null\n");
    check_extra("{\"o\":{\"x\":[[]]}}", "null\n");
    check_extra("{\"o\":{\"x\":\"\\u0000\"}}", "null\n");
    check_extra("{\"o\":{\"x\":1e5000}}", "null\n");
    check_extra("{\"o\":[{\"x\":1}]}", "null\n");
    check_extra("{\"o\":1}", "null\n");
    check_extra("{\"o.x\":1}", "null\n");
    check_extra("{}", "null\n");
    check_extra("not JSON", "null\n");
}

static void test_a_claim_of_101_values(void **state)
{
    struct buf extras = {0};
    (void)state;
    buf_literal(&extras, "{\"o\":{\"x\":[1");
    put_times(&extras, ",1", FILTER_VALUES_MAX);
    buf_literal(&extras, "]}}");
    check_extra(buf_text(&extras), "null\n");
    buf_release(&extras);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_normal_form), cmocka_unit_test(test_what_is_no_filter),
        cmocka_unit_test(test_limits),          cmocka_unit_test(test_long_places),
        cmocka_unit_test(test_claims),          cmocka_unit_test(test_a_claim_of_101_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
