/* SPDX-License-Identifier: PostgreSQL */
/* dev's own token secret: made once, closed to others, long enough for its algorithm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/tokens.h"
#include "base/mem.h"
#include "cli/dev/secret.h"

static char *content(const char *path)
{
    char text[128] = "";
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[n] = '\0';
    return mem_strdup(text);
}

static void test_made_once(void **state)
{
    (void)state;
    char dir[] = "/tmp/pgherald-secret-XXXXXX";
    char *path = NULL, *again = NULL;
    struct err err = {0};
    struct stat info;
    assert_non_null(mkdtemp(dir));
    char *draft = mem_printf("%s/token-secret.new", dir);
    FILE *half = fopen(draft, "we"); /* as a start that was killed leaves it */
    assert_non_null(half);
    fclose(half);
    assert_int_equal(secret_open(dir, &path, &err), STATUS_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_int_not_equal(access(draft, F_OK), 0);
    char *first = content(path);
    assert_int_equal(strlen(first), 65);
    assert_int_equal(strspn(first, "0123456789abcdef"), 64);
    assert_int_equal(secret_open(dir, &again, &err), STATUS_OK);
    assert_string_equal(again, path);
    char *second = content(path);
    assert_string_equal(first, second);
    /* The verifier takes it as it is. */
    struct tokens *tokens = NULL;
    struct tokens_options options = {.secret_file = path, .secret_algorithm = SECRET_ALGORITHM};
    assert_int_equal(tokens_new(&options, &tokens, &err), STATUS_OK);
    tokens_free(tokens);
    unlink(path);
    rmdir(dir);
    free(first);
    free(second);
    free(draft);
    free(path);
    free(again);
}

static void test_where_it_cannot_be(void **state)
{
    (void)state;
    char *path = NULL;
    struct err err = {0};
    assert_int_equal(secret_open("/nonexistent", &path, &err), STATUS_FAILED);
    assert_null(path);
    assert_int_equal(err.code, EXIT_CODE_CONFIG);
    assert_string_equal(err.text,
                        "cannot create /nonexistent/token-secret: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_once),
        cmocka_unit_test(test_where_it_cannot_be),
    };
    return cmocka_run_group_tests_name("cli/dev/secret", tests, NULL, NULL);
}
