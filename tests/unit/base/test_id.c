/* SPDX-License-Identifier: PostgreSQL */
/* Random identifiers: shape, and that they differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/id.h"

static void test_text(void **state)
{
    (void)state;
    char ids[1000][ID_TEXT_SIZE];
    bool is_seen[256] = {false};
    for (size_t i = 0; i < 1000; i++) {
        id_text(ids[i]);
        assert_int_equal(strlen(ids[i]), ID_TEXT_SIZE - 1);
        assert_int_equal(strspn(ids[i], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                        "0123456789-_"),
                         ID_TEXT_SIZE - 1);
        for (size_t j = 0; j < ID_TEXT_SIZE - 1; j++)
            is_seen[(unsigned char)ids[i][j]] = true;
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
    size_t n_letters = 0; /* one of 64 missing in 16000 draws: once in 10^107 runs */
    for (size_t i = 0; i < 256; i++)
        n_letters += is_seen[i] ? 1 : 0;
    assert_int_equal(n_letters, 64);
}

static void test_random_fills_all(void **state)
{
    (void)state;
    unsigned char bytes[4096] = {0};
    unsigned char sum[4096] = {0};
    for (int round = 0; round < 8; round++) {
        id_random(bytes, sizeof bytes);
        for (size_t i = 0; i < sizeof bytes; i++)
            sum[i] |= bytes[i];
    }
    for (size_t i = 0; i < sizeof sum; i++)
        assert_int_not_equal(sum[i], 0); /* by chance: once in 10^15 runs */
}

/* What a copy of this process makes first. */
static void text_of_copy(char out[ID_TEXT_SIZE])
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char id[ID_TEXT_SIZE];
        id_forget();
        id_text(id);
        _exit(write(ends[1], id, sizeof(id)) == sizeof(id) ? 0 : 1);
    }
    assert_int_equal(read(ends[0], out, ID_TEXT_SIZE), ID_TEXT_SIZE);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(ends[0]);
    close(ends[1]);
}

static void test_copies_differ(void **state)
{
    (void)state;
    char own[ID_TEXT_SIZE], one[ID_TEXT_SIZE], other[ID_TEXT_SIZE];
    id_text(own); /* and there are some in stock now */
    text_of_copy(one);
    text_of_copy(other);
    id_text(own);
    assert_string_not_equal(one, other);
    assert_string_not_equal(one, own);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_random_fills_all),
        cmocka_unit_test(test_copies_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
