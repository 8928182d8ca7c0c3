/* SPDX-License-Identifier: PostgreSQL */
/* The event loop, over libuv: the one file that knows its names, so that the rest of the server
 * could move to another loop.
 *
 * Three things are not obvious. libuv frees nothing itself and wants to see a closed handle once
 * more, in a later round; so every _free only begins, and the memory goes in libuv's close
 * callback. That is also what makes _free safe inside the object's own callback. loop_free runs the
 * loop until the last of those callbacks came, libwebsockets' own handles included.
 *
 * The turn's end is libuv's "prepare" phase: it comes after timers and right before the loop polls,
 * so after everything that the previous poll has called. Its handle has a second use: it is always
 * active, so a loop without anything else sleeps instead of returning.
 *
 * A loop that was stopped does not reach that phase again; loop_run makes up for it. */
#include "loop/loop.h"

#include <assert.h>
#include <stdlib.h>

#include <uv.h>

#include "base/log.h"
#include "base/mem.h"

struct loop {
    uv_loop_t uv;
    uv_prepare_t turn;
    loop_fn *on_turn;
    void *on_turn_arg;
};

struct loop_timer {
    uv_timer_t uv;
    loop_fn *fn;
    void *arg;
};

struct loop_waker {
    uv_async_t uv;
    loop_fn *fn;
    void *arg;
};

struct loop_poll {
    uv_poll_t uv;
    loop_poll_fn *fn;
    void *arg;
};

struct loop_signal {
    uv_signal_t uv;
    loop_fn *fn;
    void *arg;
};

/* libuv's set-up functions fail only when the process has run out of file descriptors or was handed
 * nonsense: at the start, where all of this happens, there is nothing to go on with. */
static void must(int result)
{
    if (result != 0) {
        log_error("the event loop cannot be set up: %s", uv_strerror(result));
        abort();
    }
}

/* The handle is the first member of each object, so its address is the object's. */
static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

/* ---- the loop ---- */

static void on_prepare(uv_prepare_t *handle)
{
    struct loop *loop = handle->data;
    if (loop->on_turn) {
        loop->on_turn(loop->on_turn_arg);
    }
}

struct loop *loop_new(void)
{
    struct loop *loop = mem_zalloc(sizeof(*loop));
    must(uv_loop_init(&loop->uv));
    must(uv_prepare_init(&loop->uv, &loop->turn));
    loop->turn.data = loop;
    must(uv_prepare_start(&loop->turn, on_prepare));
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop) {
        return;
    }
    uv_close((uv_handle_t *)&loop->turn, NULL);
    while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0) {
        /* A loop_stop that came late ends one run. */
    }
    int result = uv_loop_close(&loop->uv);
    assert(result == 0); /* else an object was forgotten */
    (void)result;
    free(loop);
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    on_prepare(&loop->turn);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

void loop_on_turn(struct loop *loop, loop_fn *fn, void *arg)
{
    loop->on_turn = fn;
    loop->on_turn_arg = arg;
}

void *loop_native(struct loop *loop)
{
    return &loop->uv;
}

/* ---- timers ---- */

static void on_timer(uv_timer_t *handle)
{
    struct loop_timer *timer = handle->data;
    timer->fn(timer->arg);
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *arg)
{
    struct loop_timer *timer = mem_zalloc(sizeof(*timer));
    must(uv_timer_init(&loop->uv, &timer->uv));
    timer->uv.data = timer;
    timer->fn = fn;
    timer->arg = arg;
    return timer;
}

void loop_timer_start(struct loop_timer *timer, uint64_t after_ms, uint64_t repeat_ms)
{
    /* libuv counts from the time it last looked at the clock: after a long callback that is long
     * ago, and the timer would come early. */
    uv_update_time(timer->uv.loop);
    must(uv_timer_start(&timer->uv, on_timer, after_ms, repeat_ms));
}

void loop_timer_stop(struct loop_timer *timer)
{
    uv_timer_stop(&timer->uv);
}

void loop_timer_free(struct loop_timer *timer)
{
    if (timer) {
        uv_close((uv_handle_t *)&timer->uv, on_closed);
    }
}

/* ---- wakers ---- */

static void on_wake(uv_async_t *handle)
{
    struct loop_waker *waker = handle->data;
    waker->fn(waker->arg);
}

struct loop_waker *loop_waker_new(struct loop *loop, loop_fn *fn, void *arg)
{
    struct loop_waker *waker = mem_zalloc(sizeof(*waker));
    must(uv_async_init(&loop->uv, &waker->uv, on_wake));
    waker->uv.data = waker;
    waker->fn = fn;
    waker->arg = arg;
    return waker;
}

void loop_waker_wake(struct loop_waker *waker)
{
    uv_async_send(&waker->uv);
}

void loop_waker_free(struct loop_waker *waker)
{
    if (waker) {
        uv_close((uv_handle_t *)&waker->uv, on_closed);
    }
}

/* ---- file descriptors ---- */

/* An error on the descriptor is told as both, so that whoever reads or writes next meets it. */
static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct loop_poll *poll = handle->data;
    poll->fn(poll->arg, status < 0 || (events & UV_READABLE) != 0,
             status < 0 || (events & UV_WRITABLE) != 0);
}

struct loop_poll *loop_poll_new(struct loop *loop, int fd, loop_poll_fn *fn, void *arg)
{
    struct loop_poll *poll = mem_zalloc(sizeof(*poll));
    must(uv_poll_init(&loop->uv, &poll->uv, fd));
    poll->uv.data = poll;
    poll->fn = fn;
    poll->arg = arg;
    return poll;
}

void loop_poll_set(struct loop_poll *poll, bool readable, bool writable)
{
    int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
    if (events != 0) {
        must(uv_poll_start(&poll->uv, events, on_poll));
    } else {
        uv_poll_stop(&poll->uv);
    }
}

void loop_poll_free(struct loop_poll *poll)
{
    if (poll) {
        uv_close((uv_handle_t *)&poll->uv, on_closed);
    }
}

/* ---- signals ---- */

static void on_signal(uv_signal_t *handle, int signum)
{
    (void)signum;
    struct loop_signal *signal = handle->data;
    signal->fn(signal->arg);
}

struct loop_signal *loop_signal_new(struct loop *loop, int signum, loop_fn *fn, void *arg)
{
    struct loop_signal *signal = mem_zalloc(sizeof(*signal));
    must(uv_signal_init(&loop->uv, &signal->uv));
    signal->uv.data = signal;
    signal->fn = fn;
    signal->arg = arg;
    must(uv_signal_start(&signal->uv, on_signal, signum));
    return signal;
}

void loop_signal_free(struct loop_signal *signal)
{
    if (signal) {
        uv_close((uv_handle_t *)&signal->uv, on_closed);
    }
}
