/* SPDX-License-Identifier: PostgreSQL */
/* The data directory of `dev`: what is refused, with which words, and that nothing is touched
 * before it is ours. The whole life with a real Postgres is an integration test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/dev/home.h"
#include "cli/dev/tree.h"

static char top[] = "/tmp/pgherald-test-XXXXXX";

/* A path in the test's directory; a heap string. */
static char *at(const char *name)
{
    return mem_printf("%s/%s", top, name);
}

static void write_at(const char *name, const char *text)
{
    char *path = at(name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(path);
}

static void make_dir(const char *name)
{
    char *path = at(name);
    assert_int_equal(mkdir(path, 0755), 0);
    free(path);
}

static bool is_there(const char *name)
{
    struct stat info;
    char *path = at(name);
    bool is = lstat(path, &info) == 0;
    free(path);
    return is;
}

static enum status look(const char *name, struct home *home, struct err *err)
{
    char *path = at(name);
    enum status status = home_look(path, home, err);
    free(path);
    return status;
}

static void assert_refused(const char *name, const char *part)
{
    struct home home;
    struct err err = {0};
    assert_int_equal(look(name, &home, &err), STATUS_FAILED);
    assert_int_equal(err.code, EXIT_CODE_CONFIG);
    if (!strstr(err.text, part)) {
        fail_msg("\"%s\" is not in: %s", part, err.text);
    }
    home_release(&home);
}

static void test_what_is_not_ours_is_refused(void **state)
{
    (void)state;
    make_dir("foreign");
    write_at("foreign/letter", "dear");
    assert_refused("foreign", "not made by pgherald dev");
    assert_true(is_there("foreign/letter"));
    assert_false(is_there("foreign/pgherald-dev"));
    write_at("file", "");
    assert_refused("file", "is not a directory");
    assert_refused("file/below", "Not a directory");
}

static void test_half_made_is_refused_with_the_remedy(void **state)
{
    (void)state;
    make_dir("it's");
    write_at("it's/pgherald-dev", "");
    make_dir("it's/postgres.new");
    char *remedy = mem_printf("rm -rf '%s/it'\\''s'", top);
    assert_refused("it's", "half-made (initdb did not end)");
    assert_refused("it's", remedy);
    free(remedy);
    make_dir("hollow");
    write_at("hollow/pgherald-dev", "");
    make_dir("hollow/postgres");
    assert_refused("hollow", "half-made (postgres/PG_VERSION is not readable)");
}

static void test_a_cluster_is_recognised(void **state)
{
    (void)state;
    struct home home;
    struct err err;
    make_dir("good");
    write_at("good/pgherald-dev", "");
    make_dir("good/postgres");
    write_at("good/postgres/PG_VERSION", "15\n");
    assert_int_equal(look("good", &home, &err), STATUS_OK);
    assert_int_equal(home.major, 15);
    assert_refused("good", "another pgherald dev is using"); /* a second one meets the lock */
    home_release(&home);
    assert_int_equal(look("good", &home, &err), STATUS_OK); /* which went with the first */
    home_release(&home);
}

static void test_looking_leaves_no_trace(void **state)
{
    (void)state;
    struct home home;
    struct err err;
    assert_int_equal(look("absent", &home, &err), STATUS_OK);
    assert_int_equal(home.major, 0);
    home_release(&home);
    assert_false(is_there("absent"));
    make_dir("empty");
    assert_int_equal(look("empty", &home, &err), STATUS_OK);
    home_release(&home);
    assert_false(is_there("empty/pgherald-dev"));
}

static void test_a_first_start_can_be_undone(void **state)
{
    (void)state;
    struct home home;
    struct err err = {0};
    assert_int_equal(look("new", &home, &err), STATUS_OK);
    assert_int_equal(home_claim(&home, &err), STATUS_OK);
    assert_true(is_there("new/pgherald-dev"));
    assert_int_equal(home_begin_cluster(&home, &err), STATUS_OK);
    char *inside = mem_printf("%s/global", home.making);
    assert_int_equal(mkdir(inside, 0777), 0);
    assert_int_equal(chmod(inside, 0777), 0); /* ours or root's: its owner must be able to go on */
    free(inside);
    home_undo_cluster(&home);
    assert_false(is_there("new"));
    home_release(&home);
}

static void test_a_finished_cluster_is_found_again(void **state)
{
    (void)state;
    struct home home;
    struct err err = {0};
    assert_int_equal(look("kept", &home, &err), STATUS_OK);
    assert_int_equal(home_claim(&home, &err), STATUS_OK);
    assert_int_equal(home_begin_cluster(&home, &err), STATUS_OK);
    char *version = mem_printf("%s/PG_VERSION", home.making);
    FILE *file = fopen(version, "we");
    assert_non_null(file);
    assert_true(fputs("16\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    free(version);
    assert_int_equal(home_finish_cluster(&home, &err), STATUS_OK);
    home_write_port(&home, 5444);
    home_release(&home);
    assert_int_equal(look("kept", &home, &err), STATUS_OK);
    assert_int_equal(home.major, 16);
    assert_int_equal(home_read_port(&home), 5444);
    home_release(&home);
}

/* sun_path ends after 107 bytes; a longer path, or one with characters that Postgres would have to
 * be told about, moves to /tmp. */
static void test_socket_directories_are_short(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_moved;
    } cases[] = {
        {"short", false},
        {"with blank", true},
        {"long-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789-0123456789", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct home home;
        struct stat info;
        struct err err = {0};
        assert_int_equal(look(cases[i].name, &home, &err), STATUS_OK);
        assert_int_equal(home_claim(&home, &err), STATUS_OK);
        assert_int_equal(home_open_socket_dir(&home, &err), STATUS_OK);
        char *dir = mem_strdup(home.socket_dir);
        assert_true(strlen(dir) <= 107 - strlen("/.s.PGSQL.65535"));
        assert_int_equal(strncmp(dir, "/tmp/pgherald-", 14) == 0 && !strstr(dir, top),
                         cases[i].is_moved);
        assert_int_equal(lstat(dir, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0700);
        /* A start that was killed leaves it; the next one removes it. */
        free(home.socket_dir);
        home.socket_dir = NULL;
        assert_int_equal(home_open_socket_dir(&home, &err), STATUS_OK);
        assert_int_equal(lstat(dir, &info) == 0, !cases[i].is_moved);
        free(dir);
        dir = mem_strdup(home.socket_dir);
        home_close_socket_dir(&home);
        assert_int_not_equal(lstat(dir, &info), 0);
        free(dir);
        home_release(&home);
    }
}

static int make_top(void **state)
{
    (void)state;
    /* Whoever Postgres would run as can reach it: then nothing goes to /var/lib. */
    return mkdtemp(top) == NULL || chmod(top, 0755) != 0;
}

static int remove_top(void **state)
{
    (void)state;
    return !tree_remove_contents(top) || rmdir(top) != 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_ours_is_refused),
        cmocka_unit_test(test_half_made_is_refused_with_the_remedy),
        cmocka_unit_test(test_a_cluster_is_recognised),
        cmocka_unit_test(test_looking_leaves_no_trace),
        cmocka_unit_test(test_a_first_start_can_be_undone),
        cmocka_unit_test(test_a_finished_cluster_is_found_again),
        cmocka_unit_test(test_socket_directories_are_short),
    };
    return cmocka_run_group_tests(tests, make_top, remove_top);
}
