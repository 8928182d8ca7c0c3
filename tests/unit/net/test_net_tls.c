/* SPDX-License-Identifier: PostgreSQL */
/* What is TLS alone: handshakes and their limits, tickets, ends, and clients that speak to the
 * wrong port. (Sessions and flow over TLS: test_net_session, test_net_flow.) */
#include "harness.h"

#include <sys/resource.h>
#include <time.h>

static struct harness h;
static char answer[4096];

static int start(void **state)
{
    (void)state;
    harness_uses_tls = true;
    harness_start(&h, harness_options());
    set_gate(&h, true, true);
    return 0;
}

static int start_workers(void **state)
{
    (void)state;
    struct net_options options = harness_options();
    options.n_workers = 2;
    harness_uses_tls = true;
    harness_start(&h, options);
    set_gate(&h, true, true);
    return 0;
}

static int start_impatient(void **state)
{
    (void)state;
    struct net_options options = harness_options();
    options.handshake_timeout_ms = 300;
    harness_uses_tls = true;
    harness_start(&h, options);
    set_gate(&h, true, true);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&h);
    return 0;
}

/* ---- clients without a bridge ---- */

/* Asks for /health and reads until close_notify; nothing else may end it. Returns the bytes. */
static size_t ask_health(SSL *ssl)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    size_t len = 0;
    int n;
    assert_int_equal(SSL_write(ssl, request, sizeof(request) - 1), sizeof(request) - 1);
    while ((n = SSL_read(ssl, answer + len, (int)(sizeof(answer) - 1 - len))) > 0) {
        len += (size_t)n;
    }
    assert_int_equal(SSL_get_error(ssl, n), SSL_ERROR_ZERO_RETURN);
    answer[len] = '\0';
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    return len;
}

static uint64_t cpu_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- handshakes ---- */

static void check_version(int version, const char *ciphers, const char *expected)
{
    SSL_CTX *context = tls_client_context();
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, version);
    SSL_CTX_set_max_proto_version(context, version);
    if (ciphers) {
        SSL_CTX_set_cipher_list(context, ciphers);
    }
    struct dialled dialled = dial(&h, context);
    if (!expected) {
        assert_null(dialled.ssl);
    } else {
        const unsigned char *alpn;
        unsigned alpn_len;
        assert_non_null(dialled.ssl);
        assert_string_equal(SSL_get_version(dialled.ssl), expected);
        SSL_get0_alpn_selected(dialled.ssl, &alpn, &alpn_len);
        assert_int_equal(alpn_len, 8);
        assert_memory_equal(alpn, "http/1.1", 8);
        ask_health(dialled.ssl);
    }
    hang_up(dialled);
    SSL_CTX_free(context);
}

static void test_versions(void **state)
{
    (void)state;
    check_version(TLS1_3_VERSION, NULL, "TLSv1.3");
    check_version(TLS1_2_VERSION, NULL, "TLSv1.2");
    check_version(TLS1_1_VERSION, NULL, NULL);
    check_version(TLS1_VERSION, NULL, NULL);
    check_version(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2");
    check_version(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", NULL); /* no CBC */
}

static void test_other_protocols_are_not_agreed_on(void **state)
{
    (void)state;
    static const unsigned char h2[] = "\x02h2";
    const unsigned char *alpn;
    unsigned alpn_len;
    int fd = tcp_connect(h.port);
    SSL *ssl = SSL_new(h.tls_context);
    SSL_set_alpn_protos(ssl, h2, sizeof(h2) - 1);
    SSL_set_tlsext_host_name(ssl,
                             "default"); /* a name that libwebsockets gives to things of its own */
    SSL_set_fd(ssl, fd);
    assert_int_equal(SSL_connect(ssl), 1);
    SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
    assert_int_equal(alpn_len, 0);
    ask_health(ssl);
    hang_up((struct dialled){ssl, fd});
}

static void test_urls(void **state)
{
    (void)state;
    assert_memory_equal(net_url(h.net), "http://127.0.0.1:", 17);
    assert_memory_equal(net_tls_url(h.net), "https://127.0.0.1:", 18);
    int fd = tcp_connect(port_of(net_url(h.net))); /* the plain port is there too */
    client_write_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    client_read_all(fd, answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    close(fd);
}

/* Both ends of a session are told, so that nobody can cut one and let it look like an end. */
static void test_ends_are_told(void **state)
{
    (void)state;
    struct session_id session;
    int fd = client_open(&h, &session);
    client_send_close(fd, 1000);
    client_expect_close(fd, 1000, "");
    client_expect_end(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
    assert_true(atomic_load(&h.bridges[0]->saw_end));

    fd = client_open(&h, &session);
    h.transport.close(h.transport.ctx, session, 1012, "restart");
    flush(&h);
    client_expect_close(fd, 1012, "restart");
    client_send_close(fd, 1012);
    client_expect_end(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
    assert_true(atomic_load(&h.bridges[1]->saw_end));
}

/* New keys in the middle of a session: the server must answer with its own. */
static void test_key_updates(void **state)
{
    (void)state;
    char head[1024];
    struct dialled dialled = dial(&h, h.tls_context);
    assert_non_null(dialled.ssl);
    assert_int_equal(SSL_key_update(dialled.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    struct tls_bridge *bridge = mem_alloc(sizeof(*bridge));
    h.bridges[h.n_bridges++] = bridge;
    int fd = tls_bridge_start(bridge, dialled.ssl, dialled.fd);
    limit_waits(fd);
    client_write_text(fd, HANDSHAKE("/rt/canonical-1", ""));
    client_read_head(fd, head, sizeof(head));
    struct session_id session = expect_command(&h, COMMAND_OPEN, NULL);
    send_text(&h, session, "with new keys");
    flush(&h);
    client_expect_text(fd, "with new keys");
    client_send_text(fd, "so are mine");
    expect_command(&h, COMMAND_MESSAGE, "so are mine");
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

/* ---- limits ---- */

static void expect_cut(int fd)
{
    char byte;
    assert_true(recv(fd, &byte, 1, 0) <= 0 && errno != EAGAIN);
    close(fd);
}

static void test_time_limits(void **state)
{
    (void)state;
    static const char half_hello[] = "\x16\x03\x01\x01\x00\x01\x00\x00";
    static const char half_head[] = "GET /health HT";
    int silent = tcp_connect(h.port), half = tcp_connect(h.port);
    client_write(half, half_hello, sizeof(half_hello) - 1);
    struct dialled quiet = dial(&h, h.tls_context), slow = dial(&h, h.tls_context);
    assert_non_null(quiet.ssl);
    assert_non_null(slow.ssl);
    assert_int_equal(SSL_write(slow.ssl, half_head, sizeof(half_head) - 1), sizeof(half_head) - 1);
    assert_true(SSL_read(slow.ssl, answer, sizeof(answer)) > 13);
    assert_memory_equal(answer, "HTTP/1.1 408 ", 13);
    assert_true(SSL_read(quiet.ssl, answer, sizeof(answer)) <= 0);
    expect_cut(silent);
    expect_cut(half);
    hang_up(quiet);
    hang_up(slow);
}

/* Neither a handshake that waits nor a session does anything. */
static void test_waiting_costs_nothing(void **state)
{
    (void)state;
    struct session_id session;
    static char big[1 << 19];
    memset(big, 'b', sizeof(big));
    int half = tcp_connect(h.port), idle = client_open(&h, &session);
    client_write(half, "\x16\x03\x01\x01\x00\x01", 6);
    int blocked = client_open(&h, &session); /* with data under way that it does not read */
    for (int i = 0; i < 8; i++) {
        struct frame *frame = text_frame(big, sizeof(big), 0);
        h.transport.send(h.transport.ctx, session, frame);
        frame_unref(frame);
    }
    flush(&h);
    client_send_text(blocked, "unread for now");
    poll(NULL, 0, 300);
    uint64_t before = cpu_ms();
    poll(NULL, 0, 500);
    assert_true(cpu_ms() - before < 100);
    close(half);
    close(idle);
    close(blocked);
}

static void test_out_of_descriptors(void **state)
{
    (void)state;
    struct rlimit before, tight;
    struct session_id session;
    int fillers[4096], n_fillers = 0;
    int survivor = client_open(&h, &session);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    getrlimit(RLIMIT_NOFILE, &before);
    tight = before;
    tight.rlim_cur = (rlim_t)fd + 50;
    setrlimit(RLIMIT_NOFILE, &tight);
    while ((fillers[n_fillers] = dup(0)) >= 0) {
        n_fillers++;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(h.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    limit_waits(fd);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    expect_cut(fd); /* without a word */
    send_text(&h, session, "still here");
    flush(&h);
    client_expect_text(survivor, "still here");
    while (n_fillers > 0) {
        close(fillers[--n_fillers]);
    }
    setrlimit(RLIMIT_NOFILE, &before);
    fd = client_open(&h, &session);
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
    close(survivor);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

/* ---- the wrong port ---- */

static void test_plain_bytes_to_the_tls_port(void **state)
{
    (void)state;
    static const char *const starts[] = {
        "GET /health HTTP/1.1\r\nHost: x\r\n\r\n",
        HANDSHAKE("/rt/canonical-1", ""),
        "\x16\x03\x01\xff\xff garbage",
        "\x80\x80\x01",
        "\r\n\r\n\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        int fd = tcp_connect(h.port);
        client_write_text(fd, starts[i]);
        shutdown(fd, SHUT_WR);
        ssize_t n = recv(fd, answer, sizeof(answer) - 1, 0);
        assert_true(n <= 0 || (n == 7 && answer[0] == 21)); /* an alert at most */
        close(fd);
    }
    assert_null(next_command(&h, 0));
    struct session_id session;
    close(client_open(&h, &session));
    expect_command(&h, COMMAND_CLOSE, NULL);
}

static void test_tls_to_the_plain_port(void **state)
{
    (void)state;
    struct dialled dialled = {.fd = tcp_connect(port_of(net_url(h.net)))};
    dialled.ssl = tls_client_connect(h.tls_context, dialled.fd);
    assert_null(dialled.ssl);
    hang_up(dialled);
    dialled = dial(&h, h.tls_context);
    ask_health(dialled.ssl);
    hang_up(dialled);
}

/* ---- many ---- */

static void test_many_sessions(void **state)
{
    (void)state;
    enum { N = 60 };
    struct session_id sessions[N];
    int fds[N], on_first = 0;
    char text[32];
    for (int i = 0; i < N; i++) {
        fds[i] = client_open(&h, &sessions[i]);
        on_first += sessions[i].worker == 0;
        h.transport.attach(h.transport.ctx, sessions[i], 1, false);
    }
    assert_true(on_first > 0 && on_first < N);
    for (uint32_t worker = 0; worker < 2; worker++) {
        publish_text(&h, worker, 1, "to all", 0);
    }
    flush(&h);
    for (int i = 0; i < N; i++) {
        client_expect_text(fds[i], "to all");
        snprintf(text, sizeof(text), "from %d", i);
        client_send_text(fds[i], text);
        struct session_id from = expect_command(&h, COMMAND_MESSAGE, text);
        assert_memory_equal(&from, &sessions[i], sizeof(from));
    }
    for (int i = 0; i < N; i++) {
        close(fds[i]);
        expect_command(&h, COMMAND_CLOSE, NULL);
    }
}

/* ---- tickets ---- */

/* A client comes back to whichever worker, with what another gave it. */
static void check_tickets(int version)
{
    struct err err;
    SSL_CTX *context = tls_client_context();
    SSL_CTX_set_max_proto_version(context, version);
    struct dialled dialled = dial(&h, context);
    assert_int_equal(SSL_session_reused(dialled.ssl), 0);
    ask_health(dialled.ssl); /* with TLS 1.3 the ticket comes after the handshake */
    SSL_SESSION *session = SSL_get1_session(dialled.ssl);
    hang_up(dialled);
    for (int i = 0; i < 16; i++) {
        int fd = tcp_connect(h.port);
        SSL *ssl = SSL_new(context);
        SSL_set_session(ssl, session);
        SSL_set_fd(ssl, fd);
        assert_int_equal(SSL_connect(ssl), 1);
        assert_int_equal(SSL_session_reused(ssl), 1);
        ask_health(ssl);
        SSL_SESSION_free(session);
        session = SSL_get1_session(ssl);
        hang_up((struct dialled){ssl, fd});
        if (i == 8) {
            /* The certificate is another matter. */
            assert_int_equal(net_reload_tls(h.net, &err), STATUS_OK);
        }
    }
    SSL_SESSION_free(session);
    SSL_CTX_free(context);
}

static void test_tickets(void **state)
{
    (void)state;
    check_tickets(TLS1_3_VERSION);
    check_tickets(TLS1_2_VERSION);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_versions, start, stop),
        cmocka_unit_test_setup_teardown(test_other_protocols_are_not_agreed_on, start, stop),
        cmocka_unit_test_setup_teardown(test_urls, start, stop),
        cmocka_unit_test_setup_teardown(test_ends_are_told, start, stop),
        cmocka_unit_test_setup_teardown(test_key_updates, start, stop),
        cmocka_unit_test_setup_teardown(test_time_limits, start_impatient, stop),
        cmocka_unit_test_setup_teardown(test_waiting_costs_nothing, start, stop),
        cmocka_unit_test_setup_teardown(test_out_of_descriptors, start, stop),
        cmocka_unit_test_setup_teardown(test_plain_bytes_to_the_tls_port, start, stop),
        cmocka_unit_test_setup_teardown(test_tls_to_the_plain_port, start, stop),
        cmocka_unit_test_setup_teardown(test_many_sessions, start_workers, stop),
        cmocka_unit_test_setup_teardown(test_tickets, start_workers, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
