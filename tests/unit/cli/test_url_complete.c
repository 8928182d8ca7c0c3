/* SPDX-License-Identifier: PostgreSQL */
/* Connection strings made complete: every spelling becomes one URI that means the same, and says
 * who and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "cli/url.h"

static const char *value(const PQconninfoOption *options, const char *keyword)
{
    while (strcmp(options->keyword, keyword) != 0) {
        options++;
    }
    return options->val ? options->val : "";
}

static void test_urls_are_completed(void **state)
{
    (void)state;
    static const struct {
        const char *given, *complete;
    } cases[] = {
        {"", "postgresql://herald_server@/postgres"},
        {"postgresql://", "postgresql://herald_server@/postgres"},
        {"postgresql:///app", "postgresql://herald_server@/app"},
        {"postgres://me@db.example.com/app", "postgresql://me@db.example.com/app"},
        {"postgresql://db:5433", "postgresql://herald_server@db:5433/postgres"},
        {"host=db port=5433 dbname=app", "postgresql://herald_server@db:5433/app"},
        {"host=/tmp port=1 user=me", "postgresql://me@/postgres?host=/tmp&port=1"},
        {"postgresql://a:1,b:2/app?target_session_attrs=read-write",
         "postgresql://herald_server@/app?host=a,b&port=1,2&target_session_attrs=read-write"},
        {"postgresql://[::1]:5/app", "postgresql://herald_server@/app?host=%3A%3A1&port=5"},
        {"postgresql://u:p%40%2F%3A@h/d%2Fb", "postgresql://u:p%40%2F%3A@h/d%2Fb"},
        {"dbname='a b' password='x y'", "postgresql://herald_server:x%20y@/a%20b"},
        {"host=h application_name='a&b=c'",
         "postgresql://herald_server@h/postgres?application_name=a%26b%3Dc"},
        {"service=prod", "postgresql:///?service=prod"},
    };
    unsetenv("PGUSER");
    unsetenv("PGDATABASE");
    unsetenv("PGSERVICE");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *url = NULL, *twice = NULL;
        struct err err;
        assert_int_equal(url_complete(cases[i].given, "herald_server", "postgres", &url, &err),
                         STATUS_OK);
        assert_string_equal(url, cases[i].complete);
        assert_int_equal(url_complete(url, "x", "y", &twice, &err), STATUS_OK);
        assert_string_equal(twice, cases[i].complete);
        free(twice);
        free(url);
    }
}

static void test_what_libpq_reads_stays_the_same(void **state)
{
    (void)state;
    static const char *const given =
        "host=h user=u\\'x password='%41/@:?#&=\\\\ ' dbname='\xc3\xa9/?&'";
    static const char *const keywords[] = {"host", "user", "password", "dbname"};
    char *url = NULL;
    struct err err;
    PQconninfoOption *before = PQconninfoParse(given, NULL);
    assert_non_null(before);
    assert_int_equal(url_complete(given, "a", "b", &url, &err), STATUS_OK);
    PQconninfoOption *after = PQconninfoParse(url, NULL);
    assert_non_null(after);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(value(before, keywords[i]), value(after, keywords[i]));
    }
    PQconninfoFree(after);
    PQconninfoFree(before);
    free(url);
}

static void test_variables_of_libpq_count(void **state)
{
    (void)state;
    char *url = NULL;
    struct err err;
    setenv("PGUSER", "me", 1);
    setenv("PGDATABASE", "mine", 1);
    assert_int_equal(url_complete("postgresql://h", "herald_server", "postgres", &url, &err),
                     STATUS_OK);
    assert_string_equal(url, "postgresql://h/");
    free(url);
    unsetenv("PGUSER");
    unsetenv("PGDATABASE");
}

static void test_nonsense_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "postgresql://[::secret",
        "secret",
        "password=a secret",
        "host='secret",
        "postgresql://u:%zzsecret@h/",
        "postgresql://h/db?secret",
        "postgresql://u@h:1secret@x/?bogus=secret",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *url = NULL;
        struct err err = {0};
        assert_int_equal(url_complete(cases[i], "a", "b", &url, &err), STATUS_FAILED);
        assert_int_equal(err.code, EXIT_CODE_CONFIG);
        assert_null(strchr(err.text, '\n'));
        assert_null(strstr(err.text, "secret"));
        assert_null(url);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_are_completed),
        cmocka_unit_test(test_what_libpq_reads_stays_the_same),
        cmocka_unit_test(test_variables_of_libpq_count),
        cmocka_unit_test(test_nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
