/* SPDX-License-Identifier: PostgreSQL */
/* The event loop: epoll, and libuv as its guest.
 *
 * What the server does all the time, descriptors and wake-ups, is epoll's alone: libuv asks the
 * kernel five times for what takes two calls (it tries each descriptor out, and takes out before it
 * puts in), and a third of what a connection cost were such calls. Timers and signals are libuv's,
 * and libwebsockets lives in its loop. Its descriptor of all descriptors is one of ours; it is let
 * run when that has something, when a timer is due, and when it has something to say to the kernel
 * (that is when its timeout is zero).
 *
 * Three things are not obvious. A descriptor can be given up while the kernel's answer, with an
 * event of it, is still being worked through; so its memory goes after that, and the event finds
 * nobody. libuv frees nothing itself either and wants to see a closed handle once more: there the
 * memory goes in its close callback. That is also what makes _free safe inside the object's own
 * callback. loop_free runs libuv until the last of those callbacks came, libwebsockets' own handles
 * included.
 *
 * A loop without anything sleeps: libuv, which would not, is not asked then. */
#include "loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <utlist.h>
#include <uv.h>

#include "base/log.h"
#include "base/mem.h"

enum { EVENTS_PER_TURN = 1024 }; /* as libuv has it: the longer a turn, the larger its bursts */

struct loop {
    uv_loop_t uv;
    int epoll;
    bool is_stopped;
    loop_fn *on_turn;
    void *on_turn_arg;
    size_t n_polls;
    struct loop_poll *freed; /* to be given back when the turn's events are done */
    struct epoll_event events[EVENTS_PER_TURN];
};

struct loop_timer {
    uv_timer_t uv;
    loop_fn *fn;
    void *arg;
};

struct loop_poll {
    struct loop *loop;
    struct loop_poll *next; /* of those to be given back */
    loop_poll_fn *fn;       /* NULL: it is one of them */
    void *arg;
    int fd;
    uint32_t events; /* what the kernel was told; 0: it does not know it */
};

struct loop_waker {
    struct loop_poll *poll;
    loop_fn *fn;
    void *arg;
    int fd;
    atomic_bool is_rung; /* and not heard yet: to ring again would only cost a call */
};

struct loop_signal {
    uv_signal_t uv;
    loop_fn *fn;
    void *arg;
};

/* These functions fail only when the process has run out of file descriptors or was handed
 * nonsense: at the start, where nearly all of this happens, there is nothing to go on with. */
static void must(int result)
{
    if (result != 0) {
        log_error("the event loop cannot be set up: %s", uv_strerror(result));
        abort();
    }
}

static void must_call(int result)
{
    must(result < 0 ? -errno : 0); /* libuv's errors are the system's, negated */
}

/* The handle is the first member of each object, so its address is the object's. */
static void on_closed(uv_handle_t *handle)
{
    free(handle);
}

/* ---- the loop ---- */

struct loop *loop_new(void)
{
    struct loop *loop = mem_zalloc(sizeof(*loop));
    must(uv_loop_init(&loop->uv));
    loop->epoll = epoll_create1(EPOLL_CLOEXEC);
    must_call(loop->epoll);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}; /* NULL: the guest's */
    must_call(epoll_ctl(loop->epoll, EPOLL_CTL_ADD, uv_backend_fd(&loop->uv), &event));
    return loop;
}

static void polls_give_back(struct loop *loop)
{
    struct loop_poll *poll, *next;
    LL_FOREACH_SAFE(loop->freed, poll, next)
    {
        free(poll);
        loop->n_polls--;
    }
    loop->freed = NULL;
}

void loop_free(struct loop *loop)
{
    if (!loop) {
        return;
    }
    while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0) {
        /* Somebody's uv_stop ends one run. */
    }
    int result = uv_loop_close(&loop->uv);
    polls_give_back(loop);
    assert(result == 0 && loop->n_polls == 0); /* else an object was forgotten */
    (void)result;
    close(loop->epoll);
    free(loop);
}

static void end_turn(struct loop *loop)
{
    if (loop->on_turn) {
        loop->on_turn(loop->on_turn_arg);
    }
}

/* Of an empty loop libuv says that it needs no time at all. */
static int guest_timeout_ms(struct loop *loop)
{
    if (!uv_loop_alive(&loop->uv)) {
        return -1;
    }
    uv_update_time(&loop->uv);
    return uv_backend_timeout(&loop->uv);
}

/* An error on the descriptor is told as both, so that whoever reads or writes next meets it. */
static void poll_tell(struct loop_poll *poll, uint32_t events)
{
    bool has_failed = (events & (EPOLLERR | EPOLLHUP)) != 0;
    if (poll->fn) {
        poll->fn(poll->arg, has_failed || (events & EPOLLIN) != 0,
                 has_failed || (events & EPOLLOUT) != 0);
    }
}

static void turn(struct loop *loop)
{
    int timeout_ms = guest_timeout_ms(loop);
    int n = epoll_wait(loop->epoll, loop->events, EVENTS_PER_TURN, timeout_ms);
    bool is_guest_due = timeout_ms == 0 || n <= 0;
    for (int i = 0; i < n; i++) {
        if (loop->events[i].data.ptr) {
            poll_tell(loop->events[i].data.ptr, loop->events[i].events);
        } else {
            is_guest_due = true;
        }
    }
    polls_give_back(loop);
    if (is_guest_due) {
        uv_run(&loop->uv, UV_RUN_NOWAIT);
    }
}

void loop_run(struct loop *loop)
{
    end_turn(loop);
    while (!loop->is_stopped) {
        turn(loop);
        end_turn(loop);
    }
    loop->is_stopped = false;
}

void loop_stop(struct loop *loop)
{
    loop->is_stopped = true;
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

/* ---- file descriptors ---- */

struct loop_poll *loop_poll_new(struct loop *loop, int fd, loop_poll_fn *fn, void *arg)
{
    struct loop_poll *poll = mem_zalloc(sizeof(*poll));
    *poll = (struct loop_poll){.loop = loop, .fn = fn, .arg = arg, .fd = fd};
    loop->n_polls++;
    return poll;
}

/* A descriptor of which nothing is wanted leaves epoll: it would tell of errors all the same. */
void loop_poll_set(struct loop_poll *poll, bool readable, bool writable)
{
    uint32_t events = (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U);
    if (events == poll->events) {
        return;
    }
    int what = poll->events == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    struct epoll_event event = {.events = events, .data.ptr = poll};
    must_call(epoll_ctl(poll->loop->epoll, what, poll->fd, &event));
    poll->events = events;
}

void loop_poll_free(struct loop_poll *poll)
{
    if (poll) {
        loop_poll_set(poll, false, false);
        poll->fn = NULL;
        LL_PREPEND(poll->loop->freed, poll);
    }
}

/* ---- wakers ---- */

/* Heard before it is told: who rings from then on rings again. */
static void on_ring(void *arg, bool is_readable, bool is_writable)
{
    (void)is_readable;
    (void)is_writable;
    struct loop_waker *waker = arg;
    uint64_t ignored;
    if (read(waker->fd, &ignored, sizeof(ignored)) == (ssize_t)sizeof(ignored)) {
        atomic_exchange(&waker->is_rung, false);
        waker->fn(waker->arg);
    }
}

struct loop_waker *loop_waker_new(struct loop *loop, loop_fn *fn, void *arg)
{
    struct loop_waker *waker = mem_zalloc(sizeof(*waker));
    waker->fn = fn;
    waker->arg = arg;
    waker->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    must_call(waker->fd);
    atomic_init(&waker->is_rung, false);
    waker->poll = loop_poll_new(loop, waker->fd, on_ring, waker);
    loop_poll_set(waker->poll, true, false);
    return waker;
}

void loop_waker_wake(struct loop_waker *waker)
{
    static const uint64_t one = 1;
    if (!atomic_exchange(&waker->is_rung, true)) {
        must_call((int)write(waker->fd, &one, sizeof(one)));
    }
}

void loop_waker_free(struct loop_waker *waker)
{
    if (waker) {
        loop_poll_free(waker->poll);
        close(waker->fd);
        free(waker);
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
