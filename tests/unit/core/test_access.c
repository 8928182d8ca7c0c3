/* SPDX-License-Identifier: PostgreSQL */
/* The whole table of rights: every combination of a rule's flags × anonymous or somebody, against
 * the sentences of docs/access.md, written as sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/hub/ground/access.h"

enum { COMBINATIONS = 64 };

static struct rule rule_of(unsigned bits)
{
    return (struct rule){
        .anonymous_clients = bits & 1u,
        .public_messaging = bits & 2u,
        .public_auth = bits & 4u,
        .private_messaging = bits & 8u,
        .private_auth = bits & 16u,
        .auth_channel = bits & 32u,
    };
}

static struct identity *somebody(void)
{
    return identity_new(12, STR("34"), (struct str){0}, 0);
}

static void test_joining(void **state)
{
    (void)state;
    struct identity *ann = somebody();
    for (unsigned bits = 0; bits < COMBINATIONS; bits++) {
        struct rule rule = rule_of(bits);
        enum error_code why;
        assert_true(access_may_join(&rule, ann, &why));
        bool is_open = rule.anonymous_clients || (rule.public_messaging && !rule.public_auth);
        assert_int_equal(access_may_join(&rule, NULL, &why), is_open);
        assert_true(is_open || why == ERROR_CODE_ANONYMOUS_REFUSED);
    }
    identity_unref(ann);
}

static void check_send(const struct rule *rule, const struct identity *who, bool to_authenticated,
                       bool is_allowed, enum audience_kind expected)
{
    enum error_code why;
    enum audience_kind audience;
    assert_int_equal(access_may_send(rule, who, to_authenticated, &audience, &why), is_allowed);
    if (is_allowed) {
        assert_int_equal(audience, expected);
    } else {
        assert_int_equal(why, ERROR_CODE_SEND_REFUSED);
    }
}

static void test_sending(void **state)
{
    (void)state;
    struct identity *ann = somebody();
    for (unsigned bits = 0; bits < COMBINATIONS; bits++) {
        struct rule rule = rule_of(bits);
        /* Somebody: to all if public messaging is on, else to the others who are somebody. */
        check_send(&rule, ann, false, rule.public_messaging || rule.auth_channel,
                   rule.public_messaging ? AUDIENCE_ALL : AUDIENCE_AUTHENTICATED);
        check_send(&rule, NULL, false, rule.public_messaging && !rule.public_auth, AUDIENCE_ALL);
        /* authenticated: true */
        check_send(&rule, ann, true, rule.auth_channel, AUDIENCE_AUTHENTICATED);
        check_send(&rule, NULL, true, false, AUDIENCE_AUTHENTICATED);
    }
    identity_unref(ann);
}

static void test_sending_privately(void **state)
{
    (void)state;
    struct identity *ann = somebody();
    for (unsigned bits = 0; bits < COMBINATIONS; bits++) {
        struct rule rule = rule_of(bits);
        enum error_code why;
        for (unsigned ends = 0; ends < 4; ends++) {
            const struct identity *from = ends & 1u ? ann : NULL, *to = ends & 2u ? ann : NULL;
            bool expected = rule.private_messaging && (!rule.private_auth || ends == 3);
            assert_int_equal(access_may_send_private(&rule, from, to, &why), expected);
            assert_true(expected || why == ERROR_CODE_PRIVATE_REFUSED);
        }
    }
    identity_unref(ann);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joining),
        cmocka_unit_test(test_sending),
        cmocka_unit_test(test_sending_privately),
    };
    return cmocka_run_group_tests_name("core/access", tests, NULL, NULL);
}
