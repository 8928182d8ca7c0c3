/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "proto/forwarded.h"

/* The client's address according to these header lines, behind proxies 10.0.0.0/8 that write that
 * header. */
static bool client_of(enum forwarded_header header, const char *lines, struct address *out)
{
    struct address_range *proxies;
    struct http_head head = {0};
    size_t n;
    struct str bad;
    char *text = mem_printf("GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);
    assert_true(address_ranges_parse("10.0.0.0/8, fd00::/8", &proxies, &n, &bad));
    assert_int_equal(http_head_read(&head, text, strlen(text)), HTTP_HEAD_COMPLETE);
    bool is_found = forwarded_client(&head, header, proxies, n, out);
    free(text);
    free(proxies);
    return is_found;
}

#define XFF FORWARDED_X_FORWARDED_FOR
#define STANDARD FORWARDED_FORWARDED
#define REAL FORWARDED_X_REAL_IP

static void test_who_asked(void **state)
{
    (void)state;
    static const struct {
        enum forwarded_header header;
        const char *lines, *client; /* NULL: nobody can know */
    } cases[] = {
        {XFF, "", NULL},
        {XFF, "X-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"},
        {XFF, "X-Forwarded-For: 203.0.113.7:4711\r\n", "203.0.113.7"},
        {XFF, "x-forwarded-for:2001:db8::1\r\n", "2001:db8::1"},
        {XFF, "X-Forwarded-For: [2001:db8::1]:4711\r\n", "2001:db8::1"},
        /* What stands before the last stranger is his own invention. */
        {XFF, "X-Forwarded-For: 1.1.1.1, 203.0.113.7\r\n", "203.0.113.7"},
        {XFF, "X-Forwarded-For: 1.1.1.1, 203.0.113.7, 10.0.0.3,10.1.1.1\r\n", "203.0.113.7"},
        {XFF, "X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"},
        {XFF, "X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 10.0.0.3\r\n", "203.0.113.7"},
        {XFF, "X-Forwarded-For: 10.0.0.9\r\n", NULL}, /* a proxy asks for itself */
        {XFF, "X-Forwarded-For: 203.0.113.7, unknown\r\n", NULL},
        {XFF, "X-Forwarded-For: 203.0.113.7, \r\n", NULL},
        {XFF, "X-Forwarded-For: x\r\n", NULL},
        {XFF, "X-Forwarded-For:\r\n", NULL},
        {STANDARD, "Forwarded: for=203.0.113.7\r\n", "203.0.113.7"},
        {STANDARD, "Forwarded: for=1.1.1.1, proto=https;FOR=\"[2001:db8::1]:4711\";by=10.0.0.1\r\n",
         "2001:db8::1"},
        {STANDARD, "Forwarded: for=203.0.113.7, for=10.0.0.3\r\n", "203.0.113.7"},
        {STANDARD, "Forwarded: for=\"203.0.113.7:80\"\r\n", "203.0.113.7"},
        {STANDARD, "Forwarded: for=_hidden\r\n", NULL},
        {STANDARD, "Forwarded: for=unknown\r\n", NULL},
        {STANDARD, "Forwarded: by=10.0.0.1\r\n", NULL},
        {STANDARD, "Forwarded: for=\"\r\n", NULL},
        {STANDARD, "Forwarded: for=\r\n", NULL},
        {STANDARD, "Forwarded: ;;;,,,\r\n", NULL},
        /* Only what the proxies write counts: the rest the client may have written. */
        {XFF, "Forwarded: for=203.0.113.7\r\nX-Real-IP: 203.0.113.7\r\n", NULL},
        {XFF, "Forwarded: for=1.1.1.1\r\nX-Forwarded-For: 203.0.113.7\r\n", "203.0.113.7"},
        {STANDARD, "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=203.0.113.7\r\n", "203.0.113.7"},
        {STANDARD, "X-Forwarded-For: 1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\n", NULL},
        {REAL, "X-Forwarded-For: 1.1.1.1\r\nX-Real-IP: 203.0.113.7\r\n", "203.0.113.7"},
        {REAL, "X-Real-IP: 1.1.1.1\r\nX-Real-IP: 203.0.113.7\r\n", "203.0.113.7"},
        {REAL, "X-Real-IP: 1.1.1.1, 203.0.113.7\r\n", NULL},
        {REAL, "X-Real-IP: 1.1.1.1\r\nX-Real-IP: 10.0.0.3\r\n", NULL},
        {REAL, "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n", NULL},
        {FORWARDED_NONE, "X-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address found, expected;
        bool is_found = client_of(cases[i].header, cases[i].lines, &found);
        if (is_found != (cases[i].client != NULL)) {
            fail_msg("case %zu: %s", i, cases[i].lines);
        }
        if (is_found) {
            assert_true(address_parse(str_of(cases[i].client), &expected));
            assert_memory_equal(&found, &expected, sizeof(found));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_who_asked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
