/* SPDX-License-Identifier: PostgreSQL */
/* Allocation: what must hold for sizes at the edges, and that running out of memory ends the
 * process with a message (watched from outside, in a child). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static void test_sizes(void **state)
{
    (void)state;
    char *empty = mem_alloc(0);
    assert_non_null(empty);
    free(empty);
    char *zeros = mem_zalloc(1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(zeros[i], 0);
    free(zeros);
}

static void test_array_keeps_what_it_holds(void **state)
{
    (void)state;
    int *numbers = mem_array(NULL, 2, sizeof *numbers);
    numbers[0] = 7;
    numbers[1] = 8;
    numbers = mem_array(numbers, 4000, sizeof *numbers);
    assert_int_equal(numbers[0], 7);
    assert_int_equal(numbers[1], 8);
    numbers = mem_array(numbers, 0, sizeof *numbers);
    assert_non_null(numbers);
    free(numbers);
}

static void test_text(void **state)
{
    (void)state;
    assert_null(mem_strdup(NULL));
    char *copy = mem_strdup("hej");
    assert_string_equal(copy, "hej");
    free(copy);
    char *text = mem_printf("%s-%d", "a", 12);
    assert_string_equal(text, "a-12");
    free(text);
}

/* A count that overflows must not come back as a small array. */
static void test_overflow_aborts(void **state)
{
    (void)state;
    int err[2];
    assert_int_equal(pipe(err), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        dup2(err[1], STDERR_FILENO);
        volatile size_t many = SIZE_MAX / 2;
        free(mem_array(NULL, many, 4));
        _exit(0);
    }
    close(err[1]);
    char message[200] = "";
    ssize_t n = read(err[0], message, sizeof message - 1);
    assert_true(n > 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_string_equal(message, "pgherald: out of memory\n");
    close(err[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_array_keeps_what_it_holds),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_overflow_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
