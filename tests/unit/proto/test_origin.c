/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "proto/origin.h"

static void test_matches(void **state)
{
    (void)state;
    static const struct {
        const char *list, *origin;
        bool has;
    } cases[] = {
        {"*", "https://a.example", true},
        {"*", "null", true},
        {"https://a.example/", "https://a.example", true},
        {"https://a.example:443", "https://a.example", true},
        {"http://a.example:80/", "http://a.example", true},
        {"https://a.example:80", "https://a.example", false},
        {"HTTPS://A.Example", "https://a.example", true},
        {"http://a, https://b.example:8443", "https://b.example:8443", true},
        {"https://b.example:8443", "https://b.example", false},
        {"https://*.example.org", "https://a.b.example.org", true},
        {"https://*.example.org:443", "https://a.example.org", true},
        {"https://*.example.org", "https://example.org", false},
        {"https://*.example.org", "https://.example.org", false},
        {"https://*.example.org", "https://evil.net/.example.org", false},
        {"https://*.example.org", "https://*.example.org", false},
        {"https://*.example.org", "https://evil.net:1.example.org", false},
        {"https://*.example.org:81", "https://evil.net:1.example.org:81", false},
        {"https://a.example", "null", false},
        {"null", "null", true},
        {"null", "https://a.example", false},
        {"http://[::1]:3000", "http://[::1]:3000", true},
        {"capacitor://localhost", "capacitor://localhost", true},
        {"https://a.example", "", false},
        {"https://a.example", "https://a.example https://b.example", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str bad;
        if (origins_complaint(cases[i].list, &bad)) {
            fail_msg("refused: %s", cases[i].list);
        }
        if (origins_have(cases[i].list, str_of(cases[i].origin)) != cases[i].has) {
            fail_msg("%s in %s", cases[i].origin, cases[i].list);
        }
    }
}

static void test_what_could_never_match_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "a.example",
        "https://",
        "https://a/path",
        "https://b\xc3\xbc"
        "cher.example",
        "wss://a.example",
        "https://*",
        "https://a.*",
        "https://a.example:0",
        "https://a:99999",
        "https://a:x",
        "https://user@a",
        "",
        " , ",
        "https://a.example, b.example",
        "//a.example",
        "https://a.example:",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct str word;
        if (!origins_complaint(bad[i], &word)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matches),
                                       cmocka_unit_test(test_what_could_never_match_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
