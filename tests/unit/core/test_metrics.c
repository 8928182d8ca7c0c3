/* SPDX-License-Identifier: PostgreSQL */
/* The table of metrics: its cells, its answer, its page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "core/metrics.h"

static void expect_line(struct metrics *metrics, const char *line)
{
    struct buf out = {0};
    metrics_write(metrics, &out);
    char *wanted = mem_printf("\n%s\n", line);
    if (!strstr(buf_text(&out), wanted)) {
        fail_msg("no line \"%s\"", line);
    }
    free(wanted);
    buf_release(&out);
}

static void test_blocks_are_added_up(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(3);
    for (uint32_t i = 0; i < 3; i++) {
        metrics_add(metrics_block(metrics, i), METRIC_DELIVERIES, 10 + i);
    }
    metrics_count(metrics_block(metrics, 2), METRIC_DELIVERIES);
    expect_line(metrics, "pgherald_deliveries_total 34");
    expect_line(metrics, "# TYPE pgherald_deliveries_total counter");
    metrics_free(metrics);
}

/* One thread adds what another takes away: neither number means anything, the sum does. */
static void test_a_gauge_may_be_shared(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(2);
    metrics_add(metrics_block(metrics, 0), METRIC_INTAKE, 7);
    metrics_add(metrics_block(metrics, 1), METRIC_INTAKE, 0 - UINT64_C(5));
    expect_line(metrics, "pgherald_intake_commands 2");
    metrics_add(metrics_block(metrics, 1), METRIC_INTAKE, 0 - UINT64_C(3)); /* caught in between */
    expect_line(metrics, "pgherald_intake_commands 0");
    metrics_free(metrics);
}

static void test_the_greatest_counts(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(2);
    metrics_set(metrics_block(metrics, 0), METRIC_OUTQUEUE_MAX, 5);
    metrics_set(metrics_block(metrics, 1), METRIC_OUTQUEUE_MAX, 9);
    expect_line(metrics, "pgherald_outqueue_max_bytes 9");
    metrics_free(metrics);
}

static void test_time_is_shown_in_seconds(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(2);
    expect_line(metrics, "pgherald_judge_seconds_total 0.000");
    metrics_add(metrics_block(metrics, 0), METRIC_JUDGE_MS, 61000);
    metrics_add(metrics_block(metrics, 1), METRIC_JUDGE_MS, 7);
    expect_line(metrics, "pgherald_judge_seconds_total 61.007");
    expect_line(metrics, "# TYPE pgherald_judge_seconds_total counter");
    metrics_free(metrics);
}

static void test_labels(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(1);
    struct metrics_block *block = metrics_block(metrics, 0);
    metrics_count(block, METRIC_ERRORS + METRIC_ERROR_NO_CHANNEL);
    metrics_count(block, METRIC_ERRORS + ERROR_CODE_UNAVAILABLE); /* the same numbers */
    metrics_count(block, metrics_close(1013));
    metrics_count(block, metrics_close(4999));
    metrics_count(block, METRIC_LIMITS_LAST);
    expect_line(metrics, "pgherald_errors_total{code=\"no_channel\"} 1");
    expect_line(metrics, "pgherald_errors_total{code=\"unavailable\"} 1");
    expect_line(metrics, "pgherald_closes_total{code=\"1013\"} 1");
    expect_line(metrics, "pgherald_closes_total{code=\"other\"} 1");
    expect_line(metrics, "pgherald_limits_total{limit=\"transit_bytes\"} 1");
    metrics_free(metrics);
}

static void test_nobody_counts(void **state)
{
    (void)state;
    metrics_count(NULL, METRIC_DELIVERIES);
    metrics_set(NULL, METRIC_DELIVERIES, 1);
    assert_null(metrics_block(NULL, 4));
    metrics_free(NULL);
}

/* Every line is a comment, or a name of ours with a value; names end as Prometheus wants it; no
 * series comes twice. */
static void test_the_format(void **state)
{
    (void)state;
    struct metrics *metrics = metrics_new(1);
    struct buf out = {0};
    char *rest, *line, type[16], name[80] = "";
    size_t n = 0;
    metrics_write(metrics, &out);
    char *text = mem_strdup(buf_text(&out));
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        if (line[0] == '#') {
            if (sscanf(line, "# TYPE %79s %15s", name, type) == 2) {
                bool is_total = strcmp(name + strlen(name) - 6, "_total") == 0;
                assert_int_equal(is_total, strcmp(type, "counter") == 0);
            }
            continue;
        }
        assert_int_equal(strncmp(line, name, strlen(name)), 0);
        assert_int_equal(strspn(strrchr(line, ' ') + 1, "0123456789."),
                         strlen(strrchr(line, ' ')) - 1);
        char *series = mem_printf("\n%.*s ", (int)(strrchr(line, ' ') - line), line);
        const char *first = strstr(buf_text(&out), series);
        assert_non_null(first);
        assert_null(strstr(first + 1, series));
        free(series);
        n++;
    }
    assert_int_equal(n, METRIC_CELLS);
    free(text);
    buf_release(&out);
    metrics_free(metrics);
}

/* docs/metrics.md is what `pgherald config --metrics-reference` prints. The tests run from the top
 * of the tree. */
static void test_the_reference_is_up_to_date(void **state)
{
    (void)state;
    char *printed = NULL, *written = mem_zalloc(1 << 20);
    size_t len = 0;
    FILE *out = open_memstream(&printed, &len);
    assert_non_null(out);
    metrics_reference(out);
    assert_int_equal(fclose(out), 0);
    FILE *page = fopen("docs/metrics.md", "re");
    assert_non_null(page);
    assert_true(fread(written, 1, (1 << 20) - 1, page) > 0);
    fclose(page);
    assert_string_equal(printed, written);
    free(printed);
    free(written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_added_up),
        cmocka_unit_test(test_a_gauge_may_be_shared),
        cmocka_unit_test(test_the_greatest_counts),
        cmocka_unit_test(test_time_is_shown_in_seconds),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_nobody_counts),
        cmocka_unit_test(test_the_format),
        cmocka_unit_test(test_the_reference_is_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
