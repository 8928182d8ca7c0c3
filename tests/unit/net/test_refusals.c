/* SPDX-License-Identifier: PostgreSQL */
/* One line for each reason and minute, and that nothing of what strangers send gets out of its
 * quotes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "core/metrics.h"
#include "net/http/refusals.h"

static char output[8192];
static int fds[2], saved;

static void begin(void)
{
    log_configure(LOG_LEVEL_INFO, false);
    fflush(stderr);
    assert_int_equal(pipe(fds), 0);
    saved = dup(STDERR_FILENO);
    dup2(fds[1], STDERR_FILENO);
}

/* What was logged since begin(), a line each; returns how many. */
static size_t end(void)
{
    size_t len = 0, n_lines = 0;
    ssize_t n;
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fds[1]);
    while ((n = read(fds[0], output + len, sizeof(output) - 1 - len)) > 0) {
        len += (size_t)n;
    }
    close(fds[0]);
    output[len] = '\0';
    for (const char *c = output; (c = strchr(c, '\n')); c++) {
        n_lines++;
    }
    return n_lines;
}

static void note(struct refusals *refusals, unsigned reason, const char *detail, uint64_t now_ms)
{
    refusals_note(refusals, &(struct refused){.reason = reason, .detail = detail}, now_ms);
}

static void test_one_line_a_minute(void **state)
{
    (void)state;
    struct refusals *refusals = refusals_new();
    begin();
    note(refusals, METRIC_REFUSAL_ORIGIN, "first", 1000);
    for (uint64_t i = 1; i <= 500; i++) {
        note(refusals, METRIC_REFUSAL_ORIGIN, i == 1 ? "second" : "later", 1000 + i);
        refusals_sweep(refusals, 1000 + i);
    }
    note(refusals, METRIC_REFUSAL_CANONICAL, "another reason", 2000);
    refusals_sweep(refusals, 60999);
    assert_int_equal(end(), 2);
    assert_non_null(strstr(output, "(403): first\n"));
    assert_non_null(strstr(output, "another reason\n"));
    begin();
    refusals_sweep(refusals, 61000);
    refusals_sweep(refusals, 200000);
    assert_int_equal(end(), 1);
    assert_non_null(strstr(output, "(403): second; and 499 more like it within a minute\n"));
    begin();
    note(refusals, METRIC_REFUSAL_ORIGIN, "anew", 200001);
    note(refusals, METRIC_REFUSAL_ORIGIN, "at the end", 200002);
    note(refusals, METRIC_REFUSAL_ORIGIN, "at the end", 200003);
    refusals_free(refusals);
    assert_int_equal(end(), 2);
    assert_non_null(strstr(output, "(403): anew\n"));
    assert_non_null(strstr(output, "at the end; and 1 more"));
}

static void test_what_is_shown(void **state)
{
    (void)state;
    static char endless[20000];
    struct address client, proxy;
    struct refusals *refusals = refusals_new();
    memset(endless, 'e', sizeof(endless));
    assert_true(address_parse(STR("203.0.113.7"), &client));
    assert_true(address_parse(STR("2001:db8::1"), &proxy));
    begin();
    refusals_note(refusals,
                  &(struct refused){
                      .reason = METRIC_REFUSAL_ORIGIN,
                      .from = &client,
                      .proxy = &proxy,
                      .canonical = STR("secretive"),
                      .origin = STR("https://a\"b\xc3\xa9 c\x1b[31m"),
                  },
                  0);
    refusals_note(refusals,
                  &(struct refused){.reason = METRIC_REFUSAL_CANONICAL,
                                    .canonical = STR("short"),
                                    .origin = {endless, sizeof(endless)}},
                  0);
    refusals_free(refusals);
    assert_int_equal(end(), 2);
    assert_non_null(strstr(output, ", from 203.0.113.7 through 2001:db8::1, canonical "
                                   "\"secret...\", origin \"https://a?b???c?[31m\"\n"));
    assert_null(strstr(output, "secreti"));
    assert_non_null(strstr(output, "canonical \"short\", origin \"eee"));
    assert_true(strlen(output) < 1000);
}

/* A reason that is added to the table needs a sentence here. */
static void test_every_reason_has_its_sentence(void **state)
{
    (void)state;
    struct refusals *refusals = refusals_new();
    begin();
    for (unsigned reason = 0; reason < METRIC_N_REFUSALS; reason++) {
        note(refusals, reason, NULL, 0);
    }
    refusals_free(refusals);
    assert_int_equal(end(), METRIC_N_REFUSALS);
    assert_null(strstr(output, "(null)"));
    assert_null(strstr(output, "refused: \n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_line_a_minute),
        cmocka_unit_test(test_what_is_shown),
        cmocka_unit_test(test_every_reason_has_its_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
