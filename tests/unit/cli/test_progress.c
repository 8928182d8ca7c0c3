/* SPDX-License-Identifier: PostgreSQL */
/* What is said of something slow, on a terminal and elsewhere; and that what is quick says nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "cli/progress.h"

/* Ten steps of which the first five take so many milliseconds each. */
static void expect(bool is_terminal, uint64_t step_ms, const char *words)
{
    FILE *out = tmpfile();
    char said[512] = "";
    assert_non_null(out);
    struct progress progress = progress_begin(out, 10, 1000);
    assert_false(progress.is_terminal); /* a file is none */
    progress.is_terminal = is_terminal;
    for (size_t i = 0; i < 6; i++) {
        progress_tell(&progress, i, "the next", 1000 + i * step_ms);
    }
    progress_end(&progress);
    rewind(out);
    said[fread(said, 1, sizeof(said) - 1, out)] = '\0';
    fclose(out);
    assert_string_equal(said, words);
}

static void test_progress(void **state)
{
    (void)state;
    expect(false, 100, "");
    expect(true, 100, "");
    expect(false, 500,
           "2 of 10 done, about 5 s to go: the next\n4 of 10 done, about 4 s to go: the next\n");
    expect(true, 400,
           "\r3 of 10 done, about 3 s to go: the next\033[K"
           "\r\033[K");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_progress)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
