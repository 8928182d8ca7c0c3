/* SPDX-License-Identifier: PostgreSQL */
/* Statements that a session keeps: parsed once, and what fails before it was parsed is not taken for
 * prepared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../../fakes/cluster.h"
#include "base/log.h"
#include "pg/query.h"
#include "pg/rows.h"

static struct loop *loop;
static struct connection *connection;
static char answer[64], sqlstate[8];

static void on_open(void *arg)
{
    (void)arg;
    connection_keep_statements(connection);
    loop_stop(loop);
}

static void on_lost(void *arg, const char *reason)
{
    (void)arg;
    fail_msg("lost: %s", reason);
}

static void on_answer(void *arg, const struct query_result *result)
{
    (void)arg;
    struct str text = result->rows ? rows_text(result->rows, 0, 0) : STR("");
    snprintf(answer, sizeof(answer), "%.*s", (int)text.len, text.len > 0 ? text.ptr : "");
    snprintf(sqlstate, sizeof(sqlstate), "%s", result->sqlstate);
    loop_stop(loop);
}

static int setup(void **state)
{
    (void)state;
    static int n;
    char name[16];
    snprintf(name, sizeof(name), "query%d", n++);
    cluster_create(name);
    loop = loop_new();
    struct connection_options options = {
        .name = "test",
        .url = cluster_url(name, "postgres"),
        .query_timeout_ms = 10000,
        .is_pipelined = true,
        .on_open = on_open,
        .on_lost = on_lost,
    };
    connection = connection_new(loop, &options);
    connection_start(connection);
    loop_run(loop);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    connection_free(connection);
    loop_free(loop);
    return 0;
}

static void ask(const char *const *before, const char *sql, int32_t number)
{
    static const char *const behind[] = {"COMMIT", NULL};
    struct params params = {0};
    params_int(&params, number);
    connection_query_framed(connection, (struct query_frame){.before = before, .behind = behind},
                            sql, &params, on_answer, NULL);
    loop_run(loop);
}

static void ask_plain(const char *sql)
{
    connection_query(connection, sql, NULL, on_answer, NULL);
    loop_run(loop);
    assert_string_equal(sqlstate, "");
}

static const char *const begin[] = {"BEGIN", NULL};
static const char divide[] = "SELECT (6 / $1)::text";

static void check_kept(const char *expected)
{
    ask(begin, "SELECT count(*)::text FROM pg_prepared_statements WHERE $1 = 0", 0);
    assert_string_equal(answer, expected);
}

static void test_each_is_parsed_once(void **state)
{
    (void)state;
    for (int32_t i = 1; i <= 3; i++) {
        char expected[8];
        snprintf(expected, sizeof(expected), "%d", (int)(6 / i));
        ask(begin, divide, i);
        assert_string_equal(answer, expected);
    }
    check_kept("4"); /* BEGIN, COMMIT, the division, and what asks */
}

/* COMMIT, behind what fails, was skipped: it is prepared by the next one, and so is what was not
 * there yet. */
static void test_what_fails_at_first_is_prepared_later(void **state)
{
    (void)state;
    ask(begin, divide, 0);
    assert_string_equal(sqlstate, "22012");
    ask_plain("ROLLBACK");
    ask(begin, "SELECT later($1)::text", 1);
    assert_string_equal(sqlstate, "42883");
    ask_plain("ROLLBACK");
    ask_plain("CREATE FUNCTION later(n int) RETURNS int LANGUAGE sql AS 'SELECT n + 1'");
    ask(begin, "SELECT later($1)::text", 1);
    assert_string_equal(answer, "2");
    ask(begin, divide, 2);
    assert_string_equal(answer, "3");
    check_kept("7");
}

/* More than there is room for: the others are parsed each time. */
static void test_there_is_room_for_some(void **state)
{
    (void)state;
    static char texts[40][32];
    for (int32_t i = 0; i < 80; i++) {
        snprintf(texts[i % 40], sizeof(texts[0]), "SELECT ($1 + %d)::text", (int)(i % 40));
        char expected[8];
        snprintf(expected, sizeof(expected), "%d", (int)(1 + i % 40));
        ask(begin, texts[i % 40], 1);
        assert_string_equal(answer, expected);
    }
    check_kept("32");
}

static int start(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_ERROR, false);
    cluster_start();
    return 0;
}

static int stop(void **state)
{
    (void)state;
    cluster_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_is_parsed_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_fails_at_first_is_prepared_later, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_there_is_room_for_some, setup, teardown),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
