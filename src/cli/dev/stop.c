/* SPDX-License-Identifier: PostgreSQL */
/* A start takes seconds, and a person may press Ctrl-C, or close the terminal, in any of them: then
 * a half-made cluster has to go and a child has to end, which no default action does. So the
 * signals become a flag and a readable descriptor.
 *
 * The one file-level state in the program besides the log's, because a signal handler can reach
 * nothing else. A signalfd would need none, but it wants the signals blocked, and a signal between
 * unblocking them and the moment in which the server's loop takes over would kill the process. This
 * way it leaves its mark, and the server's is_alive check finds it. */
#include "cli/dev/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static volatile sig_atomic_t is_asked;
static volatile sig_atomic_t event_fd = -1;

static void on_signal(int number)
{
    (void)number;
    int saved = errno;
    uint64_t one = 1;
    is_asked = 1;
    ssize_t written = write(event_fd, &one, sizeof(one));
    (void)written; /* a full counter is readable, too */
    errno = saved;
}

void stop_catch(void)
{
    if (event_fd < 0) {
        event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (event_fd < 0) {
            abort(); /* no descriptor left at the very start */
        }
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
}

bool stop_is_asked(void)
{
    return is_asked != 0;
}

int stop_fd(void)
{
    return event_fd;
}

void stop_forget(void)
{
    uint64_t count;
    ssize_t n = read(event_fd, &count, sizeof(count));
    (void)n;
    is_asked = 0;
}
