/* SPDX-License-Identifier: PostgreSQL */
/* The bounded list of frames: what fits a write, pieces of long frames, dropping, moving. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/socket/outqueue.h"

static struct frame *frame_of(const char *text, uint64_t offset)
{
    struct frame *frame = frame_new(strlen(text), NULL);
    memcpy(frame->bytes, text, strlen(text));
    frame->offset = offset;
    return frame;
}

static void push(struct outqueue *queue, const char *text, uint64_t offset)
{
    outqueue_push(queue, frame_of(text, offset));
}

/* Everything that is left, taken in writes of at most max_bytes and max_frames. */
static void drain(struct outqueue *queue, size_t max_bytes, uint32_t max_frames, char *out)
{
    uint32_t n;
    size_t len;
    uint8_t scratch[256];
    while ((len = outqueue_fit(queue, max_bytes, max_frames, &n)) > 0) {
        assert_true(len <= max_bytes && n <= max_frames);
        if (n > 0) {
            assert_int_equal(outqueue_copy(queue, n, scratch), len);
        } else {
            memcpy(scratch, outqueue_data(queue), len);
        }
        memcpy(out, scratch, len);
        out += len;
        outqueue_take(queue, len);
    }
    *out = '\0';
}

static void test_every_limit_gives_the_same_bytes(void **state)
{
    (void)state;
    char got[256];
    for (size_t max_bytes = 1; max_bytes < 40; max_bytes++) {
        for (uint32_t max_frames = 1; max_frames < 8; max_frames++) {
            struct outqueue queue = {0};
            push(&queue, "one ", 0);
            push(&queue, "twentyfour bytes of text", 0);
            push(&queue, "3", 0);
            push(&queue, "", 0);
            push(&queue, "four", 0);
            drain(&queue, max_bytes, max_frames, got);
            assert_string_equal(got, "one twentyfour bytes of text3four");
            assert_int_equal(queue.bytes, 0);
            outqueue_release(&queue);
        }
    }
}

static void test_whole_frames_are_preferred(void **state)
{
    (void)state;
    uint32_t n;
    struct outqueue queue = {0};
    push(&queue, "aaaa", 0);
    push(&queue, "bbbbbbbbbb", 0);
    assert_int_equal(outqueue_fit(&queue, 10, 9, &n), 4); /* b would have to be cut */
    assert_int_equal(n, 1);
    assert_int_equal(outqueue_fit(&queue, 14, 9, &n), 14);
    assert_int_equal(n, 2);
    assert_int_equal(outqueue_fit(&queue, 14, 1, &n), 4);
    assert_int_equal(n, 1);
    assert_int_equal(outqueue_fit(&queue, 3, 9, &n), 3); /* a alone is too long: a piece */
    assert_int_equal(n, 0);
    outqueue_release(&queue);
}

static void test_an_empty_queue_holds_nothing(void **state)
{
    (void)state;
    uint32_t n;
    struct outqueue queue = {0};
    assert_int_equal(outqueue_fit(&queue, 10, 9, &n), 0);
    assert_int_equal(n, 0);
    struct frame *frame = frame_of("text", 0);
    for (int round = 0; round < 3; round++) {
        frame_ref_many(frame, 1000);
        for (int i = 0; i < 1000; i++) {
            outqueue_push(&queue, frame);
        }
        assert_int_equal(queue.bytes, 4000);
        assert_int_equal(atomic_load(&frame->refs), 1001);
        outqueue_take(&queue, 4000);
        assert_null(queue.frames);
        assert_int_equal(atomic_load(&frame->refs), 1);
    }
    frame_unref(frame);
}

static void test_given_frames_keep_their_references(void **state)
{
    (void)state;
    char got[64];
    struct outqueue queue = {0};
    struct frame *frame = frame_of("text", 0);
    frame_ref_many(frame, 3);
    for (int i = 0; i < 3; i++) {
        outqueue_push(&queue, frame);
    }
    push(&queue, " stays", 0);
    outqueue_give(&queue, 2, 8);
    assert_int_equal(atomic_load(&frame->refs), 4);
    assert_int_equal(queue.bytes, 10);
    frame_unref_many(frame, 2);
    drain(&queue, 100, 100, got);
    assert_string_equal(got, "text stays");
    assert_int_equal(atomic_load(&frame->refs), 1);
    outqueue_push(&queue, frame);
    outqueue_give(&queue, 1, 4); /* the last one: it holds no memory */
    assert_int_equal(queue.n + queue.cap, 0);
    frame_unref(frame);
}

/* A queue that is never empty must not grow for ever, nor mix up its order. */
static void test_a_moving_front(void **state)
{
    (void)state;
    struct outqueue queue = {0};
    char text[16];
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof(text), "%04d", i);
        push(&queue, text, 0);
        if (i >= 5) {
            snprintf(text, sizeof(text), "%04d", i - 5);
            assert_memory_equal(outqueue_data(&queue), text, 4);
            outqueue_take(&queue, 4);
        }
    }
    assert_int_equal(queue.n, 5);
    assert_true(queue.cap <= 16);
    outqueue_release(&queue);
}

static void test_one_that_has_begun_comes_first(void **state)
{
    (void)state;
    char got[64];
    for (int before = 0; before < 7; before++) { /* alone, in an array, in a full one */
        struct outqueue queue = {0};
        char expected[64] = "NG";
        for (int i = 0; i < before; i++) {
            push(&queue, "abc", 0);
            memcpy(expected + 2 + 3 * i, "abc", 4);
        }
        outqueue_put_first(&queue, frame_of("PONG", 0), 2);
        assert_int_equal(queue.bytes, strlen(expected));
        push(&queue, "last", 0);
        drain(&queue, 63, 9, got);
        memcpy(expected + 2 + 3 * before, "last", 5);
        assert_string_equal(got, expected);
        outqueue_release(&queue);
    }
}

static void test_drop_keeps_a_frame_that_has_begun(void **state)
{
    (void)state;
    char got[64];
    struct outqueue queue = {0};
    push(&queue, "begun", 0);
    push(&queue, "waits", 0);
    outqueue_take(&queue, 2);
    outqueue_drop(&queue);
    assert_int_equal(queue.bytes, 3);
    drain(&queue, 100, 100, got);
    assert_string_equal(got, "gun");
    push(&queue, "waits", 0);
    outqueue_drop(&queue);
    assert_int_equal(queue.bytes, 0);
    assert_null(queue.frames);
}

/* It stands in the queue itself until a second one comes. */
static void test_a_lone_frame_needs_no_array(void **state)
{
    (void)state;
    char got[64];
    uint32_t n;
    struct outqueue queue = {0};
    push(&queue, "alone", 0);
    assert_int_equal(queue.cap, 0);
    assert_int_equal(outqueue_fit(&queue, 100, 9, &n), 5);
    assert_int_equal(n, 1);
    outqueue_take(&queue, 2);
    outqueue_drop(&queue);
    assert_int_equal(queue.bytes, 3);
    push(&queue, " no more", 0);
    assert_true(queue.cap > 0);
    drain(&queue, 100, 100, got);
    assert_string_equal(got, "one no more");
    assert_int_equal(queue.cap, 0);
    push(&queue, "let go", 0);
    outqueue_release(&queue);
    assert_int_equal(queue.n, 0);
}

static void test_move_skips_what_is_known(void **state)
{
    (void)state;
    char got[64];
    struct outqueue from = {0}, to = {0};
    push(&to, "0", 0);
    push(&from, "5", 5);
    push(&from, "e", 0);
    push(&from, "6", 6);
    push(&from, "7", 7);
    outqueue_move(&from, &to, 6);
    assert_int_equal(from.n, 0);
    assert_null(from.frames);
    assert_int_equal(to.bytes, 3);
    drain(&to, 100, 100, got);
    assert_string_equal(got, "0e7");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_limit_gives_the_same_bytes),
        cmocka_unit_test(test_whole_frames_are_preferred),
        cmocka_unit_test(test_an_empty_queue_holds_nothing),
        cmocka_unit_test(test_given_frames_keep_their_references),
        cmocka_unit_test(test_a_moving_front),
        cmocka_unit_test(test_one_that_has_begun_comes_first),
        cmocka_unit_test(test_drop_keeps_a_frame_that_has_begun),
        cmocka_unit_test(test_a_lone_frame_needs_no_array),
        cmocka_unit_test(test_move_skips_what_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
