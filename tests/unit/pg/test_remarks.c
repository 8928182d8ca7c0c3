/* SPDX-License-Identifier: PostgreSQL */
/* What a server sees is told when it is new, and again now and then; also where the database refuses
 * it, which is a line of the log each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../fakes/cluster.h"
#include "base/log.h"
#include "pg/house/remarks.h"
#include "pg/query.h"
#include "pg/rows.h"

static struct loop *loop;
static struct connection *connection;
static uint64_t n_asked;

static void on_open(void *arg)
{
    (void)arg;
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
    assert_non_null(result->rows);
    n_asked = PQntuples(result->rows) > 0 ? rows_u64(result->rows, 0, 0) : 0;
    loop_stop(loop);
}

static void ask(const char *sql)
{
    connection_query(connection, sql, NULL, on_answer, NULL);
    loop_run(loop);
}

/* How often the database has been asked; what was sent before is answered by now. */
static void expect_asked(uint64_t n)
{
    ask("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM asked");
    assert_int_equal(n_asked, n);
}

static void test_when_it_is_told(void **state)
{
    (void)state;
    struct remarks *remarks = remarks_new(connection, "node");
    remarks_tell(remarks, 100000);
    expect_asked(0); /* there is nothing to tell */
    remarks_set_retention(remarks, 1);
    remarks_tell(remarks, 100000);
    expect_asked(1);
    remarks_tell(remarks, 109000);
    expect_asked(1);
    remarks_tell(remarks, 110000);
    expect_asked(2);
    remarks_set_retention(remarks, 2);
    remarks_tell(remarks, 111000);
    expect_asked(3);
    ask("SET test.refuses = 'on'");
    remarks_tell(remarks, 121000);
    expect_asked(4);
    remarks_tell(remarks, 130000);
    expect_asked(4);
    remarks_tell(remarks, 131000);
    expect_asked(5);
    remarks_free(remarks);
}

static int setup(void **state)
{
    (void)state;
    cluster_create_empty("remarks");
    loop = loop_new();
    struct connection_options options = {
        .name = "test",
        .url = cluster_url("remarks", "postgres"),
        .query_timeout_ms = 10000,
        .is_pipelined = true,
        .on_open = on_open,
        .on_lost = on_lost,
    };
    connection = connection_new(loop, &options);
    connection_start(connection);
    loop_run(loop);
    ask("CREATE SEQUENCE asked");
    ask("CREATE SCHEMA herald");
    ask("CREATE FUNCTION herald.report(text, text[], text[]) RETURNS void LANGUAGE plpgsql AS $$"
        " BEGIN PERFORM nextval('asked');"
        " IF current_setting('test.refuses', true) = 'on' THEN RAISE 'not today'; END IF; END $$");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    connection_free(connection);
    loop_free(loop);
    return 0;
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
        cmocka_unit_test_setup_teardown(test_when_it_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
