/* SPDX-License-Identifier: PostgreSQL */
/* Which rule covers which channel, and which canonicals the gate lets in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "core/channel_name.h"
#include "core/site.h"

static struct site *site_of(const char *const *patterns, size_t n)
{
    struct site *site = mem_zalloc(sizeof(*site));
    site->is_enabled = true;
    site->rules = mem_zalloc(n * sizeof(*site->rules));
    site->n_rules = n;
    for (size_t i = 0; i < n; i++) {
        site->rules[i].pattern = mem_strdup(patterns[i]);
    }
    return site;
}

static void test_the_most_special_rule_wins(void **state)
{
    (void)state;
    static const char *const patterns[] = {"*",          "chat/*",   "chat/vip/*",
                                           "chat/vip/1", "public.*", "chat"};
    static const struct {
        const char *channel, *pattern;
    } cases[] = {
        {"chat", "chat"},
        {"chat/1", "chat/*"},
        {"chat/", "*"}, /* nothing is below the slash */
        {"chat/vip", "chat/*"},
        {"chat/vip/1", "chat/vip/1"},
        {"chat/vip/2", "chat/vip/*"},
        {"chatter", "*"},
        {"public.orders", "public.*"},
        {"publicorders", "*"},
        {"x", "*"},
    };
    struct site *site = site_of(patterns, sizeof(patterns) / sizeof(patterns[0]));
    assert_null(site_rule(site, STR("herald.other"))); /* the server's own */
    const struct rule *canary = site_rule(site, STR(SITE_CANARY));
    assert_true(canary && canary->is_operators && !canary->public_messaging);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct rule *rule = site_rule(site, str_of(cases[i].channel));
        assert_non_null(rule);
        assert_string_equal(rule->pattern, cases[i].pattern);
    }
    site_free(site);
}

static void test_without_a_rule_there_is_none(void **state)
{
    (void)state;
    static const char *const patterns[] = {"chat/*"};
    struct site *site = site_of(patterns, 1);
    assert_null(site_rule(site, STR("room/1")));
    assert_null(site_rule(site, STR("chat")));
    site_free(site);
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        struct str name;
        bool is_valid;
    } cases[] = {
        {{"room/1", 6}, true},        {{"", 0}, false},
        {{"a*b", 3}, false},          {{"a\nb", 3}, false},
        {{"a\x7f", 2}, false},        {{"\xc2\x80", 2}, false},
        {{"\xc2\xa0", 2}, true},      {{"\xff", 1}, false},
        {{"a\0b", 3}, false},         {{"\xf0\x9f\x98\x80", 4}, true},
        {{"\xed\xa0\x80", 3}, false}, {{NULL, 0}, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(channel_name_is_valid(cases[i].name), cases[i].is_valid);
    }
    char longest[CHANNEL_NAME_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    assert_true(channel_name_is_valid((struct str){longest, CHANNEL_NAME_MAX}));
    assert_false(channel_name_is_valid((struct str){longest, CHANNEL_NAME_MAX + 1}));
}

static void test_the_gate_knows_its_canonicals(void **state)
{
    (void)state;
    struct site *site = site_of(NULL, 0);
    site->n_canonicals = 2;
    site->canonicals = mem_zalloc(2 * sizeof(char *));
    site->canonicals[0] = mem_strdup("abc");
    site->canonicals[1] = mem_strdup("defg");
    struct site_gate *gate = site_gate_new(site, true, NULL);
    site_free(site);
    assert_true(gate->is_ready && gate->is_enabled);
    assert_true(site_gate_has(gate, STR("abc")) && site_gate_has(gate, STR("defg")));
    assert_false(site_gate_has(gate, STR("abd")) || site_gate_has(gate, STR("ab")) ||
                 site_gate_has(gate, STR("")));
    site_gate_unref(gate);
    gate = site_gate_new(NULL, true, "why");
    assert_false(gate->is_ready || gate->is_enabled);
    assert_string_equal(gate->reason, "why");
    site_gate_unref(gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_most_special_rule_wins),
        cmocka_unit_test(test_without_a_rule_there_is_none),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_the_gate_knows_its_canonicals),
    };
    return cmocka_run_group_tests_name("core/site", tests, NULL, NULL);
}
