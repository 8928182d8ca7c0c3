/* SPDX-License-Identifier: PostgreSQL */
/* Child processes of `dev`, and doing things as the unprivileged user that Postgres runs as. */
#ifndef HERALD_CLI_DEV_PROCESS_H
#define HERALD_CLI_DEV_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct account { /* whom Postgres runs as */
    uid_t uid;
    gid_t gid;
    bool is_other; /* not ourselves: we are root and switch */
};

struct process_options {
    char *const *argv; /* argv[0] is a full path; NULL: fn runs, in a copy of this process */
    /* Its exit code. It has all that is open here, and has to let go of what it does not need. */
    int (*fn)(void *arg);
    void *arg;
    const struct account *account;
    int output_fd;    /* for stdout and stderr */
    int death_signal; /* sent to it when we die, however that happens */
};

/* In its own process group, so that a Ctrl-C in the terminal reaches us alone; reports a failed
 * exec. The calling thread must live as long as the child may: the death signal is the thread's. */
enum status process_start(const struct process_options *options, pid_t *out,
                          struct err *err) MUST_CHECK;
bool process_has_ended(pid_t pid, int *status); /* reaps it: ask no more after true */
/* True if it ended within the time; false at once when fd (-1: none) is readable. */
bool process_wait(pid_t pid, uint64_t timeout_ms, int fd, int *status);

/* Runs fn in a child that is the account; true if fn returned true. */
bool process_as(const struct account *account, bool (*fn)(void *arg), void *arg);
/* Stdout of a short command of ours; empty if it cannot run or fails. */
void process_output(char *const *argv, struct buf *out);

#endif
