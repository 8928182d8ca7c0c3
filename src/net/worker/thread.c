/* SPDX-License-Identifier: PostgreSQL */
/* The worker's thread: its loop, its inbox. All workers are made one after the other in the main
 * thread (libwebsockets' set-up is not thread-safe) and then belong to one thread each.
 *
 * Orders are carried out at the turn's end, after all sockets were read: by then the hub has
 * answered what was read first, and that leaves in the same write as what waited before. Taken when
 * the wake-up comes, somewhere between two sockets, the same messages left in twice as many writes.
 *
 * A worker ends in three steps: the sockets and our own handles are closed, libwebsockets is told to
 * go, and the loop runs until libuv has called back for each of them; only then its memory may be
 * freed.
 */
#include "net/worker/thread.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "core/site.h"
#include "net/http/head_reader.h"
#include "net/listen/listener.h"
#include "net/socket/output.h"
#include "net/socket/socket.h"
#include "net/stream/secure.h"
#include "net/tls.h"
#include "net/transit.h"
#include "net/worker/housekeeping.h"
#include "net/worker/orders.h"
#include "net/worker/worker.h"

static void on_inbox(void *arg)
{
    (void)arg; /* on_turn takes what is there: the wake-up only made the loop go round */
}

/* After all sockets of the turn were read: by then the hub has answered what was read first, and it
 * leaves in the same write as what had come before. */
static void on_turn(void *arg)
{
    struct worker *worker = arg;
    bool is_all = head_reader_answer_waiting(worker);
    transit_wake_hub(worker);
    is_all &= orders_carry_out(worker);
    output_flush(worker);
    transit_wake_hub(worker); /* for sessions that could not be written to */
    if (!is_all) {
        loop_waker_wake(worker->waker);
    }
    if (worker->is_stopping) {
        housekeeping_end_if_done(worker);
    }
}

/* ---- life ---- */

enum status thread_new(struct net_shared *shared, struct net_settings *settings, uint32_t index,
                       struct tls *tls, struct worker **out, struct err *err)
{
    struct worker *worker = mem_zalloc(sizeof(*worker));
    worker->shared = shared;
    worker->settings = net_settings_ref(settings);
    worker->index = worker->slots.worker = index;
    worker->tls = tls;
    worker->outqueue_bytes = settings->options.outqueue_bytes;
    worker->counts = metrics_block(settings->options.metrics, 1 + index);
    worker->loop = loop_new();
    worker->inbox = mailbox_new(sizeof(struct order));
    worker->waker = loop_waker_new(worker->loop, on_inbox, worker);
    worker->burst.bytes = mem_alloc(WORKER_BURST_BYTES);
    loop_on_turn(worker->loop, on_turn, worker);
    worker->input = mem_alloc(WORKER_INPUT_BYTES);
    worker->hash = rfc6455_hash_new();
    if (tls && secure_start(worker, err) != STATUS_OK) {
        thread_free(worker);
        return STATUS_FAILED;
    }
    *out = worker;
    return STATUS_OK;
}

void thread_listen(struct worker *worker, int fd, int tls_fd)
{
    worker->listener = listener_new(worker, fd, false);
    if (tls_fd >= 0) {
        worker->tls_listener = listener_new(worker, tls_fd, true);
    }
}

/* Everything that lives in the loop. Not on the worker's thread but on the one that waits for all
 * of them to end, because libwebsockets 4.1.6 closes the descriptor of its event pipe twice, a loop
 * round apart: with other threads about, the second time it could be somebody else's. */
void thread_close_down(struct worker *worker)
{
    if (!worker->loop) {
        return;
    }
    loop_on_turn(worker->loop, NULL, NULL);
    listener_free(worker->listener);
    listener_free(worker->tls_listener);
    worker->listener = worker->tls_listener = NULL;
    while (worker->sockets) {
        socket_end(worker->sockets);
    }
    transit_wake_hub(worker);
    housekeeping_free(worker);
    transit_free(worker);
    secure_stop(worker);
    loop_waker_free(worker->waker);
    worker->waker = NULL;
    loop_free(worker->loop);
    worker->loop = NULL;
    secure_stop(worker);
    worker->lws = NULL;
}

static void *thread_run(void *arg)
{
    struct worker *worker = arg;
    listener_start(worker->listener);
    listener_start(worker->tls_listener);
    housekeeping_start(worker);
    loop_run(worker->loop);
    return NULL;
}

void thread_start(struct worker *worker)
{
    /* Signals are the main thread's. */
    sigset_t all, before;
    char name[16];
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&worker->thread, NULL, thread_run, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (result != 0) {
        abort(); /* as with exhausted memory: a server without its threads is none */
    }
    snprintf(name, sizeof(name), "worker-%u", worker->index % 1000);
    pthread_setname_np(worker->thread, name);
    worker->is_started = true;
}

void thread_join(struct worker *worker)
{
    if (worker->is_started) {
        pthread_join(worker->thread, NULL);
        worker->is_started = false;
    }
}

void thread_free(struct worker *worker)
{
    if (!worker) {
        return;
    }
    assert(!worker->is_started);
    thread_close_down(worker);
    orders_drop(worker);
    mailbox_free(worker->inbox);
    site_gate_unref(worker->gate);
    net_settings_unref(worker->settings);
    tls_free(worker->tls);
    slots_release(&worker->slots);
    subscribers_release(&worker->rosters);
    free(worker->dirty);
    free(worker->burst.bytes);
    free(worker->input);
    rfc6455_hash_free(worker->hash);
    free(worker);
}
