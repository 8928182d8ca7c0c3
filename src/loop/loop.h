/* SPDX-License-Identifier: PostgreSQL */
/* The event loop: timers, wake-ups from other threads, readiness of foreign file descriptors,
 * signals. One loop per thread; everything but loop_waker_wake is for the loop's own thread.
 * Callbacks run inside loop_run. The _free functions may be called from the object's own callback.
 */
#ifndef HERALD_LOOP_LOOP_H
#define HERALD_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_timer;
struct loop_waker;
struct loop_poll;
struct loop_signal;

typedef void loop_fn(void *arg);
typedef void loop_poll_fn(void *arg, bool is_readable, bool is_writable);

struct loop *loop_new(void);
void loop_free(struct loop *loop); /* all its objects must have been freed */
void loop_run(struct loop *loop);  /* until loop_stop */
void loop_stop(struct loop *loop);
/* Called once after each round of callbacks, before the loop sleeps: the place to hand over what a
 * turn collected. */
void loop_on_turn(struct loop *loop, loop_fn *fn, void *arg);
void *loop_native(struct loop *loop); /* the uv_loop_t, for libwebsockets */

struct loop_timer *loop_timer_new(struct loop *loop, loop_fn *fn, void *arg);
void loop_timer_start(struct loop_timer *timer, uint64_t after_ms,
                      uint64_t repeat_ms); /* repeat 0: once; restarts */
void loop_timer_stop(struct loop_timer *timer);
void loop_timer_free(struct loop_timer *timer); /* NULL is fine, as below */

struct loop_waker *loop_waker_new(struct loop *loop, loop_fn *fn, void *arg);
void loop_waker_wake(
    struct loop_waker *waker); /* from any thread; several wakes may become one call */
void loop_waker_free(struct loop_waker *waker);

struct loop_poll *loop_poll_new(struct loop *loop, int fd, loop_poll_fn *fn,
                                void *arg); /* idle at first */
void loop_poll_set(struct loop_poll *poll, bool readable, bool writable);
void loop_poll_free(struct loop_poll *poll); /* call before the fd is closed */

struct loop_signal *loop_signal_new(struct loop *loop, int signum, loop_fn *fn, void *arg);
void loop_signal_free(struct loop_signal *signal);

#endif
