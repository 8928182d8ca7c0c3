/* SPDX-License-Identifier: PostgreSQL */
/* The JSON of herald.site(): taken over whole or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pg/site_loader.h"

#define FLAGS                                                                                      \
    "\"anonymous_clients\":true,\"public_messaging\":false,\"public_auth\":true,"                  \
    "\"private_messaging\":false,\"private_auth\":true,\"auth_channel\":false,\"presence\":true"
#define RULE "{\"channel\":\"room/1\"," FLAGS ",\"message_history\":7}"

static struct site *load(const char *json)
{
    return site_load(str_of(json));
}

static void test_a_whole_site(void **state)
{
    (void)state;
    struct site *site =
        load("{\"version\":12,\"enabled\":true,\"canonicals\":[\"a\",\"b\"],\"rules\":[" RULE
             ",{\"channel\":\"*\"," FLAGS ",\"message_history\":99999999999}],\"new\":[1]}");
    assert_non_null(site);
    assert_int_equal(site->version, 12);
    assert_true(site->is_enabled);
    assert_int_equal(site->n_canonicals, 2);
    assert_string_equal(site->canonicals[1], "b");
    assert_int_equal(site->n_rules, 2);
    const struct rule *rule = &site->rules[0];
    assert_string_equal(rule->pattern, "room/1");
    assert_true(rule->anonymous_clients && rule->public_auth && rule->private_auth &&
                rule->presence);
    assert_false(rule->public_messaging || rule->private_messaging || rule->auth_channel);
    assert_int_equal(rule->message_history, 7);
    assert_int_equal(site->rules[1].message_history, UINT32_MAX);
    site_free(site);
}

static void test_an_empty_site(void **state)
{
    (void)state;
    struct site *site = load("{\"version\":0,\"enabled\":false,\"canonicals\":[],\"rules\":[]}");
    assert_non_null(site);
    assert_false(site->is_enabled);
    assert_int_equal(site->n_rules, 0);
    site_free(site);
}

static void test_what_is_no_site(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "null",
        "[]",
        "{",
        "{\"enabled\":true,\"canonicals\":[],\"rules\":[]}",
        "{\"version\":-1,\"enabled\":true,\"canonicals\":[],\"rules\":[]}",
        "{\"version\":1.5,\"enabled\":true,\"canonicals\":[],\"rules\":[]}",
        "{\"version\":1,\"enabled\":1,\"canonicals\":[],\"rules\":[]}",
        "{\"version\":1,\"enabled\":true,\"canonicals\":null,\"rules\":[]}",
        "{\"version\":1,\"enabled\":true,\"canonicals\":[\"a\",2],\"rules\":[]}",
        "{\"version\":1,\"enabled\":true,\"canonicals\":[],\"rules\":{}}",
        "{\"version\":1,\"enabled\":true,\"canonicals\":[],\"rules\":[" RULE ",{}]}",
        "{\"version\":1,\"enabled\":true,\"canonicals\":[],\"rules\":[{" FLAGS
        ",\"message_history\":7}]}",
        "{\"version\":1,\"enabled\":true,\"canonicals\":[],\"rules\":[{\"channel\":\"x\"," FLAGS
        "}]}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_null(load(texts[i]));
    }
    assert_null(site_load((struct str){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_site),
        cmocka_unit_test(test_an_empty_site),
        cmocka_unit_test(test_what_is_no_site),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
