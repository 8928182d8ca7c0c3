/* SPDX-License-Identifier: PostgreSQL */
/* fork, drop, exec. The order in the child matters: the death signal comes after the change of
 * user, because the kernel forgets it there, and then the parent is checked once more, because it
 * may have died before the signal was set.
 *
 * Waiting looks at the child every 20 ms instead of using a pidfd: containers with an older seccomp
 * profile refuse pidfd_open, and `dev` waits for its children only at start and stop. */
#include "cli/dev/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define LOOK_MS 20

static bool become(const struct account *account)
{
    return !account->is_other ||
           (setgroups(0, NULL) == 0 && setgid(account->gid) == 0 && setuid(account->uid) == 0);
}

static void reset_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t none;
    sigemptyset(&none);
    sigaction(SIGPIPE, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Relative paths among our options are the function's, too: it stays where we are. */
static void run_function(const struct process_options *options, int report)
{
    close(report);
    int code = options->fn(options->arg);
    fflush(stdout);
    _exit(code);
}

/* Only returns on failure, with errno. */
static void run_child(const struct process_options *options, pid_t parent, int report)
{
    setpgid(0, 0);
    reset_signals();
    umask(077);
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(options->output_fd, STDOUT_FILENO) < 0 ||
        dup2(options->output_fd, STDERR_FILENO) < 0 || !become(options->account) ||
        prctl(PR_SET_PDEATHSIG, (unsigned long)options->death_signal) != 0 ||
        (options->argv && chdir("/") != 0)) {
        return;
    }
    if (getppid() != parent) {
        _exit(EXIT_FAILURE);
    }
    if (!options->argv) {
        run_function(options, report);
    }
    execv(options->argv[0], options->argv);
}

enum status process_start(const struct process_options *options, pid_t *out, struct err *err)
{
    int report[2]; /* closed by a good exec, else holds its errno */
    pid_t parent = getpid();
    if (pipe2(report, O_CLOEXEC) != 0) {
        return err_set(err, EXIT_CODE_FAILED, "cannot make a pipe: %s", strerror(errno));
    }
    fflush(stdout); /* what waits there is said once */
    pid_t pid = fork();
    if (pid == 0) {
        run_child(options, parent, report[1]);
        int failure = errno;
        ssize_t n = write(report[1], &failure, sizeof(failure));
        (void)n;
        _exit(EXIT_FAILURE);
    }
    int failure = pid < 0 ? errno : 0;
    close(report[1]);
    while (pid > 0 && read(report[0], &failure, sizeof(failure)) < 0 && errno == EINTR) {
    }
    close(report[0]);
    if (failure != 0) {
        if (pid > 0) {
            waitpid(pid, NULL, 0);
        }
        return err_set(err, EXIT_CODE_FAILED, "cannot start %s: %s",
                       options->argv ? options->argv[0] : "a process", strerror(failure));
    }
    *out = pid;
    return STATUS_OK;
}

bool process_has_ended(pid_t pid, int *status)
{
    int result;
    while ((result = waitpid(pid, status, WNOHANG)) < 0 && errno == EINTR) {
    }
    return result != 0;
}

bool process_wait(pid_t pid, uint64_t timeout_ms, int fd, int *status)
{
    uint64_t deadline = clock_ms() + timeout_ms;
    while (!process_has_ended(pid, status)) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (clock_ms() >= deadline || poll(&poll_fd, 1, LOOK_MS) > 0) {
            return false;
        }
    }
    return true;
}

static int wait_for(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

bool process_as(const struct account *account, bool (*fn)(void *arg), void *arg)
{
    if (!account->is_other) {
        return fn(arg);
    }
    pid_t pid = fork();
    if (pid == 0) {
        _exit(become(account) && fn(arg) ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    return pid > 0 && wait_for(pid) == 0;
}

void process_output(char *const *argv, struct buf *out)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        reset_signals();
        if (null >= 0 && dup2(null, STDERR_FILENO) >= 0 && dup2(ends[1], STDOUT_FILENO) >= 0) {
            execvp(argv[0], argv);
        }
        _exit(EXIT_FAILURE);
    }
    close(ends[1]);
    char block[512];
    ssize_t n = 0;
    while (pid > 0 &&
           ((n = read(ends[0], block, sizeof(block))) > 0 || (n < 0 && errno == EINTR))) {
        buf_add(out, block, n > 0 ? (size_t)n : 0);
    }
    close(ends[0]);
    if (pid < 0 || wait_for(pid) != 0) {
        buf_clear(out);
    }
}
