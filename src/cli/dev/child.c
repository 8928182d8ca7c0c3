/* SPDX-License-Identifier: PostgreSQL */
/* Somebody who tries what happens kills a process by hand, or stops it: both must look on the
 * terminal like what it was. One that ends again and again (its port was taken) is not started in a
 * loop, but it is never given up either: what is in its way may go. */
#include "cli/dev/child.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "cli/dev/stop.h"

#define FIRST_PAUSE_MS 500
#define MAX_PAUSE_MS 16000
#define STEADY_MS 30000

enum status child_start(struct child *child, struct err *err)
{
    child->started_ms = clock_ms();
    if (process_start(&child->options, &child->pid, err) != STATUS_OK) {
        child->pid = 0;
        return STATUS_FAILED;
    }
    child->n_starts++;
    return STATUS_OK;
}

static void put_off(struct child *child)
{
    uint64_t now_ms = clock_ms();
    bool is_steady = now_ms - child->started_ms >= STEADY_MS;
    uint32_t pause_ms = is_steady || child->pause_ms == 0 ? FIRST_PAUSE_MS : 2 * child->pause_ms;
    child->pause_ms = pause_ms < MAX_PAUSE_MS ? pause_ms : MAX_PAUSE_MS;
    child->next_ms = now_ms + child->pause_ms;
}

static void say_end(const struct child *child, int status)
{
    bool is_signal = WIFSIGNALED(status);
    fprintf(stderr, "%s (process %d) %s %d; it comes back in %.1f s\n", child->name,
            (int)child->pid, is_signal ? "was ended by signal" : "ended with exit code",
            is_signal ? WTERMSIG(status) : WEXITSTATUS(status), child->pause_ms / 1000.0);
}

void child_look(struct child *child)
{
    struct err err;
    int status = 0;
    if (child->pid > 0 && process_has_ended(child->pid, &status)) {
        put_off(child);
        say_end(child, status);
        child->pid = 0;
    }
    if (child->pid == 0 && clock_ms() >= child->next_ms && child_start(child, &err) != STATUS_OK) {
        put_off(child);
        fprintf(stderr, "%s: %s\n", child->name, err.text);
    }
}

void children_stop(struct child *children, size_t n, int signal, uint64_t timeout_ms)
{
    uint64_t deadline = clock_ms() + timeout_ms;
    int status;
    for (size_t i = 0; i < n; i++) {
        if (children[i].pid > 0) {
            kill(children[i].pid, signal);
            kill(children[i].pid, SIGCONT); /* somebody may have stopped it by hand */
        }
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t now_ms = clock_ms();
        uint64_t left_ms = now_ms < deadline ? deadline - now_ms : 0;
        if (children[i].pid > 0 && !process_wait(children[i].pid, left_ms, stop_fd(), &status)) {
            kill(-children[i].pid, SIGKILL);
            process_wait(children[i].pid, timeout_ms, -1, &status);
        }
        children[i].pid = 0;
    }
}
