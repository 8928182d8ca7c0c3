/* SPDX-License-Identifier: PostgreSQL */
/* Ports, time limits, running out of descriptors, stopping. */
#include "harness.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

static struct harness h;

static void expect_refusal(const char *listen, enum exit_code code, const char *words)
{
    struct err err = {0};
    struct net *net = NULL;
    struct net_options options = harness_options();
    options.listen = listen;
    options.n_workers = 2;
    assert_int_equal(net_new(&options, &net, &err), STATUS_FAILED);
    assert_null(net);
    assert_int_equal(err.code, code);
    if (!strstr(err.text, words)) {
        fail_msg("not a clear sentence: %s", err.text);
    }
}

static void test_bad_addresses(void **state)
{
    (void)state;
    expect_refusal("8080", EXIT_CODE_CONFIG, "numeric address");
    expect_refusal("localhost:8080", EXIT_CODE_CONFIG, "numeric address");
    expect_refusal("127.0.0.1:65536", EXIT_CODE_CONFIG, "numeric address");
    expect_refusal("127.0.0.1:", EXIT_CODE_CONFIG, "numeric address");
    expect_refusal("::1:8080", EXIT_CODE_CONFIG, "numeric address");
    expect_refusal("[::1]", EXIT_CODE_CONFIG, "numeric address");
    expect_refusal("", EXIT_CODE_CONFIG, "numeric address");
    expect_refusal("203.0.113.7:8080", EXIT_CODE_CONFIG, "does not have that address");
}

static void test_a_port_in_use(void **state)
{
    (void)state;
    char listen[64];
    harness_start(&h, harness_options());
    snprintf(listen, sizeof(listen), "127.0.0.1:%u", h.port);
    expect_refusal(listen, EXIT_CODE_PORT, "in use"); /* although that one shares its port */
    harness_stop(&h);
    struct net_options options = harness_options(); /* free again, in spite of TIME_WAIT */
    options.listen = listen;
    harness_start(&h, options);
    harness_stop(&h);
}

static void test_never_started(void **state)
{
    (void)state;
    struct err err;
    struct net *net;
    struct net_options options = harness_options();
    options.n_workers = 3;
    assert_int_equal(net_new(&options, &net, &err), STATUS_OK);
    struct transport transport = net_transport(net);
    struct frame *frame = text_frame("x", 1, 0);
    transport.publish(transport.ctx, 2, 1, frame);
    transport.flush(transport.ctx);
    transport.publish(transport.ctx, 1, 1, frame);
    frame_unref(frame);
    net_free(net);
}

static void test_ipv6(void **state)
{
    (void)state;
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        /* No IPv6 on this machine: then the refusal must say so. */
        expect_refusal("[::1]:0", EXIT_CODE_CONFIG, "does not have that address");
        return;
    }
    close(fd);
    char answer[1024], prefix[] = "http://[::1]:";
    struct net_options options = harness_options();
    options.listen = "[::1]:0";
    harness_start(&h, options);
    assert_memory_equal(net_url(h.net), prefix, strlen(prefix));
    fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin6_port = htons(h.port);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    client_write_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    client_read_all(fd, answer, sizeof(answer));
    assert_non_null(strstr(answer, "200 OK"));
    close(fd);
    harness_stop(&h);
}

static void test_time_limits(void **state)
{
    (void)state;
    char answer[1024], payload[128];
    size_t len;
    struct session_id session;
    struct net_options options = harness_options();
    options.handshake_timeout_ms = 300;
    options.ping_interval_ms = 200;
    options.ping_misses = 2;
    harness_start(&h, options);
    set_gate(&h, true, true);
    int silent = client_connect(&h), slow = client_connect(&h);
    client_write_text(slow, "GET /health HT");
    client_expect_end(silent);
    client_read_all(slow, answer, sizeof(answer));
    assert_memory_equal(answer, "HTTP/1.1 408 ", 13);
    close(slow);

    /* Two pings, then the end without a close frame. One that answers stays. */
    int dead = client_open(&h, &session), alive = client_open(&h, &session);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(client_read_frame(alive, payload, sizeof(payload), &len), 0x89);
        client_send_frame(alive, 0x8A, payload, len);
    }
    assert_int_equal(client_read_frame(dead, payload, sizeof(payload), &len), 0x89);
    assert_int_equal(client_read_frame(dead, payload, sizeof(payload), &len), 0x89);
    client_expect_end(dead);
    expect_command(&h, COMMAND_CLOSE, NULL);
    assert_null(next_command(&h, 0));
    close(alive);
    expect_command(&h, COMMAND_CLOSE, NULL);
    harness_stop(&h);
}

/* With no descriptor left: connections are turned away, the worker does not spin, sessions live on,
 * and when there is room again all is well. */
static void test_out_of_descriptors(void **state)
{
    (void)state;
    enum { CONNECTIONS = 20 };
    struct session_id session;
    struct rlimit before, tight;
    char head[1024];
    int fds[CONNECTIONS], fillers[4096], n_fillers = 0;
    harness_start(&h, harness_options());
    set_gate(&h, true, true);
    int survivor = client_open(&h, &session);
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    int highest = dup(0);
    close(highest);
    getrlimit(RLIMIT_NOFILE, &before);
    tight = before;
    tight.rlim_cur = (rlim_t)highest + 50;
    setrlimit(RLIMIT_NOFILE, &tight);
    while ((fillers[n_fillers] = dup(0)) >= 0) {
        n_fillers++;
    }
    struct timespec cpu_before, cpu_after;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_before);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(h.port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < CONNECTIONS; i++) { /* each stays open: closing one would make room */
        assert_int_equal(connect(fds[i], (const struct sockaddr *)&address, sizeof(address)), 0);
        assert_true(recv(fds[i], head, sizeof(head), 0) > 0);
        assert_memory_equal(head, "HTTP/1.1 503 ", 13);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_after);
    send_text(&h, session, "still here");
    flush(&h);
    client_expect_text(survivor, "still here");
    assert_true(cpu_after.tv_sec - cpu_before.tv_sec < 2);
    while (n_fillers > 0) {
        close(fillers[--n_fillers]);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        close(fds[i]);
    }
    setrlimit(RLIMIT_NOFILE, &before);
    int fd = client_open(&h, &session);
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
    close(survivor);
    expect_command(&h, COMMAND_CLOSE, NULL);
    harness_stop(&h);
}

/* Connections that say nothing are bounded too: above, they are turned away unread. */
static void test_too_many_connections(void **state)
{
    (void)state;
    enum { CONNECTIONS = 1100 }; /* max_sessions + 1024 would fit, were it not for descriptors */
    struct rlimit before, wide;
    struct session_id session;
    struct net_options options = harness_options();
    static int fds[CONNECTIONS];
    char head[1024];
    options.max_sessions = 2;
    getrlimit(RLIMIT_NOFILE, &before);
    harness_start(&h, options);
    set_gate(&h, true, true);
    int survivor = client_open(&h, &session);
    wide = before;
    wide.rlim_cur = before.rlim_max; /* after libwebsockets has made its tables */
    setrlimit(RLIMIT_NOFILE, &wide);
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = client_connect(&h);
    }
    client_read(fds[CONNECTIONS - 1], head, 13);
    assert_memory_equal(head, "HTTP/1.1 503 ", 13);
    for (int i = 0; i < CONNECTIONS; i++) {
        close(fds[i]);
    }
    send_text(&h, session, "still here");
    flush(&h);
    client_expect_text(survivor, "still here");
    close(survivor);
    expect_command(&h, COMMAND_CLOSE, NULL);
    harness_stop(&h);
    setrlimit(RLIMIT_NOFILE, &before);
}

/* What is set on the listening socket must hold for what it accepts. */
static void test_socket_options(void **state)
{
    (void)state;
    struct session_id session;
    struct sockaddr_in own, peer;
    int value, found = -1;
    harness_start(&h, harness_options());
    set_gate(&h, true, true);
    int fd = client_open(&h, &session);
    socklen_t len = sizeof(own);
    getsockname(fd, (struct sockaddr *)&own, &len);
    for (int other = 0; other < 1024 && found < 0; other++) { /* the server's end is here too */
        len = sizeof(peer);
        if (other != fd && getpeername(other, (struct sockaddr *)&peer, &len) == 0 &&
            peer.sin_family == AF_INET && peer.sin_port == own.sin_port) {
            found = other;
        }
    }
    assert_true(found >= 0);
    len = sizeof(value);
    assert_int_equal(getsockopt(found, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    assert_int_equal(value, 1);
    assert_int_equal(getsockopt(found, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, &len), 0);
    assert_int_equal(value, 20000);
    assert_int_equal(getsockopt(found, SOL_SOCKET, SO_SNDBUF, &value, &len), 0);
    assert_int_equal(value, 256 * 1024); /* the kernel doubles */
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
    harness_stop(&h);
}

static void *answer_close(void *arg)
{
    int fd = *(int *)arg;
    client_expect_close(fd, 1012, "the server is stopping");
    client_send_close(fd, 1012);
    client_expect_end(fd);
    return NULL;
}

static void test_stopping(void **state)
{
    (void)state;
    enum { N = 20 };
    int fds[N];
    pthread_t threads[N];
    struct session_id session;
    struct net_options options = harness_options();
    options.n_workers = 2;
    harness_start(&h, options);
    set_gate(&h, true, true);
    int idle = client_connect(&h); /* a browser's spare connection must not hold the stop up */
    for (int i = 0; i < N; i++) {
        fds[i] = client_open(&h, &session);
        pthread_create(&threads[i], NULL, answer_close, &fds[i]);
    }
    uint64_t begin = clock_ms();
    net_stop(h.net, 200);
    assert_true(clock_ms() - begin < 3000);
    for (int i = 0; i < N; i++) {
        pthread_join(threads[i], NULL);
        expect_command(&h, COMMAND_CLOSE, NULL);
    }
    client_expect_end(idle);
    publish_text(&h, 0, 1, "nobody is there", 0);
    flush(&h);
    publish_text(&h, 1, 1, "nobody is there", 0);
    net_free(h.net);
    assert_null(next_command(&h, 0));
}

/* Clients that do not answer the close frame hold the stop up for five seconds and not longer. */
static void test_stopping_with_dead_clients(void **state)
{
    (void)state;
    struct session_id session;
    harness_start(&h, harness_options());
    set_gate(&h, true, true);
    int fd = client_open(&h, &session);
    uint64_t begin = clock_ms();
    net_stop(h.net, 0);
    assert_true(clock_ms() - begin < 5500);
    expect_command(&h, COMMAND_CLOSE, NULL);
    net_free(h.net);
    close(fd);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_a_port_in_use),
        cmocka_unit_test(test_never_started),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_time_limits),
        cmocka_unit_test(test_out_of_descriptors),
        cmocka_unit_test(test_too_many_connections),
        cmocka_unit_test(test_socket_options),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_stopping_with_dead_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
