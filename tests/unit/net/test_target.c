/* SPDX-License-Identifier: PostgreSQL */
/* Addresses of servers as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "net/client/target.h"

static void test_good(void **state)
{
    (void)state;
    static const struct {
        const char *url, *host, *port, *path;
        bool is_tls;
    } cases[] = {
        {"ws://127.0.0.1:8080", "127.0.0.1", "8080", "", false},
        {"ws://127.0.0.1:8080/", "127.0.0.1", "8080", "", false},
        {"wss://chat.example/rt/aB-_9", "chat.example", "443", "/rt/aB-_9", true},
        {"http://localhost", "localhost", "80", "", false},
        {"https://[::1]:9/rt/x?y=1", "::1", "9", "/rt/x?y=1", true},
        {"wss://[fe80::2]", "fe80::2", "443", "", true},
    };
    struct err err;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct target target;
        assert_int_equal(target_parse(cases[i].url, &target, &err), STATUS_OK);
        assert_string_equal(target.host, cases[i].host);
        assert_string_equal(target.port, cases[i].port);
        assert_string_equal(target.path, cases[i].path);
        assert_int_equal(target.is_tls, cases[i].is_tls);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "127.0.0.1:8080",
        "ftp://x",
        "ws://",
        "ws://:80",
        "ws://x:0",
        "ws://x:65536",
        "ws://x:8o",
        "ws://[::1",
        "ws://u:secret@x/",
        "ws://x/rt/a b",
        "ws://x/other",
        "ws://x/rt/a\r\nHost: y",
        "ws://[::1]x:80",
        "ws://x/rt/\xc3\xa9",
        "ws://x?y",
    };
    struct target target;
    struct err err;
    for (size_t i = 0; i < sizeof(urls) / sizeof(*urls); i++) {
        assert_int_equal(target_parse(urls[i], &target, &err), STATUS_FAILED);
        assert_int_equal(err.code, EXIT_CODE_USAGE);
        assert_null(strstr(err.text, "secret"));
    }
}

static void test_completed(void **state)
{
    (void)state;
    char long_name[600];
    struct target target;
    struct err err;
    memset(long_name, 'x', sizeof(long_name) - 1);
    long_name[sizeof(long_name) - 1] = 0;
    assert_int_equal(target_parse("ws://x/rt/own", &target, &err), STATUS_OK);
    assert_int_equal(target_complete(&target, "other", &err), STATUS_OK);
    assert_string_equal(target.path, "/rt/own");
    assert_int_equal(target_parse("ws://x", &target, &err), STATUS_OK);
    assert_int_equal(target_complete(&target, "other", &err), STATUS_OK);
    assert_string_equal(target.path, "/rt/other");
    assert_int_equal(target_parse("ws://x", &target, &err), STATUS_OK);
    assert_int_equal(target_complete(&target, long_name, &err), STATUS_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
