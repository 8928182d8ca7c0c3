/* SPDX-License-Identifier: PostgreSQL */
/* Request heads, good and bad; each is read whole, byte by byte and cut in two at every place, from
 * memory that moves in between. Then the answers, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "proto/http_head.h"
#include "proto/rfc6455.h"

#define HOST "Host: example.org\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define HANDSHAKE HOST UPGRADE KEY VERSION

enum { INCOMPLETE = 1, COMPLETE = 200, UPGRADES = 101 };

/* Reads in two pieces and then the rest byte by byte. The caller frees *memory, into which the
 * head's spans point. */
static unsigned read_in_pieces(struct http_head *head, struct str text, size_t first, size_t step,
                               char **memory)
{
    *memory = NULL;
    for (size_t len = first;; len = len + step < text.len ? len + step : text.len) {
        char *moved = mem_alloc(len);
        memcpy(moved, text.ptr, len);
        enum http_head_state state = http_head_read(head, moved, len);
        free(*memory);
        *memory = moved;
        if (state == HTTP_HEAD_BAD) {
            assert_non_null(head->reason);
            assert_int_equal(http_head_read(head, moved, len), HTTP_HEAD_BAD);
            return head->status;
        }
        if (state == HTTP_HEAD_COMPLETE) {
            assert_int_equal(http_head_read(head, moved, len), HTTP_HEAD_COMPLETE);
            return head->is_upgrade ? UPGRADES : COMPLETE;
        }
        if (len == text.len)
            return INCOMPLETE;
    }
}

static unsigned outcome_of(struct str text, size_t first, size_t step)
{
    struct http_head head = {0};
    char *memory;
    unsigned outcome = read_in_pieces(&head, text, first, step, &memory);
    free(memory);
    return outcome;
}

static void assert_outcome(struct str text, unsigned expected)
{
    unsigned whole = outcome_of(text, text.len, 1);
    if (whole != expected)
        fail_msg("%u and not %u for: %.*s", whole, expected, (int)text.len, text.ptr);
    assert_int_equal(outcome_of(text, 1, 1), expected);
    for (size_t cut = 1; cut < text.len; cut++)
        assert_int_equal(outcome_of(text, cut, text.len), expected);
}

static const struct {
    const char *text;
    unsigned expected;
} cases[] = {
    {"GET / HTTP/1.1\r\n" HOST "\r\n", COMPLETE},
    {"HEAD /a?b HTTP/1.1\r\n" HOST "\r\n", COMPLETE},
    {"GET / HTTP/1.1\r\n" HOST, INCOMPLETE},
    {"GET / HTTP/1.1\r\n" HOST "\r", INCOMPLETE},
    {"GET", INCOMPLETE},
    {"GET /a|{b}?c=[d]^`%zz HTTP/1.1\r\n" HOST "\r\n", COMPLETE},
    {"GET / HTTP/1.1\r\nhOST:example.org:8080\r\n\r\n", COMPLETE},
    {"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", COMPLETE},
    {"GET / HTTP/1.1\r\n" HOST "A:\r\nB: \t x y\t \r\nC: caf\xc3\xa9\r\n\r\n", COMPLETE},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", COMPLETE},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 16384\r\n\r\n", COMPLETE},
    /* The request line. */
    {"\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {" GET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
    {"GET\t/\tHTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /a b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\r\n" HOST "\r\n", 400},
    {"GET\r\n" HOST "\r\n", 400},
    {"G@T / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http:// HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http:/// HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://example.org HTTP/1.1\r\nHost: example.org\r\n\r\n", 400},
    {"GET ws://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n", 400},
    {"GET http://example.org/ HTTP/1.1\r\nHost: example.com\r\n\r\n", 400},
    {"GET http://a@example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n", 400},
    {"GET http://example.org/a HTTP/1.1\r\nHost: Example.org\r\n\r\n", COMPLETE},
    {"GET HTTPS://[::1]:80/a?b=http://c/ HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", COMPLETE},
    {"GET /#a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\"a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\\a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /caf\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / http/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.\r\n" HOST "\r\n", 400},
    {"GET / HTTP/11\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.10\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.2\r\n" HOST "\r\n", 505},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
    {"GET / HTTP/0.1\r\n" HOST "\r\n", 505},
    {"POST / HTTP/1.1\r\n" HOST "\r\n", 405},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 405},
    {"OPTIONS / HTTP/1.1\r\n" HOST "\r\n", COMPLETE},
    {"OPTIONS / HTTP/1.1\r\n" HOST HANDSHAKE "\r\n", 400},
    {"get / HTTP/1.1\r\n" HOST "\r\n", 405},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    /* HTTP/1.0: the health check of HAProxy, nginx's proxy_pass without proxy_http_version. */
    {"GET /health HTTP/1.0\r\n\r\n", COMPLETE},
    {"HEAD /ready HTTP/1.0\r\nConnection: close\r\n" HOST "\r\n", COMPLETE},
    {"GET / HTTP/1.0\r\n" HOST "Expect: 100-continue\r\n\r\n", COMPLETE},
    {"GET http://example.org/ HTTP/1.0\r\n" HOST "\r\n", COMPLETE},
    {"GET http://example.org/ HTTP/1.0\r\n\r\n", 400},
    {"GET http:/// HTTP/1.0\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\n" HOST "host: other\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nHost:\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 411},
    {"GET / HTTP/1.0\r\nContent-Length: 16385\r\n\r\n", 413},
    {"POST / HTTP/1.0\r\n\r\n", 405},
    {"GET /rt/x HTTP/1.0\r\n" HANDSHAKE "\r\n", COMPLETE}, /* and no upgrade */
    /* Lines and characters. */
    {"GET / HTTP/1.1\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "\n", 400},
    {"GET / HTTP/1.1\r\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\rc\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\x01\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\x7f\r\n\r\n", 400},
    {"\x16\x03\x01\x02",
     400}, /* TLS on the plain port: at once, not when the handshake times out */
    {"GET / HTTP/1.1\r\n" HOST " folded\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A: b\r\n\tfolded: x\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A : b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "A b: c\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST ": b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "nothing\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "caf\xc3\xa9: b\r\n\r\n", 400},
    /* Single fields. */
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "host: other\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 411},
    {"GET / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", 411},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 411},
    {"GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n", 417},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 0\r\ncontent-length: 0\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 16385\r\n\r\n", 413},
    {"GET / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\n", 413},
    {"GET / HTTP/1.1\r\n" HOST KEY KEY "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST VERSION VERSION "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Authorization: Bearer a\r\nauthorization: Bearer a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Origin: https://a\r\nORIGIN: https://a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "Cookie: a\r\nCookie: b\r\n\r\n", COMPLETE},
    /* Handshakes. */
    {"GET /rt/x HTTP/1.1\r\n" HANDSHAKE "\r\n", UPGRADES},
    {"GET /rt/x HTTP/1.1\r\n" HANDSHAKE "Sec-WebSocket-Protocol: a.b-c_d\r\n\r\n", UPGRADES},
    {"GET /rt/x HTTP/1.1\r\n" HANDSHAKE "Sec-WebSocket-Protocol: a ,b,\tc\r\n\r\n", UPGRADES},
    {"GET / HTTP/1.1\r\n" HOST KEY VERSION
     "Upgrade: h2c, WebSocket\r\nConnection: keep-alive\r\nConnection: x,\tUPGRADE\r\n\r\n",
     UPGRADES},
    {"GET / HTTP/1.1\r\n" HOST KEY VERSION "Upgrade: websocket\r\n\r\n", COMPLETE},
    {"GET / HTTP/1.1\r\n" HOST KEY VERSION "Connection: upgrade\r\n\r\n", COMPLETE},
    {"GET / HTTP/1.1\r\n" HOST "Upgrade: h2c\r\nConnection: upgrade\r\n\r\n", COMPLETE},
    {"GET / HTTP/1.1\r\n" HOST KEY VERSION "Upgrade: websockets\r\nConnection: upgrade\r\n\r\n",
     COMPLETE},
    {"HEAD / HTTP/1.1\r\n" HANDSHAKE "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HANDSHAKE "Content-Length: 5\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST UPGRADE KEY "\r\n", 426},
    {"GET / HTTP/1.1\r\n" HOST UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426},
    {"GET / HTTP/1.1\r\n" HOST UPGRADE KEY "Sec-WebSocket-Version: 013\r\n\r\n", 426},
    {"GET / HTTP/1.1\r\n" HANDSHAKE VERSION "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST UPGRADE VERSION "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HANDSHAKE KEY "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST UPGRADE VERSION "Sec-WebSocket-Key:\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n\r\n",
     400},
    {"GET / HTTP/1.1\r\n" HOST UPGRADE VERSION
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n\r\n",
     400}, /* bits behind the sixteenth byte */
    {"GET / HTTP/1.1\r\n" HOST UPGRADE VERSION
     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j_Q==\r\n\r\n",
     400},
    {"GET / HTTP/1.1\r\n" HOST UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZZ=\r\n\r\n",
     400},
    {"GET / HTTP/1.1\r\n" HANDSHAKE "Sec-WebSocket-Protocol:\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HANDSHAKE "Sec-WebSocket-Protocol: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HANDSHAKE "Sec-WebSocket-Protocol: a,,b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HANDSHAKE "Sec-WebSocket-Protocol: a,\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HANDSHAKE "Sec-WebSocket-Protocol: a=\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HANDSHAKE
     "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b/\r\n\r\n",
     400},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_outcome(str_of(cases[i].text), cases[i].expected);
    assert_outcome(STR("GET / HTTP/1.1\r\n" HOST "A: \0\r\n\r\n"), 400);
}

static void assert_span(struct str span, const char *expected)
{
    assert_non_null(span.ptr);
    assert_int_equal(span.len, strlen(expected));
    assert_memory_equal(span.ptr, expected, span.len);
}

static void test_parts(void **state)
{
    (void)state;
    static const char text[] =
        "GET /rt/abc?x=1?2 HTTP/1.1\r\n" HANDSHAKE
        "X-Empty:   \r\nx-twice: one\r\nX-Twice: two\r\nContent-Length: 0\r\n"
        "Sec-WebSocket-Protocol: first , second\r\n\r\nthe rest";
    for (size_t step = 1; step < sizeof text; step += 7) {
        struct http_head head = {0};
        char *memory;
        assert_int_equal(read_in_pieces(&head, STR(text), 1, step, &memory), UPGRADES);
        assert_span(head.method, "GET");
        assert_span(head.path, "/rt/abc");
        assert_span(head.query, "x=1?2");
        assert_span(head.key, "dGhlIHNhbXBsZSBub25jZQ==");
        assert_span(head.protocol, "first");
        assert_span(http_head_field(&head, "HOST"), "example.org");
        assert_span(http_head_field(&head, "x-empty"), "");
        assert_span(http_head_field(&head, "X-Twice"), "one");
        assert_null(http_head_field(&head, "x-twic").ptr);
        assert_int_equal(head.line, strlen(text) - strlen("the rest"));
        free(memory);
    }
}

static void test_absent_parts(void **state)
{
    (void)state;
    static const char text[] = "HEAD / HTTP/1.1\r\n" HOST "Content-Length: 12\r\n\r\n";
    struct http_head head = {0};
    assert_int_equal(http_head_read(&head, text, sizeof text - 1), HTTP_HEAD_COMPLETE);
    assert_span(head.path, "/");
    assert_null(head.query.ptr);
    assert_null(head.key.ptr);
    assert_null(head.protocol.ptr);
    assert_int_equal(head.content_length, 12);
    head = (struct http_head){0};
    static const char empty_query[] = "GET /? HTTP/1.1\r\n" HOST "\r\n";
    assert_int_equal(http_head_read(&head, empty_query, sizeof empty_query - 1),
                     HTTP_HEAD_COMPLETE);
    assert_span(head.query, "");
}

static void add_many(struct buf *buf, char c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_char(buf, c);
}

static unsigned outcome_of_buf(struct buf *buf)
{
    struct str text = {buf->data, buf->len};
    unsigned outcome = outcome_of(text, text.len, 1);
    assert_int_equal(outcome_of(text, 1, 1000), outcome);
    return outcome;
}

static void test_limits(void **state)
{
    (void)state;
    for (size_t over = 0; over <= 1; over++) {
        struct buf buf = {0};
        buf_literal(&buf, "GET /");
        add_many(&buf, 'a', HTTP_HEAD_LINE_MAX - strlen("GET / HTTP/1.1\r\n") + over * 2);
        buf_literal(&buf, " HTTP/1.1\r\n" HOST "\r\n");
        assert_int_equal(outcome_of_buf(&buf), over == 0 ? COMPLETE : 414);
        buf_clear(&buf);

        buf_literal(&buf, "GET / HTTP/1.1\r\n" HOST "A: ");
        add_many(&buf, 'a', HTTP_HEAD_MAX - buf.len - strlen("\r\n\r\n") + over);
        buf_literal(&buf, "\r\n\r\n");
        assert_int_equal(outcome_of_buf(&buf), over == 0 ? COMPLETE : 431);
        buf_clear(&buf);

        buf_literal(&buf, "GET / HTTP/1.1\r\n" HOST);
        for (size_t i = 1; i < HTTP_HEAD_FIELDS_MAX + over; i++)
            buf_literal(&buf, "A: b\r\n");
        buf_literal(&buf, "\r\n");
        assert_int_equal(outcome_of_buf(&buf), over == 0 ? COMPLETE : 431);
        buf_release(&buf);
    }
}

/* What follows the head is not counted, and a head that never ends is. */
static void test_limit_is_of_the_head(void **state)
{
    (void)state;
    struct buf buf = {0};
    buf_literal(&buf, "GET / HTTP/1.1\r\n" HOST "\r\n");
    add_many(&buf, '\0', 2 * HTTP_HEAD_MAX);
    assert_int_equal(outcome_of_buf(&buf), COMPLETE);
    buf_clear(&buf);
    add_many(&buf, 'a', HTTP_HEAD_LINE_MAX);
    assert_int_equal(outcome_of_buf(&buf), INCOMPLETE);
    buf_char(&buf, 'a');
    assert_int_equal(outcome_of_buf(&buf), 414);
    buf_release(&buf);
}

/* The token of a signed-in client is the subprotocol: 4 KiB must come back byte for byte. */
static void accept_it(struct buf *answer, const struct http_head *head)
{
    struct rfc6455_hash *hash = rfc6455_hash_new();
    http_accept(answer, head, hash);
    rfc6455_hash_free(hash);
}

static void test_long_token_is_echoed(void **state)
{
    (void)state;
    struct buf text = {0}, answer = {0}, expected = {0};
    buf_literal(&text, "GET /rt/x HTTP/1.1\r\n" HANDSHAKE "Sec-WebSocket-Protocol: ");
    buf_literal(&expected, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\n"
                           "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                           "Sec-WebSocket-Protocol: ");
    for (size_t i = 0; i < 4096; i++) {
        char c = "ABCxyz019-_."[i % 12];
        buf_char(&text, c);
        buf_char(&expected, c);
    }
    buf_literal(&text, "\r\n\r\n");
    buf_literal(&expected, "\r\n\r\n");
    struct http_head head = {0};
    assert_int_equal(http_head_read(&head, text.data, text.len), HTTP_HEAD_COMPLETE);
    accept_it(&answer, &head);
    assert_string_equal(buf_text(&answer), buf_text(&expected));
    buf_release(&text);
    buf_release(&answer);
    buf_release(&expected);
}

static void test_accept_without_protocol(void **state)
{
    (void)state;
    static const char text[] = "GET /rt/x HTTP/1.1\r\n" HANDSHAKE "\r\n";
    struct http_head head = {0};
    struct buf answer = {0};
    assert_int_equal(http_head_read(&head, text, sizeof text - 1), HTTP_HEAD_COMPLETE);
    accept_it(&answer, &head);
    assert_string_equal(buf_text(&answer),
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
    buf_release(&answer);
}

static void test_answers(void **state)
{
    (void)state;
    struct buf out = {0};
    http_answer(&out, &(struct http_answer){.status = 404, .body = STR("no\n")});
    assert_string_equal(buf_text(&out),
                        "HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\n"
                        "Content-Length: 3\r\nConnection: close\r\n"
                        "X-Content-Type-Options: nosniff\r\n\r\nno\n");
    buf_clear(&out);
    http_answer(&out, &(struct http_answer){
                          .status = 503,
                          .content_type = "application/json",
                          .extra_headers = "Retry-After: 1\r\n",
                          .body = STR("{}"),
                          .is_head = true,
                      });
    assert_string_equal(buf_text(&out),
                        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
                        "Content-Length: 2\r\nConnection: close\r\n"
                        "X-Content-Type-Options: nosniff\r\nRetry-After: 1\r\n\r\n");
    buf_release(&out);
}

static void test_answers_to_bad_heads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *start;
        const char *line;
    } table[] = {
        {"POST / HTTP/1.1\r\n", "HTTP/1.1 405 Method Not Allowed\r\n", "\r\nAllow: GET, HEAD\r\n"},
        {"GET / HTTP/1.1\r\n" HOST UPGRADE KEY "\r\n", "HTTP/1.1 426 Upgrade Required\r\n",
         "\r\nSec-WebSocket-Version: 13\r\n"},
        {"GET / HTTP/9.9\r\n", "HTTP/1.1 505 HTTP Version Not Supported\r\n",
         "\r\nConnection: close\r\n"},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n",
         "\r\n\r\nexactly one valid Host header is needed\n"},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct http_head head = {0};
        struct buf out = {0};
        assert_int_equal(http_head_read(&head, table[i].text, strlen(table[i].text)),
                         HTTP_HEAD_BAD);
        http_answer_bad(&out, &head);
        assert_ptr_equal(strstr(buf_text(&out), table[i].start), out.data);
        assert_non_null(strstr(out.data, table[i].line));
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_absent_parts),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_limit_is_of_the_head),
        cmocka_unit_test(test_long_token_is_echoed),
        cmocka_unit_test(test_accept_without_protocol),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_answers_to_bad_heads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
