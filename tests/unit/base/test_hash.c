/* SPDX-License-Identifier: PostgreSQL */
/* SipHash-1-3 against vectors of another implementation, and the process's own key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"

/* The key 00 01 … 0f, the messages 00 01 … of 0 to 16 bytes; made by an independent program whose
 * 2-4 variant gives the vector of the paper's appendix A. */
static const uint64_t vectors[] = {
    UINT64_C(0xabac0158050fc4dc), UINT64_C(0xc9f49bf37d57ca93), UINT64_C(0x82cb9b024dc7d44d),
    UINT64_C(0x8bf80ab8e7ddf7fb), UINT64_C(0xcf75576088d38328), UINT64_C(0xdef9d52f49533b67),
    UINT64_C(0xc50d2b50c59f22a7), UINT64_C(0xd3927d989bb11140), UINT64_C(0x369095118d299a8e),
    UINT64_C(0x25a48eb36c063de4), UINT64_C(0x79de85ee92ff097f), UINT64_C(0x70c118c1f94dc352),
    UINT64_C(0x78a384b157b4d9a2), UINT64_C(0x306f760c1229ffa7), UINT64_C(0x605aa111c0f95d34),
    UINT64_C(0xd320d86d2a519956), UINT64_C(0xcc4fdd1a7d908b66),
};

static void test_vectors(void **state)
{
    (void)state;
    unsigned char bytes[64];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    const uint64_t key[2] = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
    for (size_t len = 0; len < sizeof vectors / sizeof vectors[0]; len++)
        assert_true(hash_keyed(key, bytes, len) == vectors[len]);
}

static void test_alignment_does_not_matter(void **state)
{
    (void)state;
    char text[64];
    const uint64_t key[2] = {1, 2};
    uint64_t expected = hash_keyed(key, "a channel name of 26 bytes", 26);
    for (size_t at = 0; at < 16; at++) {
        memcpy(text + at, "a channel name of 26 bytes", 26);
        assert_true(hash_keyed(key, text + at, 26) == expected);
    }
}

static void test_key_is_the_same_in_a_process(void **state)
{
    (void)state;
    assert_true(hash_bytes("room/1", 6) == hash_bytes("room/1", 6));
    assert_true(hash_bytes("room/1", 6) != hash_bytes("room/2", 6));
    assert_true(hash_bytes("", 0) != hash_bytes("\0", 1));
}

/* Two children that ask for the first time draw two keys. Must run before this process has drawn
 * one. */
static void test_key_differs_between_processes(void **state)
{
    (void)state;
    uint64_t hashes[2];
    for (size_t i = 0; i < 2; i++) {
        int fds[2];
        assert_int_equal(pipe(fds), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            uint64_t hash = hash_bytes("room/1", 6);
            _exit(write(fds[1], &hash, sizeof hash) == sizeof hash ? 0 : 1);
        }
        assert_int_equal(read(fds[0], &hashes[i], sizeof hashes[i]), sizeof hashes[i]);
        assert_int_equal(waitpid(child, NULL, 0), child);
        close(fds[0]);
        close(fds[1]);
    }
    assert_true(hashes[0] != hashes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_alignment_does_not_matter),
        cmocka_unit_test(test_key_differs_between_processes),
        cmocka_unit_test(test_key_is_the_same_in_a_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
