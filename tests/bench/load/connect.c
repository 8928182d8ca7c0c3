/* SPDX-License-Identifier: PostgreSQL */
/* Sessions that come at once, as after a server's restart, and then sit there: how many a second,
 * at what CPU; what memory each takes, and what it costs while nothing happens. Memory is all that
 * the process has grown by, divided by the sessions; the kernel's socket buffers are not in it.
 *
 * With `also`, each session joins so many channels more, which are its own: a crowd of idle
 * channels. "joined" is printed when all of it stands. */
#include <stdlib.h>
#include <string.h>

#include "pool.h"

static const uint64_t SECOND = 1000000000ULL;
enum { ALSO_LIMIT_S = 60 };

static void on_text(void *arg, struct client *client, uint8_t *text, size_t len)
{
    uint64_t *n_also = arg;
    char *said = strndup((const char *)text, len), reply[DIALECT_TEXT_MAX];
    *n_also += client->pool->dialect->greet(&client->place, said, reply) == GREETING_JOINED;
    free(said);
}

static bool join_more(struct pool *pool, const uint64_t *n_also)
{
    uint64_t until = now_ns() + ALSO_LIMIT_S * SECOND;
    uint32_t also = pool->options->also;
    for (uint32_t i = 0; i < pool->n; i++) {
        char text[DIALECT_TEXT_MAX];
        struct place place = pool->clients[i].place;
        place.number = pool->options->channels + i * also;
        for (uint32_t n = 0; n < also; n++, place.number++) {
            pool->dialect->greet(&place, NULL, text);
            client_text(&pool->clients[i], text, strlen(text));
        }
        client_flush(&pool->clients[i]);
        pool_poll(pool, 0);
    }
    uint64_t wanted = (uint64_t)pool->n * also;
    while (*n_also < wanted && pool->n_failed == 0 && now_ns() < until) {
        pool_poll(pool, SECOND / 10);
    }
    if (*n_also != wanted) {
        fprintf(stderr, "load: %llu of %llu further channels were joined\n",
                (unsigned long long)*n_also, (unsigned long long)wanted);
    }
    return *n_also == wanted;
}

int connect_run(const struct options *options)
{
    struct pool pool;
    pid_t pid = (pid_t)options->pid;
    uint64_t n_also = 0;
    pool_init(&pool, options, options->channels * options->members, 1);
    pool.on_text = on_text;
    pool.arg = &n_also;
    struct usage before = usage_of(pid), database_before = usage_of((pid_t)options->db_pid);
    uint64_t start = now_ns();
    if (!pool_connect(&pool)) {
        return 1;
    }
    if (options->also > 0 && !join_more(&pool, &n_also)) {
        return 1;
    }
    uint64_t took = now_ns() - start;
    printf("joined\n");
    fflush(stdout);
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
