/* SPDX-License-Identifier: PostgreSQL */
/* Limits of sessions and of what they can make the server keep, with a hub that is as slow as the
 * test wants. */
#include "harness.h"

#include "core/metrics.h"

static struct harness h;
static struct metrics *metrics;

static void start(struct net_limits limits)
{
    struct net_options options = harness_options();
    metrics = metrics_new(2);
    options.limits = limits;
    options.metrics = metrics;
    harness_start(&h, options);
    set_gate(&h, true, true);
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&h);
    metrics_free(metrics);
    return 0;
}

static uint64_t counted(unsigned cell)
{
    return atomic_load(&metrics_block(metrics, 1)->cells[cell]);
}

static uint64_t limit_hits(unsigned limit)
{
    return counted(METRIC_LIMITS + limit);
}

static void wait_for(unsigned cell, uint64_t at_least)
{
    uint64_t until = clock_ms() + WAIT_MS;
    while (counted(cell) < at_least) {
        assert_true(clock_ms() < until);
        poll(NULL, 0, 1);
    }
}

/* ---- rates ---- */

static void test_too_many_messages(void **state)
{
    (void)state;
    struct session_id session;
    start((struct net_limits){.messages = {.n = 1, .period_ms = 60000, .burst = 3}});
    int fd = client_open(&h, &session);
    for (int i = 0; i < 3; i++) {
        client_send_text(fd, "x");
        expect_command(&h, COMMAND_MESSAGE, "x");
    }
    client_send_text(fd, "y");
    client_expect_text(fd, "error rate_limited ");
    for (int i = 0; i < 20; i++) {
        client_send_text(fd, "y");
    }
    for (int i = 0; i < 20; i++) {
        client_expect_text(fd, "error rate_limited ");
    }
    client_expect_close(fd, 1008, "too many messages");
    assert_int_equal(limit_hits(METRIC_LIMIT_SESSION_MESSAGES), 21);
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL); /* nothing that was refused has reached the hub */
}

static void test_too_many_bytes(void **state)
{
    (void)state;
    struct session_id session;
    char text[1001];
    memset(text, 'b', sizeof(text) - 1);
    text[1000] = '\0';
    start((struct net_limits){.bytes = {.n = 1, .period_ms = 60000, .burst = 2500}});
    int fd = client_open(&h, &session);
    for (int i = 0; i < 2; i++) {
        client_send_text(fd, text);
        expect_command(&h, COMMAND_MESSAGE, text);
    }
    client_send_text(fd, text);
    client_expect_text(fd, "error rate_limited Too many bytes.");
    client_send_text(fd, "a short one fits");
    expect_command(&h, COMMAND_MESSAGE, "a short one fits");
    assert_int_equal(limit_hits(METRIC_LIMIT_SESSION_BYTES), 1);
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

/* ---- what is kept ---- */

enum { CLIENTS = 8, FRAMES = 400, FRAME_BYTES = 8192 };

static void *flood(void *arg)
{
    static char payload[FRAME_BYTES];
    const int *fd = arg;
    for (int i = 0; i < FRAMES; i++) {
        client_send_frame(*fd, 0x80 | RFC6455_OPCODE_TEXT, payload, sizeof(payload));
    }
    return NULL;
}

/* How many bytes of commands wait for the hub, once no more come. */
static size_t waiting_bytes(void)
{
    size_t before = SIZE_MAX, bytes = 0;
    while (before != bytes) {
        before = bytes;
        bytes = 0;
        poll(NULL, 0, 300);
        pthread_mutex_lock(&h.lock);
        for (const struct command *command = h.first; command; command = command->next) {
            bytes += command_bytes(command);
        }
        pthread_mutex_unlock(&h.lock);
    }
    return bytes;
}

/* What waits for a hub that takes nothing stays bounded, however much clients send; and all of it
 * arrives once the hub goes on. */
static void test_a_slow_hub_stops_the_reading(void **state)
{
    (void)state;
    enum { MOST = 256 * 1024, ONE_READ_EACH = CLIENTS * (16384 + FRAME_BYTES) };
    int fds[CLIENTS];
    pthread_t threads[CLIENTS];
    start((struct net_limits){.transit_bytes = MOST});
    for (int i = 0; i < CLIENTS; i++) {
        struct session_id session;
        fds[i] = client_open(&h, &session);
        net_note_taken(h.net, 1, sizeof(struct command));
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_create(&threads[i], NULL, flood, &fds[i]);
    }
    wait_for(METRIC_READING_PAUSES, 1);
    size_t bytes = waiting_bytes();
    assert_in_range(bytes, MOST, MOST + ONE_READ_EACH);
    for (int i = 0; i < CLIENTS * FRAMES; i++) {
        struct command *command = next_command(&h, WAIT_MS);
        assert_non_null(command);
        assert_int_equal(command->payload.len, FRAME_BYTES);
        net_note_taken(h.net, 1, command_bytes(command));
        command_free(command);
    }
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        close(fds[i]);
    }
    for (int i = 0; i < CLIENTS; i++) {
        expect_command(&h, COMMAND_CLOSE, NULL);
    }
}

/* The beginnings of messages, which nobody ends. */
static void test_unfinished_messages(void **state)
{
    (void)state;
    enum { BEGUN = 30000 };
    static char payload[BEGUN];
    struct session_id session;
    int fds[4], n = 4;
    start((struct net_limits){.partial_bytes = 2 * 32768 + 1000});
    for (int i = 0; i < n; i++) {
        fds[i] = client_open(&h, &session);
    }
    for (int i = 0; i < 2; i++) {
        client_send_frame(fds[i], RFC6455_OPCODE_TEXT, payload, BEGUN); /* FIN is not set */
        wait_for(METRIC_PARTIAL_BYTES, (uint64_t)(i + 1) * BEGUN);
    }
    client_send_frame(fds[2], RFC6455_OPCODE_TEXT, payload, BEGUN);
    client_expect_close(fds[2], 1013, "too many unfinished messages");
    client_send_text(fds[3], "whole"); /* nobody else is touched */
    expect_command(&h, COMMAND_MESSAGE, "whole");
    assert_int_equal(limit_hits(METRIC_LIMIT_PARTIAL_BYTES), 1);
    for (int i = 0; i < n; i++) {
        close(fds[i]);
        expect_command(&h, COMMAND_CLOSE, NULL);
    }
    assert_int_equal(counted(METRIC_PARTIAL_BYTES), 0);
}

/* ---- readers ---- */

static void fill(struct session_id session, size_t bytes)
{
    static char text[16384];
    memset(text, 'q', sizeof(text));
    for (size_t sent = 0; sent < bytes; sent += sizeof(text)) {
        struct frame *frame = text_frame(text, sizeof(text), 0);
        h.transport.send(h.transport.ctx, session, frame);
        frame_unref(frame);
    }
    flush(&h);
}

/* Everything up to the close, whose code it returns. */
static unsigned read_to_close(int fd)
{
    static char payload[70000];
    size_t len;
    while (client_read_frame(fd, payload, sizeof(payload), &len) != (0x80 | RFC6455_OPCODE_CLOSE)) {
    }
    return (unsigned)(uint8_t)payload[0] << 8 | (uint8_t)payload[1];
}

/* Two megabytes that nobody reads: the kernel takes some hundred KiB of them. */
static void test_a_reader_that_stays_behind(void **state)
{
    (void)state;
    struct session_id session;
    start((struct net_limits){.outqueue_soft_bytes = 65536, .outqueue_soft_ms = 1500});
    int fd = client_open(&h, &session);
    fill(session, 1 << 20);
    wait_for(METRIC_OUTQUEUE_BYTES, 65537);
    assert_int_equal(limit_hits(METRIC_LIMIT_OUTQUEUE_SOFT), 0);
    wait_for(METRIC_LIMITS + METRIC_LIMIT_OUTQUEUE_SOFT, 1);
    assert_int_equal(read_to_close(fd), 1013);
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

static void test_a_reader_that_catches_up(void **state)
{
    (void)state;
    struct session_id session;
    static char payload[70000];
    size_t len;
    start((struct net_limits){.outqueue_soft_bytes = 65536, .outqueue_soft_ms = 2500});
    int fd = client_open(&h, &session);
    for (int round = 0; round < 3; round++) {
        fill(session, 1 << 20);
        wait_for(METRIC_OUTQUEUE_BYTES, 65537);
        for (int i = 0; i < 64; i++) {
            client_read_frame(fd, payload, sizeof(payload), &len);
        }
        uint64_t until = clock_ms() + WAIT_MS;
        while (counted(METRIC_OUTQUEUE_BYTES) > 0) {
            assert_true(clock_ms() < until);
            poll(NULL, 0, 10);
        }
    }
    assert_int_equal(limit_hits(METRIC_LIMIT_OUTQUEUE_SOFT), 0);
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

/* All frames together take too much: whoever reads too little of them goes, the others stay. */
static void test_frames_of_all(void **state)
{
    (void)state;
    struct session_id slow, quick;
    start((struct net_limits){.outqueue_total_bytes = 400000});
    int fd = client_open(&h, &slow), other = client_open(&h, &quick);
    fill(slow, 1 << 20);
    wait_for(METRIC_LIMITS + METRIC_LIMIT_OUTQUEUE_TOTAL, 1);
    assert_int_equal(read_to_close(fd), 1013);
    send_text(&h, quick, "still here");
    flush(&h);
    client_expect_text(other, "still here");
    close(fd);
    close(other);
    expect_command(&h, COMMAND_CLOSE, NULL);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

/* ---- handshakes ---- */

static void expect_status(const char *request, const char *status)
{
    char answer[1024];
    int fd = client_connect(&h);
    client_write_text(fd, request);
    client_read_head(fd, answer, sizeof(answer));
    if (!strstr(answer, status)) {
        fail_msg("not %s: %s", status, answer);
    }
    close(fd);
    if (strcmp(status, " 101 ") == 0) {
        expect_command(&h, COMMAND_OPEN, NULL);
        expect_command(&h, COMMAND_CLOSE, NULL);
    }
}

#define FROM(origin) HANDSHAKE("/rt/canonical-1", "Origin: " origin "\r\n")

static void test_origins(void **state)
{
    (void)state;
    start((struct net_limits){.origins = "https://example.com, https://*.example.org:8443"});
    expect_status(HANDSHAKE("/rt/canonical-1", ""), " 101 ");
    expect_status(FROM("https://example.com"), " 101 ");
    expect_status(FROM("HTTPS://Example.COM"), " 101 ");
    expect_status(FROM("https://a.b.example.org:8443"), " 101 ");
    expect_status(FROM("http://example.com"), " 403 ");
    expect_status(FROM("https://example.com:444"), " 403 ");
    expect_status(FROM("https://evil-example.com"), " 403 ");
    expect_status(FROM("https://example.com.evil.net"), " 403 ");
    expect_status(FROM("https://example.org:8443"), " 403 ");
    expect_status(FROM("https://.example.org:8443"), " 403 ");
    expect_status(FROM("https://evil.net/a.example.org:8443"), " 403 ");
    expect_status(FROM("https://evil.net:1.example.org:8443"), " 403 ");
    expect_status(FROM("null"), " 403 ");
    assert_int_equal(counted(METRIC_REFUSALS + METRIC_REFUSAL_ORIGIN), 9);
}

static void test_sessions_of_an_address(void **state)
{
    (void)state;
    struct session_id session;
    start((struct net_limits){.address_sessions = 1});
    int fd = client_open(&h, &session);
    expect_status(HANDSHAKE("/rt/canonical-1", ""), " 429 ");
    expect_status(HANDSHAKE("/rt/canonical-1", "X-Forwarded-For: 203.0.113.1\r\n"), " 429 ");
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
    expect_status(HANDSHAKE("/rt/canonical-1", ""), " 101 ");
    assert_int_equal(limit_hits(METRIC_LIMIT_ADDRESS_SESSIONS), 2);
}

static void test_handshakes_behind_a_proxy(void **state)
{
    (void)state;
    struct address_range loopback = {.bits = 128 - 24};
    assert_true(address_parse(STR("127.0.0.0"), &loopback.first));
    start((struct net_limits){
        .proxies = &loopback,
        .n_proxies = 1,
        .address_handshakes = {.n = 1, .period_ms = 60000, .burst = 2},
    });
#define FOR(address) HANDSHAKE("/rt/canonical-1", "X-Forwarded-For: " address "\r\n")
    for (int i = 0; i < 2; i++) {
        expect_status(FOR("203.0.113.1"), " 101 ");
        expect_status(FOR("9.9.9.9, 2001:db8::1"), " 101 ");
    }
    expect_status(FOR("9.9.9.8, 203.0.113.1"), " 429 ");
    expect_status(FOR("2001:db8::ffff"), " 429 ");                            /* the same /64 */
    expect_status(FOR("203.0.113.1\r\nForwarded: for=203.0.113.2"), " 429 "); /* the client's */
    for (int i = 0; i < 5; i++) {
        expect_status(HANDSHAKE("/rt/canonical-1", ""), " 101 "); /* the proxy itself */
    }
    assert_int_equal(limit_hits(METRIC_LIMIT_ADDRESS_HANDSHAKES), 3);
}

/* They do not share the limits of one client, nor have they none. */
static void test_a_proxy_that_names_no_client(void **state)
{
    (void)state;
    struct session_id session;
    struct address_range loopback = {.bits = 128 - 24};
    assert_true(address_parse(STR("127.0.0.0"), &loopback.first));
    start((struct net_limits){
        .proxies = &loopback,
        .n_proxies = 1,
        .proxy_header = FORWARDED_X_REAL_IP,
        .address_sessions = 1,
        .proxy_sessions = 2,
        .proxy_handshakes = {.n = 1, .period_ms = 60000, .burst = 5},
    });
    int first = client_open(&h, &session), second = client_open(&h, &session);
    expect_status(FOR("203.0.113.1"), " 429 "); /* not the header that it writes */
    assert_int_equal(limit_hits(METRIC_LIMIT_PROXY_SESSIONS), 1);
    expect_status(HANDSHAKE("/rt/canonical-1", "X-Real-IP: 203.0.113.1\r\n"), " 101 ");
    close(first);
    expect_command(&h, COMMAND_CLOSE, NULL);
    expect_status(HANDSHAKE("/rt/canonical-1", ""), " 101 ");
    expect_status(HANDSHAKE("/rt/canonical-1", "X-Real-IP: unknown\r\n"), " 101 ");
    expect_status(HANDSHAKE("/rt/canonical-1", ""), " 429 "); /* the sixth */
    assert_int_equal(limit_hits(METRIC_LIMIT_PROXY_HANDSHAKES), 1);
    assert_int_equal(counted(METRIC_REFUSALS + METRIC_REFUSAL_PROXY_RATE), 1);
    assert_int_equal(counted(METRIC_REFUSALS + METRIC_REFUSAL_PROXY_SESSIONS), 1);
    close(second);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

/* They wait in the kernel, and all get their turn. */
static void test_accepts_are_paced(void **state)
{
    (void)state;
    enum { CONNECTIONS = 40 };
    start((struct net_limits){.accepts = {.n = 40, .period_ms = 1000, .burst = 4}});
    int fds[CONNECTIONS];
    uint64_t begin_ms = clock_ms();
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = tcp_connect(h.port);
    }
    wait_for(METRIC_ACCEPTS, CONNECTIONS);
    assert_in_range(clock_ms() - begin_ms, 850, WAIT_MS);
    assert_true(limit_hits(METRIC_LIMIT_ACCEPT_RATE) > 0);
    for (int i = 0; i < CONNECTIONS; i++) {
        close(fds[i]);
    }
}

#define TEST(name) cmocka_unit_test_teardown(name, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_too_many_messages),
        TEST(test_too_many_bytes),
        TEST(test_a_slow_hub_stops_the_reading),
        TEST(test_unfinished_messages),
        TEST(test_a_reader_that_stays_behind),
        TEST(test_a_reader_that_catches_up),
        TEST(test_frames_of_all),
        TEST(test_origins),
        TEST(test_sessions_of_an_address),
        TEST(test_handshakes_behind_a_proxy),
        TEST(test_a_proxy_that_names_no_client),
        TEST(test_accepts_are_paced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
