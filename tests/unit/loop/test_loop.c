/* SPDX-License-Identifier: PostgreSQL */
/* The event loop: turns, timers, wakers from threads, descriptors, signals; and that each object
 * may be freed inside its own callback. Leaks and uses after free are the sanitizer's to find. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/loop.h"

struct world {
    struct loop *loop;
    struct loop_timer *timer;
    struct loop_waker *waker;
    struct loop_poll *poll;
    struct loop_signal *signal;
    int pipe[2];
    int calls, turns, turns_at_call;
    int stop_after;
};

static void called(struct world *world)
{
    world->calls++;
    world->turns_at_call = world->turns;
    if (world->calls == world->stop_after) {
        loop_stop(world->loop);
    }
}

static void on_turn(void *arg)
{
    struct world *world = arg;
    world->turns++;
}

static void on_call(void *arg)
{
    called(arg);
}

static void test_a_timer_repeats_and_restarts(void **state)
{
    (void)state;
    struct world world = {.loop = loop_new(), .stop_after = 3};
    world.timer = loop_timer_new(world.loop, on_call, &world);
    uint64_t begin = clock_ms();
    loop_timer_start(world.timer, 100000, 0);
    loop_timer_start(world.timer, 20, 10); /* takes the place of the first */
    loop_run(world.loop);
    assert_int_equal(world.calls, 3);
    assert_true(clock_ms() - begin >= 39);
    loop_timer_stop(world.timer);
    loop_timer_free(world.timer);
    loop_timer_free(NULL);
    loop_free(world.loop);
}

/* The turn's end comes after each round of callbacks, after the last one too. */
static void test_a_turn_ends_after_its_callbacks(void **state)
{
    (void)state;
    struct world world = {.loop = loop_new(), .stop_after = 2};
    loop_on_turn(world.loop, on_turn, &world);
    world.timer = loop_timer_new(world.loop, on_call, &world);
    loop_timer_start(world.timer, 1, 1);
    loop_run(world.loop);
    assert_int_equal(world.calls, 2);
    assert_true(world.turns > world.turns_at_call);
    loop_timer_free(world.timer);
    loop_free(world.loop);
}

static void *wake_often(void *arg)
{
    struct world *world = arg;
    for (int i = 0; i < 1000; i++) {
        loop_waker_wake(world->waker);
    }
    return NULL;
}

static void test_a_waker_from_another_thread(void **state)
{
    (void)state;
    pthread_t thread;
    struct world world = {.loop = loop_new(), .stop_after = 1};
    world.waker = loop_waker_new(world.loop, on_call, &world);
    pthread_create(&thread, NULL, wake_often, &world);
    loop_run(world.loop); /* sleeps until woken: nothing else is there */
    pthread_join(thread, NULL);
    assert_int_equal(world.calls, 1);
    world.stop_after = 2;
    loop_waker_wake(world.waker); /* a wake before the run is not lost */
    loop_run(world.loop);
    assert_true(world.calls == 2);
    loop_waker_free(world.waker);
    loop_free(world.loop);
}

static void on_ready(void *arg, bool is_readable, bool is_writable)
{
    struct world *world = arg;
    char byte;
    assert_true(is_readable);
    assert_false(is_writable);
    assert_int_equal(read(world->pipe[0], &byte, 1), 1);
    called(world);
}

static void test_a_descriptor(void **state)
{
    (void)state;
    struct world world = {.loop = loop_new(), .stop_after = 2};
    assert_int_equal(pipe(world.pipe), 0);
    world.poll = loop_poll_new(world.loop, world.pipe[0], on_ready, &world);
    assert_int_equal(write(world.pipe[1], "ab", 2), 2);
    loop_poll_set(world.poll, true, false);
    loop_run(world.loop);
    assert_int_equal(world.calls, 2);

    /* Switched off, it is silent though there is something to read. */
    assert_int_equal(write(world.pipe[1], "c", 1), 1);
    loop_poll_set(world.poll, false, false);
    world.timer = loop_timer_new(world.loop, on_call, &world);
    loop_timer_start(world.timer, 5, 0);
    world.stop_after = 3;
    loop_run(world.loop);
    assert_int_equal(world.calls, 3);
    loop_timer_free(world.timer);
    loop_poll_free(world.poll);
    loop_free(world.loop);
    close(world.pipe[0]);
    close(world.pipe[1]);
}

struct pair { /* whoever is called first frees the other one */
    struct loop *loop;
    struct loop_poll *polls[2];
    int pipes[2][2];
    int calls;
};

static void on_one_of_two(void *arg, bool is_readable, bool is_writable)
{
    (void)is_readable;
    (void)is_writable;
    struct pair *pair = arg;
    pair->calls++;
    for (int i = 0; i < 2; i++) {
        loop_poll_free(pair->polls[i]);
        close(pair->pipes[i][0]);
    }
    loop_stop(pair->loop);
}

/* Both are ready in one answer of the kernel's: the second one's event comes to nobody. */
static void test_an_event_of_a_freed_descriptor(void **state)
{
    (void)state;
    struct pair pair = {.loop = loop_new()};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe(pair.pipes[i]), 0);
        assert_int_equal(write(pair.pipes[i][1], "x", 1), 1);
        pair.polls[i] = loop_poll_new(pair.loop, pair.pipes[i][0], on_one_of_two, &pair);
        loop_poll_set(pair.polls[i], true, false);
    }
    loop_run(pair.loop);
    assert_int_equal(pair.calls, 1);
    close(pair.pipes[0][1]);
    close(pair.pipes[1][1]);
    loop_free(pair.loop);
}

static void on_other_end_gone(void *arg, bool is_readable, bool is_writable)
{
    struct world *world = arg;
    assert_true(is_readable && is_writable);
    called(world);
}

/* Its other end is gone: told to who waits for anything, and to nobody else. */
static void test_a_broken_descriptor(void **state)
{
    (void)state;
    struct world world = {.loop = loop_new(), .stop_after = 1};
    assert_int_equal(pipe(world.pipe), 0);
    world.poll = loop_poll_new(world.loop, world.pipe[1], on_other_end_gone, &world);
    loop_poll_set(world.poll, false, true);
    loop_poll_set(world.poll, false, false);
    close(world.pipe[0]);
    world.timer = loop_timer_new(world.loop, on_call, &world);
    loop_timer_start(world.timer, 5, 0);
    loop_run(world.loop);
    assert_int_equal(world.calls, 1); /* the timer's */
    loop_timer_free(world.timer);
    loop_poll_set(world.poll, false, true);
    world.stop_after = 2;
    loop_run(world.loop);
    assert_int_equal(world.calls, 2);
    loop_poll_free(world.poll);
    loop_free(world.loop);
    close(world.pipe[1]);
}

static void test_a_signal(void **state)
{
    (void)state;
    struct world world = {.loop = loop_new(), .stop_after = 1};
    world.signal = loop_signal_new(world.loop, SIGUSR1, on_call, &world);
    kill(getpid(), SIGUSR1);
    loop_run(world.loop);
    assert_int_equal(world.calls, 1);
    loop_signal_free(world.signal);
    loop_free(world.loop);
}

static void on_last_timer(void *arg)
{
    struct world *world = arg;
    loop_timer_free(world->timer);
    called(world);
}

static void on_last_wake(void *arg)
{
    struct world *world = arg;
    loop_waker_free(world->waker);
    called(world);
}

static void on_last_ready(void *arg, bool is_readable, bool is_writable)
{
    struct world *world = arg;
    (void)is_readable;
    (void)is_writable;
    loop_poll_free(world->poll);
    called(world);
}

static void on_last_signal(void *arg)
{
    struct world *world = arg;
    loop_signal_free(world->signal);
    called(world);
}

static void test_each_may_free_itself(void **state)
{
    (void)state;
    struct world world = {.loop = loop_new(), .stop_after = 4};
    assert_int_equal(pipe(world.pipe), 0);
    assert_int_equal(write(world.pipe[1], "x", 1), 1);
    world.timer = loop_timer_new(world.loop, on_last_timer, &world);
    world.waker = loop_waker_new(world.loop, on_last_wake, &world);
    world.poll = loop_poll_new(world.loop, world.pipe[0], on_last_ready, &world);
    world.signal = loop_signal_new(world.loop, SIGUSR1, on_last_signal, &world);
    loop_timer_start(world.timer, 1, 1);
    loop_poll_set(world.poll, true, false);
    loop_waker_wake(world.waker);
    kill(getpid(), SIGUSR1);
    loop_run(world.loop);
    assert_int_equal(world.calls, 4);
    loop_stop(world.loop); /* a late stop does not keep loop_free from finishing */
    loop_free(world.loop);
    close(world.pipe[0]);
    close(world.pipe[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_timer_repeats_and_restarts),
        cmocka_unit_test(test_a_turn_ends_after_its_callbacks),
        cmocka_unit_test(test_a_waker_from_another_thread),
        cmocka_unit_test(test_a_descriptor),
        cmocka_unit_test(test_an_event_of_a_freed_descriptor),
        cmocka_unit_test(test_a_broken_descriptor),
        cmocka_unit_test(test_a_signal),
        cmocka_unit_test(test_each_may_free_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
