/* SPDX-License-Identifier: PostgreSQL */
/* Answers to a handshake, whole and cut at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/http_reply.h"

#define ACCEPTED                                                                                   \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSEC-WEBSOCKET-ACCEPT:  abc= \r\n"   \
    "Sec-WebSocket-Protocol:\teyJ.x\r\n\r\n"

static void test_accepted(void **state)
{
    (void)state;
    struct http_reply reply;
    struct str text = STR(ACCEPTED "\x81\x00");
    assert_int_equal(http_reply_read(text, &reply), HTTP_REPLY_COMPLETE);
    assert_int_equal(reply.status, 101);
    assert_int_equal(reply.head_len, strlen(ACCEPTED));
    assert_true(str_equals(reply.accept, STR("abc=")));
    assert_true(str_equals(reply.protocol, STR("eyJ.x")));
    assert_null(reply.length.ptr);
    for (size_t len = 0; len < strlen(ACCEPTED); len++) {
        assert_int_equal(http_reply_read((struct str){text.ptr, len}, &reply),
                         HTTP_REPLY_INCOMPLETE);
    }
}

static void test_refused(void **state)
{
    (void)state;
    char line[16];
    struct http_reply reply;
    struct str text = STR("HTTP/1.0 404 Not Found\r\nContent-Length: 9\r\n\r\nno \x1b[m\nmore");
    assert_int_equal(http_reply_read(text, &reply), HTTP_REPLY_COMPLETE);
    assert_int_equal(reply.status, 404);
    assert_true(str_equals(reply.length, STR("9")));
    assert_null(reply.accept.ptr);
    http_reply_line((struct str){text.ptr + reply.head_len, text.len - reply.head_len}, line,
                    sizeof(line));
    assert_string_equal(line, "no ?[m");
    http_reply_line(STR("a line that is longer than there is room"), line, sizeof(line));
    assert_string_equal(line, "a line that is ");
}

static void test_bad(void **state)
{
    (void)state;
    static const char *const texts[] = {"\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n\r\n",
                                        "HTTP/1.1 1o1 x\r\n\r\n", "HTTP/1.1 10\r\n\r\n"};
    struct http_reply reply;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_int_equal(http_reply_read(str_of(texts[i]), &reply), HTTP_REPLY_BAD);
    }
    char *endless = mem_alloc(HTTP_REPLY_MAX);
    memset(endless, 'x', HTTP_REPLY_MAX);
    assert_int_equal(http_reply_read((struct str){endless, HTTP_REPLY_MAX - 1}, &reply),
                     HTTP_REPLY_INCOMPLETE);
    assert_int_equal(http_reply_read((struct str){endless, HTTP_REPLY_MAX}, &reply),
                     HTTP_REPLY_BAD);
    free(endless);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
