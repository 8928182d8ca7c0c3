/* SPDX-License-Identifier: PostgreSQL */
/* What was not announced whole is a line of the log at once, and then one a minute for each table and
 * reason, with all that came meanwhile. The counts in the database: tests/integration/28-shapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../fakes/cluster.h"
#include "base/log.h"
#include "pg/house/tally.h"

static struct loop *loop;
static struct connection *connection;

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

/* What is logged when it is told, which is to have these pieces in their order, and so many lines. */
static void expect_lines(struct tally *tally, uint64_t now_ms, size_t n, const char *pieces[])
{
    static char output[4096];
    int fds[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    tally_tell(tally, connection, now_ms);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fds[1]);
    ssize_t len = read(fds[0], output, sizeof(output) - 1);
    close(fds[0]);
    output[len > 0 ? len : 0] = '\0';
    size_t n_lines = 0;
    for (const char *c = output; (c = strchr(c, '\n')); c++) {
        n_lines++;
    }
    assert_int_equal(n_lines, n);
    const char *at = output;
    for (size_t i = 0; i < n; i++) {
        at = strstr(at, pieces[i]);
        assert_non_null(at);
    }
}

static void test_a_line_a_minute(void **state)
{
    (void)state;
    struct shape shape = {.f = {.watch = "key", .schema = "public", .table = "orders"}};
    struct blemish size = {&shape, CHANGE_FAULT_SIZE, false};
    struct blemish skipped = {&shape, CHANGE_FAULT_SIZE, true};
    struct blemish unknown = {NULL, CHANGE_FAULT_STALE, true};
    struct metrics *metrics = metrics_new(1);
    struct tally *tally = tally_new(metrics_block(metrics, 0));
    expect_lines(tally, 100000, 0, NULL);
    tally_add(tally, &size);
    tally_add(tally, &size);
    expect_lines(tally, 103000, 1,
                 (const char *[]){"2 changes of public.orders were announced by their key only: "
                                  "they are larger than max_bytes allows"});
    tally_add(tally, &size);
    expect_lines(tally, 106000, 0, NULL);
    tally_add(tally, &skipped); /* another matter */
    tally_add(tally, &unknown);
    expect_lines(tally, 109000, 2,
                 (const char *[]){"1 changes of a table that is not known any more were not",
                                  "1 changes of public.orders were not announced: "});
    tally_add(tally, &size);
    expect_lines(tally, 162999, 0, NULL);
    expect_lines(tally, 163000, 1,
                 (const char *[]){"2 changes of public.orders were announced by"});
    expect_lines(tally, 230000, 0, NULL); /* nothing came */
    connection_stop(connection);
    tally_free(tally);
    metrics_free(metrics);
}

static int setup(void **state)
{
    (void)state;
    log_configure(LOG_LEVEL_WARN, false);
    cluster_start();
    cluster_create("tally");
    loop = loop_new();
    struct connection_options options = {
        .name = "test",
        .url = cluster_url("tally", "herald_server"),
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
    cluster_stop();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_line_a_minute)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
