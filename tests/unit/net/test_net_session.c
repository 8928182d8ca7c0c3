/* SPDX-License-Identifier: PostgreSQL */
/* Sessions: the handshake, frames in both directions, subscriptions, the ways to close.
 * All of it twice: plain, and over TLS. */
#include "harness.h"

static struct harness h;

static int start(void **state)
{
    (void)state;
    harness_start(&h, harness_options());
    set_gate(&h, true, true);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&h);
    return 0;
}

static void attach(struct session_id session, uint32_t channel, bool is_held)
{
    h.transport.attach(h.transport.ctx, session, channel, is_held);
}

static void release(struct session_id session, uint32_t channel, uint64_t skip_to)
{
    h.transport.resume_live(h.transport.ctx, session, channel, skip_to, false);
}

static void close_and_forget(int fd)
{
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

/* ---- handshake ---- */

static void test_a_long_subprotocol_comes_back(void **state)
{
    (void)state;
    static char token[4097], request[8192], head[8192], expected[4200];
    memset(token, 'a', 4096);
    token[0] = 'x';
    token[4095] = 'z';
    snprintf(request, sizeof(request),
             "GET /rt/canonical-1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
             "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Protocol: %s\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
             token);
    snprintf(expected, sizeof(expected), "\r\nSec-WebSocket-Protocol: %s\r\n", token);
    int fd = client_connect(&h);
    client_write_text(fd, request);
    client_read_head(fd, head, sizeof(head));
    assert_non_null(strstr(head, "HTTP/1.1 101 "));
    assert_non_null(strstr(head, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_non_null(strstr(head, expected));
    expect_command(&h, COMMAND_OPEN, NULL);
    close_and_forget(fd);
}

static void test_frames_may_come_with_the_handshake(void **state)
{
    (void)state;
    uint8_t bytes[1024];
    char head[1024];
    int fd = client_connect(&h);
    size_t len = strlen(HANDSHAKE("/rt/canonical-1", ""));
    memcpy(bytes, HANDSHAKE("/rt/canonical-1", ""), len);
    len += client_frame(bytes + len, 0x81, "first", 5);
    len += client_frame(bytes + len, 0x81, "second", 6);
    len += client_frame(bytes + len, 0x81, "third", 5);
    client_write(fd, bytes, len - 3); /* the last one is cut */
    client_read_head(fd, head, sizeof(head));
    expect_command(&h, COMMAND_OPEN, NULL);
    expect_command(&h, COMMAND_MESSAGE, "first");
    expect_command(&h, COMMAND_MESSAGE, "second");
    client_write(fd, bytes + len - 3, 3);
    expect_command(&h, COMMAND_MESSAGE, "third");
    close_and_forget(fd);
}

static void test_a_handshake_byte_by_byte(void **state)
{
    (void)state;
    char head[1024];
    const char *request = HANDSHAKE("/rt/canonical-1", "");
    int fd = client_connect(&h);
    for (size_t i = 0; request[i]; i++) {
        client_write(fd, request + i, 1);
    }
    uint8_t bytes[64];
    size_t len = client_frame(bytes, 0x81, "hello", 5);
    for (size_t i = 0; i < len; i++) {
        client_write(fd, bytes + i, 1);
    }
    client_read_head(fd, head, sizeof(head));
    assert_non_null(strstr(head, "HTTP/1.1 101 "));
    expect_command(&h, COMMAND_OPEN, NULL);
    expect_command(&h, COMMAND_MESSAGE, "hello");
    close_and_forget(fd);
}

/* A pong overtakes what waits, but not the answer to the handshake. */
static void test_a_ping_behind_the_handshake(void **state)
{
    (void)state;
    char head[1024], pong[16];
    size_t len;
    uint8_t bytes[1024];
    const char *request = HANDSHAKE("/rt/canonical-1", "");
    size_t at = strlen(request);
    memcpy(bytes, request, at);
    at += client_frame(bytes + at, 0x89, "early", 5);
    int fd = client_connect(&h);
    client_write(fd, bytes, at);
    client_read_head(fd, head, sizeof(head));
    assert_non_null(strstr(head, "HTTP/1.1 101 "));
    assert_int_equal(client_read_frame(fd, pong, sizeof(pong), &len), 0x8A);
    assert_int_equal(len, 5);
    expect_command(&h, COMMAND_OPEN, NULL);
    close_and_forget(fd);
}

static void test_half_a_frame_and_gone(void **state)
{
    (void)state;
    struct session_id session;
    uint8_t bytes[64];
    int fd = client_open(&h, &session);
    client_write(fd, bytes, client_frame(bytes, 0x81, "never whole", 11) - 4);
    close_and_forget(fd);
    assert_null(next_command(&h, 0)); /* closed once, and nothing else */
}

static void test_names_are_not_used_twice(void **state)
{
    (void)state;
    struct session_id first, second;
    int fd = client_open(&h, &first);
    close_and_forget(fd);
    fd = client_open(&h, &second);
    assert_int_equal(second.slot, first.slot);
    assert_int_not_equal(second.generation, first.generation);
    send_text(&h, first, "for the one who left");
    attach(first, 5, false);
    h.transport.close(h.transport.ctx, first, 1008, "not you");
    publish_text(&h, 0, 5, "not for you", 0);
    send_text(&h, second, "for you");
    flush(&h);
    client_expect_text(fd, "for you");
    close_and_forget(fd);
}

/* ---- subscriptions ---- */

static void test_publish_reaches_subscribers_only(void **state)
{
    (void)state;
    struct session_id a, b;
    int fd_a = client_open(&h, &a), fd_b = client_open(&h, &b);
    attach(a, 1, false);
    attach(a, 900, false);
    attach(b, 900, false);
    publish_text(&h, 0, 1, "one", 0);
    publish_text(&h, 0, 900, "two", 0);
    publish_text(&h, 0, 7, "nobody", 0);
    publish_text(&h, 0, 70000, "nobody", 0);
    h.transport.detach(h.transport.ctx, a, 1);
    publish_text(&h, 0, 1, "too late", 0);
    send_text(&h, a, "end");
    send_text(&h, b, "end");
    flush(&h);
    client_expect_text(fd_a, "one");
    client_expect_text(fd_a, "two");
    client_expect_text(fd_a, "end");
    client_expect_text(fd_b, "two");
    client_expect_text(fd_b, "end");
    close_and_forget(fd_a);
    publish_text(&h, 0, 900, "only b", 0);
    flush(&h);
    client_expect_text(fd_b, "only b");
    close_and_forget(fd_b);
}

static void test_a_held_subscription_waits(void **state)
{
    (void)state;
    struct session_id session;
    int fd = client_open(&h, &session);
    attach(session, 3, true);
    attach(session, 4, false);
    publish_text(&h, 0, 3, "five", 5);
    publish_text(&h, 0, 3, "six", 6);
    publish_text(&h, 0, 3, "ephemeral", 0);
    publish_text(&h, 0, 3, "seven", 7);
    publish_text(&h, 0, 4, "other channel", 0);
    send_text(&h, session, "history up to six");
    flush(&h);
    client_expect_text(fd, "other channel");
    client_expect_text(fd, "history up to six");
    release(session, 3, 6);
    publish_text(&h, 0, 3, "six again", 6); /* the hub was told later than the read */
    publish_text(&h, 0, 3, "eight", 8);
    flush(&h);
    client_expect_text(fd, "ephemeral");
    client_expect_text(fd, "seven");
    client_expect_text(fd, "eight");
    close_and_forget(fd);
}

static void test_detach_forgets_what_was_held(void **state)
{
    (void)state;
    struct session_id session;
    int fd = client_open(&h, &session);
    attach(session, 3, true);
    publish_text(&h, 0, 3, "before", 0);
    h.transport.detach(h.transport.ctx, session, 3);
    release(session, 3, 0); /* of a join that was given up */
    attach(session, 3, true);
    publish_text(&h, 0, 3, "after", 0);
    release(session, 3, 0);
    flush(&h);
    client_expect_text(fd, "after");
    close_and_forget(fd);
}

static void test_leaving_while_held_leaks_nothing(void **state)
{
    (void)state;
    struct session_id session;
    int fd = client_open(&h, &session);
    attach(session, 3, true);
    attach(session, 2, true);
    publish_text(&h, 0, 3, "waits", 0);
    publish_text(&h, 0, 2, "waits", 0);
    send_text(&h, session, "here");
    flush(&h);
    client_expect_text(fd, "here");
    close_and_forget(fd);
}

/* ---- closing ---- */

static void test_the_hub_closes(void **state)
{
    (void)state;
    struct session_id session;
    int fd = client_open(&h, &session);
    attach(session, 1, false);
    send_text(&h, session, "last words");
    h.transport.close(h.transport.ctx, session, 1012, "restart");
    send_text(&h, session, "too late");
    publish_text(&h, 0, 1, "too late", 0);
    flush(&h);
    client_expect_text(fd, "last words");
    client_expect_close(fd, 1012, "restart");
    client_send_text(fd, "ignored");
    client_send_close(fd, 1012);
    client_expect_end(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

static void test_the_client_closes(void **state)
{
    (void)state;
    struct session_id session;
    int fd = client_open(&h, &session);
    client_send_text(fd, "bye");
    client_send_close(fd, 4321);
    client_expect_close(fd, 4321, "");
    client_expect_end(fd);
    expect_command(&h, COMMAND_MESSAGE, "bye");
    expect_command(&h, COMMAND_CLOSE, NULL);

    fd = client_open(&h, &session);
    client_send_frame(fd, 0x88, "", 0);
    client_expect_close(fd, 0, NULL);
    client_expect_end(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

static void test_violations_are_told(void **state)
{
    (void)state;
    static char big[65537];
    char payload[128];
    size_t len;
    struct session_id session;
    int fd = client_open(&h, &session);
    uint8_t header[14] = {0x81, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1, 1, 2, 3, 4}; /* 65537 bytes */
    client_write(fd, header, sizeof(header));
    client_write(fd, big, sizeof(big)); /* he keeps sending, and must see the answer all the same */
    assert_int_equal(client_read_frame(fd, payload, sizeof(payload), &len), 0x88);
    assert_int_equal((uint8_t)payload[0] << 8 | (uint8_t)payload[1], 1009);
    static const char reason[] = "a message may have at most 65536 bytes";
    assert_int_equal(len, 2 + strlen(reason));
    assert_memory_equal(payload + 2, reason, strlen(reason));
    client_expect_end(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);

    fd = client_open(&h, &session);
    client_send_frame(fd, 0x82, "binary", 6);
    assert_int_equal(client_read_frame(fd, payload, sizeof(payload), &len), 0x88);
    assert_int_equal((uint8_t)payload[0] << 8 | (uint8_t)payload[1], 1003);
    client_expect_end(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

static void test_pings_are_answered(void **state)
{
    (void)state;
    char payload[128];
    size_t len;
    struct session_id session;
    int fd = client_open(&h, &session);
    client_send_frame(fd, 0x89, "are you there", 13);
    assert_int_equal(client_read_frame(fd, payload, sizeof(payload), &len), 0x8A);
    assert_string_equal(payload, "are you there");
    client_send_frame(fd, 0x8A, "unasked", 7);
    client_send_text(fd, "still here");
    expect_command(&h, COMMAND_MESSAGE, "still here");
    close_and_forget(fd);
}

static void test_close_all_spreads(void **state)
{
    (void)state;
    enum { N = 50 };
    struct session_id session;
    int fds[N];
    for (int i = 0; i < N; i++) {
        fds[i] = client_open(&h, &session);
    }
    uint64_t begin = clock_ms();
    h.transport.close_all(h.transport.ctx, 1012, "drain", 300);
    flush(&h);
    for (int i = 0; i < N; i++) {
        client_expect_close(fds[i], 1012, "drain");
        client_send_close(fds[i], 1012);
        client_expect_end(fds[i]);
        expect_command(&h, COMMAND_CLOSE, NULL);
    }
    assert_true(clock_ms() - begin >= 200); /* the last ones were not closed with the first */
    int fd = client_open(&h, &session);     /* who comes later is not meant */
    send_text(&h, session, "welcome");
    flush(&h);
    client_expect_text(fd, "welcome");
    close_and_forget(fd);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_long_subprotocol_comes_back, start, stop),
        cmocka_unit_test_setup_teardown(test_frames_may_come_with_the_handshake, start, stop),
        cmocka_unit_test_setup_teardown(test_a_handshake_byte_by_byte, start, stop),
        cmocka_unit_test_setup_teardown(test_a_ping_behind_the_handshake, start, stop),
        cmocka_unit_test_setup_teardown(test_half_a_frame_and_gone, start, stop),
        cmocka_unit_test_setup_teardown(test_names_are_not_used_twice, start, stop),
        cmocka_unit_test_setup_teardown(test_publish_reaches_subscribers_only, start, stop),
        cmocka_unit_test_setup_teardown(test_a_held_subscription_waits, start, stop),
        cmocka_unit_test_setup_teardown(test_detach_forgets_what_was_held, start, stop),
        cmocka_unit_test_setup_teardown(test_leaving_while_held_leaks_nothing, start, stop),
        cmocka_unit_test_setup_teardown(test_the_hub_closes, start, stop),
        cmocka_unit_test_setup_teardown(test_the_client_closes, start, stop),
        cmocka_unit_test_setup_teardown(test_violations_are_told, start, stop),
        cmocka_unit_test_setup_teardown(test_pings_are_answered, start, stop),
        cmocka_unit_test_setup_teardown(test_close_all_spreads, start, stop),
    };
    int n_failed = cmocka_run_group_tests_name("plain", tests, NULL, NULL);
    harness_uses_tls = true;
    return n_failed + cmocka_run_group_tests_name("over TLS", tests, NULL, NULL);
}
