/* SPDX-License-Identifier: PostgreSQL */
/* Commands on their way to the hub, and how much waits in either direction.
 *
 * To stop reading is done lazily: a socket that brings something while we are behind is taken out
 * of the poll after it, so each costs one read (16 KiB) more at most. A timer looks whether to go
 * on; it runs only then, and a wake-up from the hub would have to be as careful as the mailbox's.
 *
 * The hub is woken at once by what somebody waits for. That a session has come or gone can wait for
 * the turn's end: in a storm of either a wake-up for each was a tenth of what they cost. */
#include "net/transit.h"

#include "base/mem.h"
#include "net/socket/socket.h"
#include "net/worker/worker.h"

enum { RESUME_MS = 5 };

void transit_submit(struct worker *worker, struct command *command)
{
    struct net_shared *shared = worker->shared;
    size_t bytes = command_bytes(command);
    atomic_fetch_add_explicit(&shared->intake_bytes, bytes, memory_order_relaxed);
    metrics_count(worker->counts, METRIC_INTAKE);
    metrics_add(worker->counts, METRIC_INTAKE_BYTES, bytes);
    bool can_wait = command->type == COMMAND_OPEN || command->type == COMMAND_CLOSE;
    const struct net_options *options = &worker->settings->options;
    options->submit(options->submit_ctx, command);
    if (can_wait) {
        worker->owes_wake = true;
    } else {
        options->wake_hub(options->submit_ctx);
    }
}

void transit_wake_hub(struct worker *worker)
{
    if (worker->owes_wake) {
        worker->owes_wake = false;
        worker->settings->options.wake_hub(worker->settings->options.submit_ctx);
    }
}

void transit_tell(struct socket *socket, enum command_type type)
{
    struct command *command = mem_zalloc(sizeof(*command));
    command->type = type;
    command->session = slots_name(&socket->worker->slots, socket->slot);
    transit_submit(socket->worker, command);
}

static size_t waiting_bytes(const struct net_shared *shared)
{
    return atomic_load_explicit(&shared->intake_bytes, memory_order_relaxed) +
           atomic_load_explicit(&shared->orders_bytes, memory_order_relaxed);
}

bool transit_is_behind(const struct net_shared *shared, const struct net_settings *settings)
{
    size_t most = settings->options.limits.transit_bytes;
    return most > 0 && waiting_bytes(shared) > most;
}

static void on_resume(void *arg)
{
    struct worker *worker = arg;
    size_t most = worker->settings->options.limits.transit_bytes; /* 0: no limit any more */
    if (most > 0 && waiting_bytes(worker->shared) > most / 2) {
        return;
    }
    loop_timer_stop(worker->resume_timer);
    worker->is_paused = false;
    for (struct socket *socket = worker->sockets; socket; socket = socket->next) {
        socket_set_paused(socket, false);
    }
}

void transit_pause(struct socket *socket)
{
    struct worker *worker = socket->worker;
    socket_set_paused(socket, true);
    if (worker->is_paused) {
        return;
    }
    worker->is_paused = true;
    metrics_count(worker->counts, METRIC_READING_PAUSES);
    metrics_count(worker->counts, METRIC_LIMITS + METRIC_LIMIT_TRANSIT_BYTES);
    if (!worker->resume_timer) {
        worker->resume_timer = loop_timer_new(worker->loop, on_resume, worker);
    }
    loop_timer_start(worker->resume_timer, RESUME_MS, RESUME_MS);
}

void transit_free(struct worker *worker)
{
    loop_timer_free(worker->resume_timer);
    worker->resume_timer = NULL;
}
