/* SPDX-License-Identifier: PostgreSQL */
/* A listener with the PROXY protocol: whom it takes, whom it believes, and that not one byte of the
 * client is lost between the header and what follows it, TLS or not. */
#include "harness.h"

#include "core/metrics.h"

#define FROM(address) "PROXY TCP4 " address " 127.0.0.1 4711 80\r\n"
#define LOCAL "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"
#define HEALTH "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"

static struct harness h;
static struct metrics *metrics;
static struct address_range *ranges;
static char answer[4096];

/* What that listener believes: who comes from `proxies`. */
static void start(const char *proxies, uint32_t handshake_timeout_ms)
{
    struct net_options options = harness_options();
    struct str bad;
    assert_true(address_ranges_parse(proxies, &ranges, &options.limits.n_proxies, &bad));
    metrics = metrics_new(2);
    options.limits.proxies = ranges;
    options.limits.address_sessions = options.limits.proxy_sessions = 1;
    options.proxy_protocol = options.tls_proxy_protocol = true;
    options.handshake_timeout_ms = handshake_timeout_ms;
    options.metrics = metrics;
    harness_start(&h, options);
    set_gate(&h, true, true);
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&h);
    metrics_free(metrics);
    free(ranges);
    harness_uses_tls = false;
    return 0;
}

static void wait_for(unsigned cell, uint64_t value)
{
    uint64_t until = clock_ms() + WAIT_MS;
    while (atomic_load(&metrics_block(metrics, 1)->cells[cell]) != value) {
        assert_true(clock_ms() < until);
        poll(NULL, 0, 1);
    }
}

static void ask(const char *text, size_t len, const char *expected)
{
    int fd = tcp_connect(h.port);
    client_write(fd, text, len);
    client_read_all(fd, answer, sizeof(answer));
    close(fd);
    if (strncmp(answer, expected, strlen(expected)) != 0) {
        fail_msg("%s and not %s", answer, expected);
    }
}

/* Whatever it has sent: a reset or an end, and no answer. */
static void expect_cut(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
    close(fd);
}

static void expect_refused(const char *text)
{
    int fd = tcp_connect(h.port);
    client_write_text(fd, text);
    expect_cut(fd);
}

static void test_names_are_counted(void **state)
{
    (void)state;
    static const char first[] = FROM("203.0.113.1") HANDSHAKE("/rt/canonical-1", "");
    start("127.0.0.0/8", 10000);
    int fd = tcp_connect(h.port);
    for (size_t i = 0; i < sizeof(first) - 1; i++) { /* byte by byte, each looked at alone */
        client_write(fd, first + i, 1);
        poll(NULL, 0, i % 16 == 0);
    }
    client_read_head(fd, answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 101 ", 13);
    ask(first, sizeof(first) - 1, "HTTP/1.1 429 ");
    /* Somebody else, all in one packet with his first frame. */
    static const char second[] = FROM("203.0.113.2") HANDSHAKE("/rt/canonical-1", "");
    uint8_t bytes[1024];
    memcpy(bytes, second, sizeof(second) - 1);
    size_t len = sizeof(second) - 1;
    len += client_frame(bytes + len, 0x80 | RFC6455_OPCODE_TEXT, "first", 5);
    int other = tcp_connect(h.port);
    client_write(other, bytes, len);
    client_read_head(other, answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 101 ", 13);
    expect_command(&h, COMMAND_OPEN, NULL);
    expect_command(&h, COMMAND_OPEN, NULL);
    expect_command(&h, COMMAND_MESSAGE, "first");
    close(fd);
    close(other);
}

/* Its client may write what he likes into the forwarding headers. */
static void test_headers_of_the_named_are_his_own(void **state)
{
    (void)state;
    static const char forged[] =
        FROM("203.0.113.1") HANDSHAKE("/rt/canonical-1", "X-Forwarded-For: 198.51.100.1\r\n"
                                                         "Forwarded: for=198.51.100.1\r\n");
    start("127.0.0.0/8", 10000);
    int fd = tcp_connect(h.port);
    client_write_text(fd, forged);
    client_read_head(fd, answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 101 ", 13);
    static const char again[] = FROM("203.0.113.1") HANDSHAKE("/rt/canonical-1", "");
    ask(again, sizeof(again) - 1, "HTTP/1.1 429 ");
    close(fd);
}

/* Nor are they believed where the proxy names nobody: it may pass on what a client wrote. */
static void test_headers_of_the_unnamed_are_nobodys(void **state)
{
    (void)state;
    static const char first[] =
        LOCAL HANDSHAKE("/rt/canonical-1", "X-Forwarded-For: 198.51.100.1\r\n");
    static const char second[] =
        "PROXY UNKNOWN\r\n" HANDSHAKE("/rt/canonical-1", "X-Forwarded-For: 198.51.100.2\r\n");
    start("127.0.0.0/8", 10000);
    int fd = tcp_connect(h.port);
    client_write(fd, first, sizeof(first) - 1);
    client_read_head(fd, answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 101 ", 13);
    ask(second, sizeof(second) - 1, "HTTP/1.1 429 ");
    wait_for(METRIC_REFUSALS + METRIC_REFUSAL_PROXY_SESSIONS, 1);
    close(fd);
}

/* But a proxy behind the proxy is asked for its client, as if it had come by itself. */
static void test_headers_of_a_named_proxy_count(void **state)
{
    (void)state;
    static const char *const clients[] = {"198.51.100.1", "198.51.100.2", "198.51.100.1"};
    int fds[3];
    start("127.0.0.0/8, 192.0.2.0/24", 10000);
    for (int i = 0; i < 3; i++) {
        char *text =
            mem_printf(FROM("192.0.2.1") "GET /rt/canonical-1 HTTP/1.1\r\nHost: x\r\n"
                                         "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                                         "Sec-WebSocket-Version: 13\r\nX-Forwarded-For: %s\r\n"
                                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                       clients[i]);
        fds[i] = tcp_connect(h.port);
        client_write_text(fds[i], text);
        free(text);
        client_read_head(fds[i], answer, sizeof(answer));
        assert_memory_equal(answer, i < 2 ? "HTTP/1.1 101 " : "HTTP/1.1 429 ", 13);
    }
    for (int i = 0; i < 3; i++) {
        close(fds[i]);
    }
}

static void test_health_checks(void **state)
{
    (void)state;
    start("127.0.0.0/8", 10000);
    ask(LOCAL HEALTH, sizeof(LOCAL HEALTH) - 1, "HTTP/1.1 200 ");
    ask("PROXY UNKNOWN\r\nGET /health HTTP/1.0\r\n\r\n",
        sizeof("PROXY UNKNOWN\r\nGET /health HTTP/1.0\r\n\r\n") - 1, "HTTP/1.1 200 ");
    close(tcp_connect(h.port)); /* only whether the port is open: no failure */
    wait_for(METRIC_SOCKETS, 0);
    wait_for(METRIC_ACCEPTS, 3);
    wait_for(METRIC_REFUSALS + METRIC_REFUSAL_PROXY_HEADER, 0);
}

static void test_no_header(void **state)
{
    (void)state;
    start("127.0.0.0/8", 10000);
    expect_refused(HEALTH);
    expect_refused("PROXY TCP4 203.0.113.1 127.0.0.1 4711 80\n" HEALTH);
    expect_refused("PROXY TCP5 203.0.113.1 127.0.0.1 4711 80\r\n" HEALTH);
    expect_refused("\x16\x03\x01\x02");
    wait_for(METRIC_REFUSALS + METRIC_REFUSAL_PROXY_HEADER, 4);
    int fd = tcp_connect(h.port);
    client_write_text(fd, "PROXY TCP4 203.0.113.1");
    shutdown(fd, SHUT_WR);
    expect_cut(fd);
    wait_for(METRIC_REFUSALS + METRIC_REFUSAL_PROXY_HEADER, 5);
    wait_for(METRIC_SOCKETS, 0);
}

static void test_strangers(void **state)
{
    (void)state;
    start("10.0.0.0/8", 10000);
    expect_refused(FROM("203.0.113.1") HEALTH);
    wait_for(METRIC_REFUSALS + METRIC_REFUSAL_PROXY_STRANGER, 1);
    wait_for(METRIC_SOCKETS, 0);
}

static void test_time(void **state)
{
    (void)state;
    start("127.0.0.0/8", 300);
    int silent = tcp_connect(h.port), slow = tcp_connect(h.port), late = tcp_connect(h.port);
    client_write_text(slow, "PROXY TCP4 ");
    client_write_text(late, FROM("203.0.113.1") "GET / HT");
    expect_cut(silent);
    expect_cut(slow);
    client_read_all(late, answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 408 ", 13);
    close(late);
    wait_for(METRIC_REFUSALS + METRIC_REFUSAL_TIMEOUT, 3);
}

static void test_stops_while_one_waits(void **state)
{
    (void)state;
    start("127.0.0.0/8", 10000);
    int fd = tcp_connect(h.port);
    client_write_text(fd, "PROXY TCP4 ");
    wait_for(METRIC_SOCKETS, 1);
    net_stop(h.net, 0);
    expect_cut(fd);
}

/* The header comes before TLS; what of the handshake came with it is OpenSSL's. */
static void test_tls(void **state)
{
    (void)state;
    static const char half[] = FROM("203.0.113.1");
    harness_uses_tls = true;
    start("127.0.0.0/8", 10000);
    int fd = tcp_connect(h.port);
    client_write(fd, half, 20);
    client_write(fd, half + 20, sizeof(half) - 1 - 20);
    SSL *ssl = tls_client_connect(h.tls_context, fd);
    assert_non_null(ssl);
    assert_int_equal(SSL_write(ssl, HEALTH, sizeof(HEALTH) - 1), sizeof(HEALTH) - 1);
    int n = SSL_read(ssl, answer, sizeof(answer) - 1);
    assert_true(n > 13);
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    SSL_free(ssl);
    close(fd);
    fd = tcp_connect(h.port); /* without */
    assert_null(tls_client_connect(h.tls_context, fd));
    close(fd);
    wait_for(METRIC_REFUSALS + METRIC_REFUSAL_PROXY_HEADER, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_names_are_counted, stop),
        cmocka_unit_test_teardown(test_headers_of_the_named_are_his_own, stop),
        cmocka_unit_test_teardown(test_headers_of_the_unnamed_are_nobodys, stop),
        cmocka_unit_test_teardown(test_headers_of_a_named_proxy_count, stop),
        cmocka_unit_test_teardown(test_health_checks, stop),
        cmocka_unit_test_teardown(test_no_header, stop),
        cmocka_unit_test_teardown(test_strangers, stop),
        cmocka_unit_test_teardown(test_time, stop),
        cmocka_unit_test_teardown(test_stops_while_one_waits, stop),
        cmocka_unit_test_teardown(test_tls, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
