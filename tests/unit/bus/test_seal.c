/* SPDX-License-Identifier: PostgreSQL */
/* Seals: what is signed comes out as it went in; not one bit of it may be another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bus/seal.h"
#include "bus/version.h"

#define ME "AAAAAAAAAAAAAAA1"
#define YOU "abcdefghijk-_Z09"

static struct seal_keys keys_of(char newest, char old)
{
    struct seal_keys keys = {.n = old ? 2 : 1};
    memset(keys.keys[0], newest, SEAL_KEY_SIZE);
    memset(keys.keys[1], old, SEAL_KEY_SIZE);
    return keys;
}

static struct seal_head head_of(const char *to)
{
    struct seal_head head = {
        .version = 1, .kind = 200, .seq = UINT64_C(0x0102030405060708), .sent_ms = 99};
    memcpy(head.from, ME, sizeof(head.from));
    memcpy(head.to, to, strlen(to));
    return head;
}

static struct str sealed(const struct seal_head *head, const struct seal_keys *keys,
                         const char *body)
{
    size_t len = SEAL_SIZE + strlen(body);
    char *data = mem_alloc(len);
    memcpy(data + SEAL_HEAD_SIZE, body, strlen(body));
    seal_close(head, keys, data, len);
    return (struct str){data, len};
}

static void forget(struct str data)
{
    free((char *)(uintptr_t)data.ptr);
}

static enum seal_verdict open_with(const struct seal_keys *keys, struct str data)
{
    struct seal_head head;
    struct str body;
    return seal_open(keys, data, &head, &body);
}

static void check_comes_out(const char *to, const char *text)
{
    struct seal_keys keys = keys_of('a', 0);
    struct seal_head head = head_of(to), out;
    struct str data = sealed(&head, &keys, text), body;
    assert_int_equal(seal_open(&keys, data, &out, &body), SEAL_GOOD);
    assert_int_equal(out.kind, 200);
    assert_true(out.seq == head.seq && out.sent_ms == 99);
    assert_string_equal(out.from, ME);
    assert_string_equal(out.to, to);
    assert_true(str_equals(body, str_of(text)));
    forget(data);
}

static void what_went_in_comes_out(void **state)
{
    (void)state;
    check_comes_out("", "some rows");
    check_comes_out(YOU, "a secret");
    check_comes_out(YOU, "");
}

/* Numbers in network order: nodes of two kinds of machines speak with each other. */
static void the_format_is_as_written(void **state)
{
    (void)state;
    static const char expected[] = "\x01\xc8\x01\x02\x03\x04\x05\x06\x07\x08"
                                   "\0\0\0\0\0\0\0\x63" ME YOU "body";
    struct seal_keys keys = keys_of('a', 0);
    struct seal_head head = head_of(YOU);
    struct str data = sealed(&head, &keys, "body");
    assert_int_equal(data.len, sizeof(expected) - 1 + HMAC_SIZE);
    assert_memory_equal(data.ptr, expected, sizeof(expected) - 1);
    unsigned char mac[HMAC_SIZE];
    hmac_sha256((struct str){(const char *)keys.keys[0], SEAL_KEY_SIZE},
                (struct str){data.ptr, sizeof(expected) - 1}, mac);
    assert_memory_equal(data.ptr + sizeof(expected) - 1, mac, HMAC_SIZE);
    forget(data);
}

static void no_bit_may_be_another(void **state)
{
    (void)state;
    struct seal_keys keys = keys_of('a', 'b');
    struct seal_head head = head_of("");
    struct str data = sealed(&head, &keys, "body");
    for (size_t bit = 0; bit < data.len * 8; bit++) {
        char *byte = (char *)(uintptr_t)data.ptr + bit / 8;
        *byte = (char)(*byte ^ 1 << bit % 8);
        enum seal_verdict verdict = open_with(&keys, data);
        assert_true(verdict == SEAL_UNSIGNED || verdict == SEAL_MALFORMED);
        *byte = (char)(*byte ^ 1 << bit % 8);
    }
    assert_int_equal(open_with(&keys, data), SEAL_GOOD);
    forget(data);
}

static void nothing_may_be_missing_or_added(void **state)
{
    (void)state;
    struct seal_keys keys = keys_of('a', 0);
    struct seal_head head = head_of("");
    struct str data = sealed(&head, &keys, "body");
    for (size_t len = 0; len < data.len; len++) {
        char *cut = mem_alloc(len); /* of its own, so that reading on would be noticed */
        memcpy(cut, data.ptr, len);
        enum seal_verdict verdict = open_with(&keys, (struct str){cut, len});
        assert_int_equal(verdict, len < SEAL_SIZE ? SEAL_MALFORMED : SEAL_UNSIGNED);
        free(cut);
    }
    char *more = mem_zalloc(data.len + 1);
    memcpy(more, data.ptr, data.len);
    assert_int_equal(open_with(&keys, (struct str){more, data.len + 1}), SEAL_UNSIGNED);
    free(more);
    forget(data);
}

static void each_key_is_believed_and_the_first_signs(void **state)
{
    (void)state;
    struct seal_keys old = keys_of('a', 0), both = keys_of('b', 'a'), newest = keys_of('b', 0),
                     other = keys_of('c', 'd'), none = {0};
    struct seal_head head = head_of("");
    struct str by_old = sealed(&head, &old, "x"), by_both = sealed(&head, &both, "x");
    assert_int_equal(open_with(&both, by_old), SEAL_GOOD);
    assert_int_equal(open_with(&newest, by_both), SEAL_GOOD);
    assert_int_equal(open_with(&old, by_both), SEAL_UNSIGNED);
    assert_int_equal(open_with(&other, by_old), SEAL_UNSIGNED);
    assert_int_equal(open_with(&none, by_old), SEAL_UNSIGNED);
    forget(by_old);
    forget(by_both);
}

/* Signed again, so that it is these and not the signature that is looked at. */
static enum seal_verdict open_with_byte(size_t at, char byte)
{
    struct seal_keys keys = keys_of('a', 0);
    struct seal_head head = head_of(YOU);
    struct str data = sealed(&head, &keys, "x");
    char *bytes = (char *)(uintptr_t)data.ptr;
    bytes[at] = byte;
    size_t len = data.len - HMAC_SIZE;
    hmac_sha256((struct str){(const char *)keys.keys[0], SEAL_KEY_SIZE}, (struct str){bytes, len},
                (unsigned char *)bytes + len);
    enum seal_verdict verdict = open_with(&keys, data);
    forget(data);
    return verdict;
}

static void other_versions_and_bad_names_are_told_apart(void **state)
{
    (void)state;
    assert_int_equal(open_with_byte(0, (char)version_newest()), SEAL_GOOD);
    assert_int_equal(open_with_byte(0, (char)(version_newest() - 1)), SEAL_GOOD);
    assert_int_equal(open_with_byte(0, (char)(version_newest() + 1)), SEAL_FOREIGN);
    assert_int_equal(open_with_byte(0, (char)(version_newest() - 2)), SEAL_FOREIGN);
    assert_int_equal(open_with_byte(0, (char)255), SEAL_FOREIGN);
    assert_int_equal(open_with_byte(18, '.'), SEAL_MALFORMED); /* from */
    assert_int_equal(open_with_byte(33, '\0'), SEAL_MALFORMED);
    assert_int_equal(open_with_byte(34, '*'), SEAL_MALFORMED); /* to */
    assert_int_equal(open_with_byte(49, '\0'), SEAL_MALFORMED);
    assert_int_equal(open_with_byte(49, 'Z'), SEAL_GOOD);
}

/* Whom it comes from can be told of any version, and be believed. */
static void who_speaks_another_version_is_known(void **state)
{
    (void)state;
    struct seal_keys keys = keys_of('a', 0);
    struct seal_head head = head_of(YOU), out = {0};
    struct str body;
    head.version = 77;
    struct str data = sealed(&head, &keys, "of another form");
    assert_int_equal(seal_open(&keys, data, &out, &body), SEAL_FOREIGN);
    assert_string_equal(out.from, ME);
    assert_int_equal(out.version, 77);
    forget(data);
}

static void the_version_before_is_spoken_until_all_read_the_newest(void **state)
{
    (void)state;
    uint8_t newest = version_newest();
    assert_int_equal(version_to_speak(0), newest - 1);
    assert_int_equal(version_to_speak((uint8_t)(newest - 1)), newest - 1);
    assert_int_equal(version_to_speak(newest), newest);
    assert_int_equal(version_to_speak((uint8_t)(newest + 1)), newest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_went_in_comes_out),
        cmocka_unit_test(the_format_is_as_written),
        cmocka_unit_test(no_bit_may_be_another),
        cmocka_unit_test(nothing_may_be_missing_or_added),
        cmocka_unit_test(each_key_is_believed_and_the_first_signs),
        cmocka_unit_test(other_versions_and_bad_names_are_told_apart),
        cmocka_unit_test(who_speaks_another_version_is_known),
        cmocka_unit_test(the_version_before_is_spoken_until_all_read_the_newest),
    };
    return cmocka_run_group_tests_name("seal", tests, NULL, NULL);
}
