/* SPDX-License-Identifier: PostgreSQL */
/* CPU time comes from each thread's schedstat, which counts nanoseconds: the ticks of
 * /proc/PID/stat are 10 ms, 3 % of what a paced run uses. What ended children have used is only in
 * their parent's stat, in ticks. */
#include "usage.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

uint64_t usage_own_cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

/* The whole of a small file of /proc as text; empty if it is gone. */
static char *read_file(const char *path, char *to, size_t size)
{
    size_t n = 0;
    FILE *file = fopen(path, "re");
    if (file) {
        n = fread(to, 1, size - 1, file);
        fclose(file);
    }
    to[n] = '\0';
    return to;
}

static uint64_t threads_cpu_ns(pid_t pid)
{
    char path[64], text[512];
    uint64_t sum = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory && (entry = readdir(directory)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0])) {
            snprintf(path, sizeof(path), "/proc/%d/task/%.20s/schedstat", pid, entry->d_name);
            sum += strtoull(read_file(path, text, sizeof(text)), NULL, 10);
        }
    }
    if (directory) {
        closedir(directory);
    }
    return sum;
}

/* Field n of /proc/PID/stat, as proc(5) numbers them; from 4 on, because the name before may hold
 * anything. */
static uint64_t stat_field(pid_t pid, int n)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    const char *at = strrchr(read_file(path, text, sizeof(text)), ')');
    for (int i = 2; at && i < n; i++) {
        at = strchr(at + 1, ' ');
    }
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

static uint64_t status_kb(pid_t pid, const char *name)
{
    char path[64], text[4096];
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    const char *at = strstr(read_file(path, text, sizeof(text)), name);
    return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void add(struct usage *usage, pid_t pid)
{
    usage->cpu_ns += threads_cpu_ns(pid);
    usage->rss_bytes += status_kb(pid, "VmRSS:") * 1024;
}

struct usage usage_of(pid_t pid)
{
    struct usage usage = {0};
    if (pid == 0) {
        return usage;
    }
    add(&usage, pid);
    usage.peak_bytes = status_kb(pid, "VmHWM:") * 1024;
    uint64_t tick_ns = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);
    usage.cpu_ns += (stat_field(pid, 16) + stat_field(pid, 17)) * tick_ns;
    DIR *directory = opendir("/proc");
    const struct dirent *entry;
    while (directory && (entry = readdir(directory)) != NULL) {
        pid_t child = (pid_t)strtol(entry->d_name, NULL, 10);
        if (child > 0 && child != pid && stat_field(child, 4) == (uint64_t)pid) {
            add(&usage, child);
        }
    }
    if (directory) {
        closedir(directory);
    }
    return usage;
}
