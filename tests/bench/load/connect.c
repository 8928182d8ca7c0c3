/* SPDX-License-Identifier: PostgreSQL */
/* Sessions that come at once, as after a server's restart, and then sit there: how many a second,
 * at what CPU; what memory each takes, and what it costs while nothing happens. Memory is all that
 * the process has grown by, divided by the sessions; the kernel's socket buffers are not in it. */
#include "pool.h"

static const uint64_t SECOND = 1000000000ULL;

static void on_text(void *arg, struct client *client, uint8_t *text, size_t len)
{
    (void)arg, (void)client, (void)text, (void)len;
}

int connect_run(const struct options *options)
{
    struct pool pool;
    pid_t pid = (pid_t)options->pid;
    pool_init(&pool, options, options->channels * options->members, 1);
    pool.on_text = on_text;
    struct usage before = usage_of(pid), database_before = usage_of((pid_t)options->db_pid);
    uint64_t start = now_ns();
    if (!pool_connect(&pool)) {
        return 1;
    }
    uint64_t took = now_ns() - start;
    pool_run(&pool, SECOND / 2); /* what the server does after its last answer is part of it */
    struct usage connected = usage_of(pid), database = usage_of((pid_t)options->db_pid);
    pool_run(&pool, options->seconds * SECOND);
    struct usage idle = usage_of(pid);
    double n = pool.n, seconds = (double)took / (double)SECOND;
    result_open();
    result_count("sessions", pool.n);
    result_number("seconds", seconds);
    result_number("connects_per_s", n / seconds);
    result_number("cpu_us", (double)(connected.cpu_ns - before.cpu_ns) / 1000 / n);
    result_number("db_cpu_us", (double)(database.cpu_ns - database_before.cpu_ns) / 1000 / n);
    result_number("bytes_per_session", ((double)idle.rss_bytes - (double)before.rss_bytes) / n);
    result_number("idle_cpu_percent",
                  (double)(idle.cpu_ns - connected.cpu_ns) / 1e7 / (double)options->seconds);
    result_count("failed", pool.n_failed);
    result_close();
    pool_release(&pool);
    return pool.n_failed == 0 ? 0 : 1;
}
