/* SPDX-License-Identifier: PostgreSQL */
/* A process that `dev` keeps running: its end is said on the terminal, and it comes back. */
#ifndef HERALD_CLI_DEV_CHILD_H
#define HERALD_CLI_DEV_CHILD_H

#include <stddef.h>
#include <stdint.h>

#include "cli/dev/process.h"

struct child {
    const char *name; /* for people: "node-2" */
    struct process_options options;
    pid_t pid; /* 0: not running */
    uint64_t started_ms, next_ms;
    uint32_t pause_ms;
    uint32_t n_starts;
};

enum status child_start(struct child *child, struct err *err) MUST_CHECK;
/* Every now and then: says that it has ended, and starts it again when the pause is over: half a
 * second, and twice as long each time that it ends within half a minute, up to 16 seconds. */
void child_look(struct child *child);
/* Asks all of them, and waits until they have ended: at most for so long, or until stop_fd() is
 * readable; then they are killed. */
void children_stop(struct child *children, size_t n, int signal, uint64_t timeout_ms);

#endif
