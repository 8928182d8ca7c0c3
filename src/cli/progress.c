/* SPDX-License-Identifier: PostgreSQL */
/* The time that is left is guessed from what the steps so far have taken: they differ, so it says
 * "about". */
#include "cli/progress.h"

#include <unistd.h>

#include "base/log.h"

enum { TELL_MS = 1000 };

struct progress progress_begin(FILE *out, size_t n_steps, uint64_t now_ms)
{
    return (struct progress){.out = out,
                             .is_terminal = isatty(fileno(out)) == 1,
                             .n_steps = n_steps,
                             .began_ms = now_ms};
}

void progress_tell(struct progress *progress, size_t n_done, const char *next, uint64_t now_ms)
{
    uint64_t last_ms = progress->told_ms ? progress->told_ms : progress->began_ms;
    if (!log_is_on(LOG_LEVEL_INFO) || n_done == 0 || now_ms - last_ms < TELL_MS) {
        return;
    }
    uint64_t left_ms = (now_ms - progress->began_ms) * (progress->n_steps - n_done) / n_done;
    fprintf(progress->out, "%s%zu of %zu done, about %llu s to go: %s%s",
            progress->is_terminal ? "\r" : "", n_done, progress->n_steps,
            (unsigned long long)left_ms / 1000 + 1, next, progress->is_terminal ? "\033[K" : "\n");
    fflush(progress->out);
    progress->told_ms = now_ms;
}

void progress_end(struct progress *progress)
{
    if (progress->is_terminal && progress->told_ms) {
        fputs("\r\033[K", progress->out);
        fflush(progress->out);
    }
}
