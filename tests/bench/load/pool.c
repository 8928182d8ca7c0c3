/* SPDX-License-Identifier: PostgreSQL */
/* One epoll loop over all clients. They are connected a bounded number at a time, as a crowd of
 * browsers behind a listen queue would come through. */
#include "pool.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 1024 };

static const uint64_t CONNECT_LIMIT_NS = 120ULL * 1000000000ULL;

static void *zeroed(size_t n, size_t size)
{
    void *memory = calloc(n > 0 ? n : 1, size);
    if (!memory) {
        abort();
    }
    return memory;
}

void pool_init(struct pool *pool, const struct options *options, uint32_t n, uint32_t n_producers)
{
    *pool = (struct pool){
        .options = options,
        .dialect = dialect_find(options->dialect),
        .epoll = epoll_create1(EPOLL_CLOEXEC),
        .clients = zeroed(n, sizeof(struct client)),
        .sequences = zeroed((size_t)n * n_producers, sizeof(struct sequence)),
        .n = n,
        .buffer = zeroed(1, POOL_READ_BYTES + POOL_FRAME_MAX),
    };
    pool->address = (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)options->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    for (uint32_t i = 0; i < n; i++) {
        pool->clients[i] = (struct client){
            .pool = pool,
            .stream.fd = -1,
            .index = i,
            .sequences = pool->sequences + (size_t)i * n_producers,
            .place = {.canonical = options->canonical,
                      .prefix = options->prefix,
                      .has_number = !options->bare_name,
                      .number = i / options->members},
        };
    }
}

static uint32_t n_ready(const struct pool *pool)
{
    if (!pool->options->no_join) {
        return pool->n_joined;
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < pool->n; i++) {
        n += pool->clients[i].state >= CLIENT_JOINING;
    }
    return n;
}

bool pool_connect(struct pool *pool)
{
    uint64_t until = now_ns() + CONNECT_LIMIT_NS;
    uint32_t begun = 0, ready = 0;
    while (ready < pool->n && pool->n_failed == 0) {
        while (begun < pool->n && begun - ready < pool->options->concurrency) {
            client_connect(&pool->clients[begun++]);
        }
        pool_poll(pool, 100000000);
        ready = n_ready(pool);
        if (now_ns() > until) {
            fprintf(stderr, "load: only %u of %u have joined in time\n", ready, pool->n);
            return false;
        }
    }
    return pool->n_failed == 0;
}

void pool_poll(struct pool *pool, uint64_t wait_ns)
{
    struct epoll_event events[EVENTS];
    struct timespec wait = {(time_t)(wait_ns / 1000000000), (long)(wait_ns % 1000000000)};
    int n = epoll_pwait2(pool->epoll, events, EVENTS, &wait, NULL);
    for (int i = 0; i < n; i++) {
        client_on_events(events[i].data.ptr, events[i].events);
    }
}

void pool_run(struct pool *pool, uint64_t for_ns)
{
    uint64_t until = now_ns() + for_ns, now;
    while ((now = now_ns()) < until) {
        pool_poll(pool, until - now);
    }
}

void pool_release(struct pool *pool)
{
    for (uint32_t i = 0; i < pool->n; i++) {
        client_close(&pool->clients[i]);
    }
    close(pool->epoll);
    free(pool->clients);
    free(pool->sequences);
    free(pool->buffer);
}
