/* SPDX-License-Identifier: PostgreSQL */
/* Command lines through the front door, up to where a database would be needed: exit codes and
 * sentences. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"

/* What the commands print is not looked at here; it would only hide the test's own output. */
static void be_quiet(bool on, int saved[2])
{
    fflush(stdout);
    fflush(stderr);
    if (on) {
        saved[0] = dup(STDOUT_FILENO);
        saved[1] = dup(STDERR_FILENO);
        FILE *null = fopen("/dev/null", "we");
        assert_non_null(null);
        dup2(fileno(null), STDOUT_FILENO);
        dup2(fileno(null), STDERR_FILENO);
        fclose(null);
    } else {
        dup2(saved[0], STDOUT_FILENO);
        dup2(saved[1], STDERR_FILENO);
        close(saved[0]);
        close(saved[1]);
    }
}

static enum exit_code run(const char *const *words, struct err *err)
{
    char *argv[8] = {(char[]){"pgherald"}};
    int argc = 1, saved[2];
    for (; words[argc - 1]; argc++) {
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    }
    be_quiet(true, saved);
    enum exit_code code = command_main(argc, argv, err);
    be_quiet(false, saved);
    return code;
}

static void test_exit_codes_and_sentences(void **state)
{
    (void)state;
    static const struct {
        const char *words[6];
        enum exit_code code;
        const char *part; /* of the sentence; "" wants none */
    } cases[] = {
        {{NULL}, EXIT_CODE_USAGE, ""},
        {{"bogus", NULL}, EXIT_CODE_USAGE, "there is no command \"bogus\" (pgherald help"},
        {{"help", "bogus", NULL}, EXIT_CODE_USAGE, "no command \"bogus\" (pgherald help lists"},
        {{"wacth", "a", NULL}, EXIT_CODE_USAGE, "\"wacth\"; did you mean pgherald watch ("},
        {{"doc", NULL}, EXIT_CODE_USAGE, "\"doc\"; did you mean pgherald doctor ("},
        {{"--json", "watch", NULL}, EXIT_CODE_USAGE, "options stand behind the command"},
        {{"WATCH", NULL}, EXIT_CODE_USAGE, "\"WATCH\"; did you mean pgherald watch ("},
        {{"help", "help", NULL}, EXIT_CODE_OK, ""},
        {{"help", "rule", NULL}, EXIT_CODE_OK, ""},
        {{"rule", NULL}, EXIT_CODE_USAGE, ""},
        {{"watch", "", NULL}, EXIT_CODE_USAGE, "a word is empty (a variable that is not set?)"},
        {{"watch", "a", "--json", "no", NULL}, EXIT_CODE_USAGE, "behind a =: --json=no"},
        {{"watch", "a", "--visible", "everybody", NULL}, EXIT_CODE_USAGE, "--visible is not JSON"},
        {{"rule", "set", "x", "authorize=", NULL}, EXIT_CODE_USAGE, "FUNCTION, or - for none"},
        {{"disconnect", "--row-id", "", NULL}, EXIT_CODE_USAGE, "--row-id is empty"},
        {{"--help", NULL}, EXIT_CODE_OK, ""},
        {{"help", NULL}, EXIT_CODE_OK, ""},
        {{"help", "watch", NULL}, EXIT_CODE_OK, ""},
        {{"watch", "--help", NULL}, EXIT_CODE_OK, ""},
        {{"--version", NULL}, EXIT_CODE_OK, ""},
        {{"-V", NULL}, EXIT_CODE_OK, ""},
        {{"version", "--json", NULL}, EXIT_CODE_OK, ""},
        {{"version", "-q", NULL}, EXIT_CODE_OK, ""},
        {{"version", "-c", "x", NULL}, EXIT_CODE_USAGE, "unknown option -c"},
        {{"doctor", "a", "--jsn", NULL}, EXIT_CODE_USAGE, "--jsn; did you mean --json"},
        {{"serve", "--json", NULL}, EXIT_CODE_USAGE, "unknown option --json"},
        {{"watch", NULL}, EXIT_CODE_USAGE, "usage: pgherald watch TABLE"},
        {{"watch", "a", "b", NULL}, EXIT_CODE_USAGE, "\"b\" is too much"},
        {{"watch", "a", "--max-bytes", "x", NULL}, EXIT_CODE_USAGE, "--max-bytes: \"x\""},
        {{"watch", "a", "--listen", "x", NULL}, EXIT_CODE_USAGE, "unknown option --listen"},
        {{"unwatch", NULL}, EXIT_CODE_USAGE, "usage: pgherald unwatch TABLE"},
        {{"watches", "a", NULL}, EXIT_CODE_USAGE, "\"a\" is too much"},
        {{"serve", "a", NULL}, EXIT_CODE_USAGE, "\"a\" is too much"},
        {{"serve", "--listen", "8080", NULL}, EXIT_CODE_USAGE, "--listen: \"8080\""},
        {{"serve", "--database-url", "postgresql://[::1/", NULL}, EXIT_CODE_CONFIG, "database URL"},
        {{"serve", "-c", "/nonexistent", NULL}, EXIT_CODE_CONFIG, "/nonexistent"},
        {{"uninstall", NULL}, EXIT_CODE_USAGE, "--yes"},
        {{"install", "--server-password-file", NULL}, EXIT_CODE_USAGE, "wants a value"},
        {{"token", "a", NULL}, EXIT_CODE_USAGE, "\"a\" is too much"},
        {{"token", "--token-secret-file", "/nonexistent", NULL}, EXIT_CODE_CONFIG, "/nonexistent"},
        {{"token", NULL}, EXIT_CODE_CONFIG, "no key to make a token with"},
        {{"config", NULL}, EXIT_CODE_USAGE, "--print"},
        {{"config", "--print", "--check", NULL}, EXIT_CODE_USAGE, "one of"},
        {{"config", "--print", NULL}, EXIT_CODE_OK, ""},
        {{"config", "--reference", NULL}, EXIT_CODE_OK, ""},
        {{"config", "--check", NULL}, EXIT_CODE_OK, ""},
        {{"config", "--check", "-c", "/nonexistent", NULL}, EXIT_CODE_CONFIG, "/nonexistent"},
        {{"dev", "--listen", "203.0.113.1:1", NULL},
         EXIT_CODE_CONFIG,
         "cannot listen on 203.0.113.1:1"},
        {{"dev", "--listen", "127.0.0.1:0", "--data-dir=/dev/null", NULL},
         EXIT_CODE_CONFIG,
         "/dev/null is not a directory"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = {0};
        assert_int_equal(run(cases[i].words, &err), cases[i].code);
        if (cases[i].part[0] == '\0') {
            assert_string_equal(err.text, "");
        } else if (!strstr(err.text, cases[i].part)) {
            fail_msg("\"%s\" is not in: %s", cases[i].part, err.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_codes_and_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
