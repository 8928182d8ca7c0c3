/* SPDX-License-Identifier: PostgreSQL */
/* Headers of both versions, good and bad. Each is read whole, with more behind it, and cut at every
 * place: what is good must then be incomplete, and what is bad must never become good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
/* The fixed part: command, family, length. */
#define V2(command, family, high, low) SIGNATURE command family high low
#define V4_PAIR "\xcb\x00\x71\x07\x0a\x00\x00\x01\xdc\x04\x01\xbb" /* 203.0.113.7 → 10.0.0.1 */
#define V6_PAIR                                                                                    \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"                                                   \
    "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\xdc\x04\x01\xbb"

static const char NOBODY[] = "nobody", BAD[] = "bad", SHORT[] = "short";

/* The verdict over a copy of its exact size: an address as text is compared by the caller. */
static enum proxy_header_state read_copy(struct str text, struct proxy_header *out)
{
    uint8_t *copy = mem_alloc(text.len > 0 ? text.len : 1);
    memcpy(copy, text.ptr, text.len);
    enum proxy_header_state state = proxy_header_read(copy, text.len, out);
    free(copy);
    return state;
}

static void assert_client(const struct proxy_header *header, const char *expected)
{
    struct address address;
    assert_int_equal(header->has_client, expected != NOBODY);
    if (header->has_client) {
        assert_true(address_parse(str_of(expected), &address));
        assert_memory_equal(&header->client, &address, sizeof(address));
    }
}

static void assert_verdict(struct str text, const char *expected)
{
    struct proxy_header header;
    enum proxy_header_state state = read_copy(text, &header);
    if (expected == BAD) {
        assert_int_equal(state, PROXY_HEADER_BAD);
    } else if (expected == SHORT) {
        assert_int_equal(state, PROXY_HEADER_INCOMPLETE);
    } else {
        assert_int_equal(state, PROXY_HEADER_COMPLETE);
        assert_int_equal(header.len, text.len);
        assert_client(&header, expected);
    }
    bool was_bad = false;
    for (size_t cut = 0; cut < text.len; cut++) {
        state = read_copy((struct str){text.ptr, cut}, &header);
        was_bad = was_bad || state == PROXY_HEADER_BAD;
        assert_int_equal(state, was_bad ? PROXY_HEADER_BAD : PROXY_HEADER_INCOMPLETE);
    }
    assert_false(was_bad && expected != BAD);
    if (state != PROXY_HEADER_BAD && expected != SHORT) {
        char *longer = mem_alloc(text.len + 3);
        memcpy(longer, text.ptr, text.len);
        memcpy(longer + text.len, "GET", 3);
        state = read_copy((struct str){longer, text.len + 3}, &header);
        assert_int_equal(state, expected == BAD ? PROXY_HEADER_BAD : PROXY_HEADER_COMPLETE);
        assert_true(state == PROXY_HEADER_BAD || header.len == text.len);
        free(longer);
    }
}

static void test_v1(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\n", "203.0.113.7"},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"},
        {"PROXY TCP4 203.0.113.7 10.0.0.1 0 0\r\n", "203.0.113.7"},
        {"PROXY TCP6 2001:db8::7 fd00::1 56324 443\r\n", "2001:db8::7"},
        {"PROXY TCP6 2001:DB8:0:0:0:0:0:7 fd00::1 56324 443\r\n", "2001:db8::7"},
        {"PROXY TCP6 ::ffff:203.0.113.7 ::1 1 1\r\n", "203.0.113.7"},
        {"PROXY UNKNOWN\r\n", NOBODY},
        {"PROXY UNKNOWN anything\t at all\r\n", NOBODY},
        {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         NOBODY}, /* 107 bytes */
        {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655351\r\n",
         BAD},
        {"PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 6553",
         SHORT},
        {"", SHORT},
        {"PROXY", SHORT},
        {"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r", SHORT},
        {"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\n", BAD},
        {"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\r\n", BAD},
        {"PROXY UNKNOWN a\rb\r\n", BAD},
        {"PROXY UNKNOWN a\nb\r\n", BAD},
        {"PROXY UNKNOWNS\r\n", BAD},
        {"PROXY TCP4 203.0.113.7 10.0.0.1 56324 443 \r\n", BAD},
        {"PROXY  TCP4 203.0.113.7 10.0.0.1 56324 443\r\n", BAD},
        {"PROXY TCP4  203.0.113.7 10.0.0.1 56324 443\r\n", BAD},
        {"PROXY TCP4 203.0.113.7 10.0.0.1  56324 443\r\n", BAD},
        {"PROXY TCP4 203.0.113.7 10.0.0.1 56324\r\n", BAD},
        {"PROXY TCP4 203.0.113.7 10.0.0.1\r\n", BAD},
        {"PROXY TCP4\r\n", BAD},
        {"PROXY \r\n", BAD},
        {"PROXY TCP4 203.0.113.07 10.0.0.1 56324 443\r\n", BAD},
        {"PROXY TCP4 203.0.113.256 10.0.0.1 56324 443\r\n", BAD},
        {"PROXY TCP4 203.0.113.7 10.0.0 56324 443\r\n", BAD},
        {"PROXY TCP4 203.0.113.7 10.0.0.1 056324 443\r\n", BAD},
        {"PROXY TCP4 203.0.113.7 10.0.0.1 65536 443\r\n", BAD},
        {"PROXY TCP4 203.0.113.7 10.0.0.1 56324 -1\r\n", BAD},
        {"PROXY TCP4 2001:db8::7 fd00::1 56324 443\r\n", BAD},
        {"PROXY TCP6 203.0.113.7 10.0.0.1 56324 443\r\n", BAD},
        {"PROXY TCP6 [2001:db8::7] [fd00::1] 56324 443\r\n", BAD},
        {"PROXY TCP6 2001:db8::7 10.0.0.1 56324 443\r\n", BAD},
        {"PROXY UDP4 203.0.113.7 10.0.0.1 56324 443\r\n", BAD},
        {"proxy TCP4 203.0.113.7 10.0.0.1 56324 443\r\n", BAD},
        {"GET / HTTP/1.1\r\n\r\n", BAD},
        {"P\x16\x03\x01", BAD},
        {"\x16\x03\x01\x02", BAD},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_verdict(str_of(cases[i].text), cases[i].expected);
    }
    assert_verdict(STR("PROXY UNKNOWN \0\r\n"), NOBODY);
    assert_verdict(STR("PROXY TCP4 203.0.113.7\0 10.0.0.1 56324 443\r\n"), BAD);
}

static void test_v2(void **state)
{
    (void)state;
    const struct {
        struct str text;
        const char *expected;
    } cases[] = {
        {STR(V2("\x21", "\x11", "\0", "\x0c") V4_PAIR), "203.0.113.7"},
        {STR(V2("\x21", "\x21", "\0", "\x24") V6_PAIR), "2001:db8::7"},
        {STR(V2("\x21", "\x12", "\0", "\x0c") V4_PAIR), NOBODY}, /* datagrams */
        {STR(V2("\x21", "\x22", "\0", "\x24") V6_PAIR), NOBODY},
        {STR(V2("\x21", "\0", "\0", "\0")), NOBODY},
        {STR(V2("\x21", "\0", "\0", "\x03") "\xff\xff\xff"), NOBODY},
        {STR(V2("\x20", "\0", "\0", "\0")), NOBODY}, /* a health check */
        {STR(V2("\x20", "\x11", "\0", "\x0c") V4_PAIR), NOBODY},
        {STR(V2("\x20", "\x11", "\0", "\x02") "xy"), NOBODY},
        {STR(V2("\x20", "\xff", "\0", "\0")), NOBODY},
        {STR(V2("\x22", "\x11", "\0", "\x0c") V4_PAIR), BAD}, /* commands, versions */
        {STR(V2("\x11", "\x11", "\0", "\x0c") V4_PAIR), BAD},
        {STR(V2("\x31", "\x11", "\0", "\x0c") V4_PAIR), BAD},
        {STR(V2("\x21", "\x10", "\0", "\x0c") V4_PAIR), BAD}, /* families */
        {STR(V2("\x21", "\x13", "\0", "\x0c") V4_PAIR), BAD},
        {STR(V2("\x21", "\x41", "\0", "\x0c") V4_PAIR), BAD},
        {STR(V2("\x21", "\x01", "\0", "\0")), BAD},
        {STR(V2("\x21", "\x11", "\0", "\x0b") "\xcb\x00\x71\x07\x0a\x00\x00\x01\xdc\x04\x01"), BAD},
        {STR(V2("\x21", "\x21", "\0", "\x0c") V4_PAIR), BAD},
        {STR(V2("\x21", "\x31", "\0", "\x0c") V4_PAIR), BAD},
        {STR(V2("\x21", "\x11", "\0", "\x0c")), SHORT},
        {STR(V2("\x21", "\x11", "\x10", "\x00")), BAD}, /* longer than we take: said at once */
        {STR(V2("\x21", "\x11", "\x0f", "\xf0")), SHORT},
        /* Extensions. */
        {STR(V2("\x21", "\x11", "\0", "\x0f") V4_PAIR "\x04\0\0"), "203.0.113.7"},
        {STR(V2("\x21", "\x11", "\0", "\x15") V4_PAIR "\xe0\0\0\x02\0\x03"
                                                      "abc"),
         "203.0.113.7"},
        {STR(V2("\x21", "\x11", "\0", "\x0d") V4_PAIR "\x04"), BAD},
        {STR(V2("\x21", "\x11", "\0", "\x0e") V4_PAIR "\x04\0"), BAD},
        {STR(V2("\x21", "\x11", "\0", "\x0f") V4_PAIR "\x04\0\x01"), BAD},
        {STR(V2("\x21", "\x11", "\0", "\x11") V4_PAIR "\x04\xff\xff"
                                                      "ab"),
         BAD},
        {STR(V2("\x21", "\x11", "\0", "\x13") V4_PAIR "\x03\0\x04\0\0\0\0"), BAD},
        {STR(V2("\x21", "\x11", "\0", "\x0f") V4_PAIR "\x03\0\0"), BAD},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_verdict(cases[i].text, cases[i].expected);
    }
}

static void test_unix_and_the_longest(void **state)
{
    (void)state;
    struct buf text = {0};
    buf_add(&text, V2("\x21", "\x31", "\0", "\xd8"), 16);
    for (int i = 0; i < 216; i++) {
        buf_char(&text, 'x');
    }
    assert_verdict((struct str){text.data, text.len}, NOBODY);
    buf_clear(&text);
    buf_add(&text, V2("\x21", "\x11", "\x0f", "\xf0"), 16); /* 4080 bytes */
    buf_add(&text, V4_PAIR "\x04\x0f\xe1", 15);
    while (text.len < PROXY_HEADER_MAX) {
        buf_char(&text, '\0');
    }
    assert_verdict((struct str){text.data, text.len}, "203.0.113.7");
    buf_release(&text);
}

/* The check value of CRC-32C, 0xE3069283 for "123456789", proves nothing of the header's form; this
 * one was sent by HAProxy 2.6 with `proxy-v2-options crc32c`. */
static void test_checksum(void **state)
{
    (void)state;
    char header[] = V2("\x21", "\x11", "\0", "\x13") "\x7f\0\0\x01\x7f\0\0\x01\x94\xe2\xdb\xa7"
                                                     "\x03\0\x04\xf6\x18\x47\xf3";
    size_t len = sizeof(header) - 1;
    assert_verdict((struct str){header, len}, "127.0.0.1");
    for (size_t i = 16; i < len; i++) {
        if (header[i] == 3) {
            continue; /* the type: of another extension nothing is checked */
        }
        header[i] ^= 1;
        struct proxy_header out;
        assert_int_equal(read_copy((struct str){header, len}, &out), PROXY_HEADER_BAD);
        header[i] ^= 1;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v1),
        cmocka_unit_test(test_v2),
        cmocka_unit_test(test_unix_and_the_longest),
        cmocka_unit_test(test_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
