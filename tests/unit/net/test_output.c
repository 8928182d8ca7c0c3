/* SPDX-License-Identifier: PostgreSQL */
/* What is queued leaves whole and in order however little of it is taken at a time: frames, and the
 * control frames that overtake them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/socket/output.h"
#include "net/socket/socket.h"
#include "net/worker/worker.h"

struct rig {
    struct net_shared shared;
    struct net_settings settings;
    struct worker worker;
    struct socket socket;
    size_t most; /* bytes that are taken at once; then no more until there is room again */
    bool is_writing;
    char got[1024];
    size_t n_got;
};

static struct rig *rig_of(struct socket *socket)
{
    return (struct rig *)(void *)((char *)socket - offsetof(struct rig, socket));
}

static enum stream_state take_some(struct socket *socket, uint8_t *data, size_t len, size_t *taken)
{
    struct rig *rig = rig_of(socket);
    *taken = len < rig->most ? len : rig->most;
    memcpy(rig->got + rig->n_got, data, *taken);
    rig->n_got += *taken;
    return *taken == len ? STREAM_STATE_OPEN : STREAM_STATE_FULL;
}

static void note_want(struct socket *socket, bool is_reading, bool is_writing)
{
    assert_true(is_reading == (socket->flow != SOCKET_FLOW_BLOCKED));
    rig_of(socket)->is_writing = is_writing;
}

static void push(struct socket *socket, const char *text)
{
    struct frame *frame = frame_new(strlen(text), NULL);
    memcpy(frame->bytes, text, strlen(text));
    output_push(socket, frame);
}

static void say(uint8_t *bytes, uint8_t *len, const char *text)
{
    *len = (uint8_t)strlen(text);
    memcpy(bytes, text, *len);
}

static void until_all_is_gone(struct rig *rig)
{
    output_flush(&rig->worker);
    for (int i = 0; rig->is_writing && i < 1000; i++) {
        assert_true(output_on_writable(&rig->socket));
    }
    assert_false(rig->is_writing);
    output_flush(&rig->worker); /* the turn's end: the burst lets go of its frames */
    rig->got[rig->n_got] = '\0';
}

static void test_any_part_may_be_taken(void **state)
{
    (void)state;
    static const struct stream stream = {.write = take_some, .want = note_want};
    struct metrics *metrics = metrics_new(1);
    for (size_t most = 1; most < 40; most++) {
        struct rig rig = {.most = most};
        struct socket *socket = &rig.socket;
        rig.worker.shared = &rig.shared;
        rig.worker.settings = &rig.settings;
        rig.worker.counts = metrics_block(metrics, 0);
        rig.worker.burst.bytes = mem_alloc(WORKER_BURST_BYTES);
        socket->worker = &rig.worker;
        socket->stream = &stream;
        socket->state = SOCKET_SESSION;
        push(socket, "first ");
        push(socket, "second ");
        say(output_control(socket)->pong, &output_control(socket)->pong_len,
            "pong, of some length ");
        say(output_control(socket)->ping, &output_control(socket)->ping_len, "ping ");
        say(output_control(socket)->close, &output_control(socket)->close_len, "close and out");
        until_all_is_gone(&rig);
        assert_string_equal(rig.got, "pong, of some length ping first second close and out");
        assert_null(socket->control);
        assert_int_equal(socket->out.bytes, 0);
        outqueue_release(&socket->out);
        free(rig.worker.burst.bytes);
        free(rig.worker.dirty);
    }
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_part_may_be_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
