/* SPDX-License-Identifier: PostgreSQL */
/* What a process has used, as /proc tells: a server with all its children (workers of nginx,
 * backends of Postgres), those that have ended included. */
#ifndef HERALD_BENCH_USAGE_H
#define HERALD_BENCH_USAGE_H

#include <stdint.h>
#include <sys/types.h>

struct usage {
    uint64_t cpu_ns;
    uint64_t rss_bytes;  /* resident now */
    uint64_t peak_bytes; /* the most that was resident, of the process itself */
};

/* pid 0: nobody, all zero. */
struct usage usage_of(pid_t pid);
uint64_t usage_own_cpu_ns(void);
uint64_t now_ns(void); /* CLOCK_MONOTONIC */

#endif
