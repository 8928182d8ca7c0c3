/* SPDX-License-Identifier: PostgreSQL */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "cli/url.h"

static void test_what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *url, *said;
    } cases[] = {
        {"jdbc:postgresql://h/d?user=u&password=secret", "begins with \"jdbc:\", which is not"},
        {"mysql://u:secret@h/d", "begins with \"mysql:\", which is not"},
        {"postgres:/h", "give postgresql://USER@HOST:PORT/DATABASE, or words"},
        {"postgresql://u:p@h/d?pgbouncer=true", "parameter \"pgbouncer\", which libpq does not"},
        {"postgresql://u:p@h/d?sslmode=require&schema=public", "parameter \"schema\""},
        {"postgresql://u:p@h/d?connection_limit=1&pgbouncer=true", "\"connection_limit\""},
        {"postgresql://u@h/?secret=b@h/d", "invalid URI query parameter. Give postgresql://"},
        {"postgresql://u@h/d?a?secret=1", "invalid URI query parameter. Give postgresql://"},
        {"host=h password=a secret=1", "invalid connection option. Give postgresql://"},
        {"postgresql://u:secret/x@h/d", "write %40 for @, %3A for :, %2F for /"},
        {"postgresql://u:p@secret@h/d", "write %40 for @"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        PQconninfoOption *parsed = NULL;
        struct err err = {0};
        assert_int_equal(url_parse(cases[i].url, &parsed, &err), STATUS_FAILED);
        assert_int_equal(err.code, EXIT_CODE_CONFIG);
        assert_null(parsed);
        assert_non_null(strstr(err.text, cases[i].said));
        assert_null(strstr(err.text, "secret"));
    }
}

static void test_what_is_right_is_read(void **state)
{
    (void)state;
    static const char *const urls[] = {
        "",
        "postgres://u@h,i:5432,5433/d",
        "postgresql:///d?host=/tmp&application_name=a:b@c",
        "host=h port=1 dbname=mysql://x user=u@x",
    };
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        PQconninfoOption *parsed = NULL;
        struct err err = {0};
        assert_int_equal(url_parse(urls[i], &parsed, &err), STATUS_OK);
        PQconninfoFree(parsed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_wrong_is_said),
        cmocka_unit_test(test_what_is_right_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
