/* SPDX-License-Identifier: PostgreSQL */
/* How far something is that takes longer than a second. On a terminal it is one line that is written
 * over, and gone at the end; elsewhere a line a second at most. What is quick says nothing. */
#ifndef HERALD_CLI_PROGRESS_H
#define HERALD_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
    FILE *out;
    bool is_terminal;
    size_t n_steps;
    uint64_t began_ms, told_ms; /* told 0: nothing was said */
};

struct progress progress_begin(FILE *out, size_t n_steps, uint64_t now_ms);
/* So many are done, and this is the next. */
void progress_tell(struct progress *progress, size_t n_done, const char *next, uint64_t now_ms);
void progress_end(struct progress *progress); /* the line of a terminal is free again */

#endif
