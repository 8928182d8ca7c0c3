/* SPDX-License-Identifier: PostgreSQL */
/* Order under load, slow readers, long frames, and floods. All of it twice: plain, and over TLS. */
#include "harness.h"

#include <stdatomic.h>

static struct harness h;

static int stop(void **state)
{
    (void)state;
    harness_stop(&h);
    return 0;
}

static int start_with(uint32_t outqueue_bytes, uint32_t n_workers)
{
    struct net_options options = harness_options();
    options.outqueue_bytes = outqueue_bytes;
    options.n_workers = n_workers;
    harness_start(&h, options);
    set_gate(&h, true, true);
    return 0;
}

static int start(void **state)
{
    (void)state;
    return start_with(1 << 20, 1);
}

static int start_workers(void **state)
{
    (void)state;
    return start_with(64 << 20, 3);
}

static int start_roomy(void **state)
{
    (void)state;
    return start_with(64 << 20, 1);
}

static void publish_numbered(uint32_t n_workers, int i, const char *filler)
{
    char text[512];
    snprintf(text, sizeof(text), "%d %s", i, filler);
    struct frame *frame = text_frame(text, strlen(text), (uint64_t)i + 1);
    for (uint32_t worker = 0; worker < n_workers; worker++) {
        h.transport.publish(h.transport.ctx, worker, 1, frame);
    }
    frame_unref(frame);
}

struct reader {
    int fd;
    int n;
    int wrong;       /* the first number that was not the next one; -1: none */
    atomic_int done; /* frames read so far */
};

static void *read_numbered(void *arg)
{
    struct reader *reader = arg;
    char payload[1024];
    size_t len;
    reader->wrong = -1;
    for (int i = 0; i < reader->n && reader->wrong < 0; i++) {
        client_read_frame(reader->fd, payload, sizeof(payload), &len);
        if (strtol(payload, NULL, 10) != i) {
            reader->wrong = i;
        }
        atomic_store(&reader->done, i + 1);
    }
    return NULL;
}

/* Until the reader has read that many, so that he is not slow. */
static void wait_for_reader(struct reader *reader, int n)
{
    uint64_t until = clock_ms() + WAIT_MS;
    while (atomic_load(&reader->done) < n) {
        assert_true(clock_ms() < until);
        poll(NULL, 0, 1);
    }
}

/* Every session gets every frame, in order, whatever the bursts and slices were. */
static void test_order_under_load(void **state)
{
    (void)state;
    enum { SESSIONS = 24, FRAMES = 10000, WORKERS = 3 };
    struct reader readers[SESSIONS];
    pthread_t threads[SESSIONS];
    for (int i = 0; i < SESSIONS; i++) {
        struct session_id session;
        readers[i] = (struct reader){.fd = client_open(&h, &session), .n = FRAMES};
        h.transport.attach(h.transport.ctx, session, 1, false);
    }
    flush(&h);
    for (int i = 0; i < SESSIONS; i++) {
        pthread_create(&threads[i], NULL, read_numbered, &readers[i]);
    }
    for (int i = 0; i < FRAMES; i++) {
        publish_numbered(WORKERS, i, "some text that fills a frame a little");
        if (i % 37 == 0) {
            flush(&h);
        }
    }
    flush(&h);
    for (int i = 0; i < SESSIONS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readers[i].wrong, -1);
        close(readers[i].fd);
    }
    for (int i = 0; i < SESSIONS; i++) {
        expect_command(&h, COMMAND_CLOSE, NULL);
    }
}

/* Frames of two channels arrive as they were published, however they follow each other. */
static void test_order_across_channels(void **state)
{
    (void)state;
    enum { FRAMES = 3000 };
    struct session_id both, one;
    char text[16];
    int fd = client_open(&h, &both), other = client_open(&h, &one);
    h.transport.attach(h.transport.ctx, both, 1, false);
    h.transport.attach(h.transport.ctx, both, 2, false);
    h.transport.attach(h.transport.ctx, one, 2, false);
    for (int i = 0; i < FRAMES; i++) {
        snprintf(text, sizeof(text), "%d", i);
        struct frame *frame = text_frame(text, strlen(text), 0);
        h.transport.publish(h.transport.ctx, 0, i % 7 < 4 ? 1 : 2, frame);
        frame_unref(frame);
    }
    flush(&h);
    for (int i = 0; i < FRAMES; i++) {
        snprintf(text, sizeof(text), "%d", i);
        client_expect_text(fd, text);
        if (i % 7 >= 4) {
            client_expect_text(other, text);
        }
    }
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
    close(other);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

/* One does not read and is told 1013; the others get everything, in order. */
static void test_a_slow_reader_is_closed_alone(void **state)
{
    (void)state;
    enum { FRAMES = 30000 };
    static char filler[201];
    struct session_id slow_session, session;
    struct reader reader = {.n = FRAMES};
    pthread_t thread;
    memset(filler, 'f', sizeof(filler) - 1);
    int slow = client_open(&h, &slow_session);
    reader.fd = client_open(&h, &session);
    h.transport.attach(h.transport.ctx, slow_session, 1, false);
    h.transport.attach(h.transport.ctx, session, 1, false);
    flush(&h);
    pthread_create(&thread, NULL, read_numbered, &reader);
    for (int i = 0; i < FRAMES; i++) {
        publish_numbered(1, i, filler);
        if (i % 100 == 0) {
            flush(&h);
            wait_for_reader(&reader, i - 1000);
        }
    }
    flush(&h);
    pthread_join(thread, NULL);
    assert_int_equal(reader.wrong, -1);

    /* What had begun to leave is whole and in order; then comes the close frame, then the end. */
    char payload[1024];
    size_t len;
    int n = 0;
    while (client_read_frame(slow, payload, sizeof(payload), &len) == 0x81) {
        assert_int_equal(strtol(payload, NULL, 10), n);
        n++;
    }
    assert_true(n < FRAMES);
    assert_int_equal((uint8_t)payload[0] << 8 | (uint8_t)payload[1], 1013);
    assert_string_equal(payload + 2, "slow reader");
    client_send_close(slow, 1013);
    client_expect_end(slow);
    struct session_id closed = expect_command(&h, COMMAND_CLOSE, NULL);
    assert_int_equal(closed.slot, slow_session.slot);
    close(reader.fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

/* Neither reads nor ends: cut off, so that he holds nothing. */
static void test_a_dead_slow_reader_is_cut(void **state)
{
    (void)state;
    struct session_id session;
    static char big[300000];
    memset(big, 'b', sizeof(big));
    int fd = client_open(&h, &session);
    for (int i = 0; i < 40; i++) {
        struct frame *frame = text_frame(big, sizeof(big), 0);
        h.transport.send(h.transport.ctx, session, frame);
        frame_unref(frame);
        flush(&h);
    }
    expect_command(&h, COMMAND_CLOSE, NULL); /* in 5 to 6 seconds */
    close(fd);
}

/* What waits behind a held subscription counts too. */
static void test_a_held_subscription_is_bounded(void **state)
{
    (void)state;
    static char filler[401];
    struct session_id session;
    memset(filler, 'f', sizeof(filler) - 1);
    int fd = client_open(&h, &session);
    h.transport.attach(h.transport.ctx, session, 1, true);
    for (int i = 0; i < 5000; i++) {
        publish_numbered(1, i, filler);
    }
    flush(&h);
    client_expect_close(fd, 1013, "slow reader");
    client_send_close(fd, 1013);
    client_expect_end(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

/* A frame much longer than a burst arrives whole, and a pong does not end up inside it. */
static void test_long_frames(void **state)
{
    (void)state;
    enum { LONG = 5 << 20 };
    struct session_id session;
    char *text = mem_alloc(LONG), *got = mem_alloc(LONG + 1);
    size_t len;
    for (size_t i = 0; i < LONG; i++) {
        text[i] = (char)('a' + i % 23);
    }
    int fd = client_open(&h, &session);
    struct frame *frame = text_frame(text, LONG, 0);
    send_text(&h, session, "before");
    h.transport.send(h.transport.ctx, session, frame);
    send_text(&h, session, "after");
    frame_unref(frame);
    flush(&h);
    client_expect_text(fd, "before");
    client_send_frame(fd, 0x89, "p", 1);
    bool has_pong = false;
    uint8_t first;
    while ((first = client_read_frame(fd, got, LONG + 1, &len)) == 0x8A) {
        assert_false(has_pong);
        has_pong = true;
    }
    assert_int_equal(first, 0x81);
    assert_int_equal(len, LONG);
    assert_memory_equal(got, text, LONG);
    if (!has_pong) {
        assert_int_equal(client_read_frame(fd, got, LONG + 1, &len), 0x8A);
    }
    client_expect_text(fd, "after");
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
    free(text);
    free(got);
}

/* A reader that is behind all the time is still listened to. */
static void test_a_busy_reader_is_heard(void **state)
{
    (void)state;
    static char filler[401];
    char payload[1024];
    size_t len;
    struct session_id session;
    memset(filler, 'f', sizeof(filler) - 1);
    int fd = client_open(&h, &session);
    h.transport.attach(h.transport.ctx, session, 1, false);
    enum { FRAMES = 20000 }; /* 8 MiB: more than both kernel buffers take */
    for (int i = 0; i < FRAMES; i++) {
        publish_numbered(1, i, filler);
    }
    flush(&h);
    client_send_text(fd, "may I speak");
    for (int i = 0; i < FRAMES; i++) {
        client_read_frame(fd, payload, sizeof(payload), &len);
        assert_int_equal(strtol(payload, NULL, 10), i);
        if (i == FRAMES / 2) {
            expect_command(&h, COMMAND_MESSAGE, "may I speak");
        }
    }
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
}

/* A flood of pings from somebody who does not read: answered by the newest, never queued. */
static void test_a_flood_of_pings(void **state)
{
    (void)state;
    enum { PINGS = 200000 };
    uint8_t one[64];
    char payload[128];
    size_t len, n = client_frame(one, 0x89, "ping", 4);
    struct session_id session;
    int fd = client_open(&h, &session);
    uint8_t *all = mem_alloc(n * PINGS);
    for (size_t i = 0; i < PINGS; i++) {
        memcpy(all + i * n, one, n);
    }
    client_write(fd, all, n * PINGS);
    client_send_text(fd, "done");
    expect_command(&h, COMMAND_MESSAGE, "done");
    assert_int_equal(client_read_frame(fd, payload, sizeof(payload), &len), 0x8A);
    close(fd);
    expect_command(&h, COMMAND_CLOSE, NULL);
    free(all);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_under_load, start_workers, stop),
        cmocka_unit_test_setup_teardown(test_order_across_channels, start_roomy, stop),
        cmocka_unit_test_setup_teardown(test_a_slow_reader_is_closed_alone, start, stop),
        cmocka_unit_test_setup_teardown(test_a_dead_slow_reader_is_cut, start, stop),
        cmocka_unit_test_setup_teardown(test_a_held_subscription_is_bounded, start, stop),
        cmocka_unit_test_setup_teardown(test_long_frames, start_roomy, stop),
        cmocka_unit_test_setup_teardown(test_a_busy_reader_is_heard, start_roomy, stop),
        cmocka_unit_test_setup_teardown(test_a_flood_of_pings, start, stop),
    };
    int n_failed = cmocka_run_group_tests_name("plain", tests, NULL, NULL);
    harness_uses_tls = true;
    return n_failed + cmocka_run_group_tests_name("over TLS", tests, NULL, NULL);
}
