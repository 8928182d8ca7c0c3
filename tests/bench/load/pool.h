/* SPDX-License-Identifier: PostgreSQL */
/* Many clients on one thread, and what the scenarios share: the options of a run, and the counting
 * of stamped messages. */
#ifndef HERALD_BENCH_POOL_H
#define HERALD_BENCH_POOL_H

#include <stdio.h>

#include "client.h"
#include "histogram.h"
#include "usage.h"

enum { POOL_READ_BYTES = 256 * 1024, POOL_FRAME_MAX = 4 * 1024 * 1024 };

struct options { /* one run of the program */
    const char *scenario;
    const char *dialect;
    const char *canonical;
    const char *prefix;
    const char *commits; /* a file of the writer: when each of its rows was committed */
    uint32_t port;
    uint32_t pid, db_pid; /* whose CPU and memory are measured; 0: nobody's */
    uint32_t channels;
    uint32_t members;   /* per channel */
    uint32_t producers; /* of a stream that others write */
    uint32_t rate;      /* messages a second, 0: as many as the window allows */
    uint32_t window;    /* messages sent and not yet delivered to all */
    uint32_t seconds;
    uint32_t expect;      /* messages per producer of others */
    uint32_t concurrency; /* connections being set up at a time */
    uint32_t bare_name;   /* the channel is the prefix itself */
    uint32_t no_join;     /* connect only */
    uint32_t also;        /* connect only: further channels for each session */
};

typedef void pool_text_fn(void *arg, struct client *client, uint8_t *text, size_t len);
typedef void pool_joined_fn(void *arg, struct client *client, const char *said);

struct pool {
    const struct options *options;
    const struct dialect *dialect;
    struct sockaddr_in address;
    int epoll;
    struct client *clients;
    struct sequence *sequences;
    uint32_t n, n_joined, n_failed;
    uint8_t *buffer;
    uint64_t now_ns; /* when what is being read came in */
    pool_text_fn *on_text;
    pool_joined_fn *on_joined; /* may be NULL */
    void *arg;
};

/* n clients, client i in channel i / members; each expects `n_producers` streams. */
void pool_init(struct pool *pool, const struct options *options, uint32_t n, uint32_t n_producers);
/* Until all have joined (with no_join: have had their handshake). False: one failed, or time is
 * up. */
bool pool_connect(struct pool *pool);
void pool_poll(struct pool *pool, uint64_t wait_ns);
void pool_run(struct pool *pool, uint64_t for_ns); /* polls for so long */
void pool_release(struct pool *pool);              /* resets all connections */

/* ---- results: one JSON object on stdout ---- */

void result_open(void);
void result_number(const char *name, double value);
void result_count(const char *name, uint64_t value);
void result_latency(const struct histogram *latency); /* p50_us, p99_us, max_us */
void result_verdict(const struct verdict *verdict);
void result_close(void);

/* ---- the scenarios; each returns the exit code ---- */

int fanout_run(const struct options *options);
int connect_run(const struct options *options);
int listen_run(const struct options *options);
int resume_run(const struct options *options);
int presence_run(const struct options *options);

#endif
