/* SPDX-License-Identifier: PostgreSQL */
/* One WebSocket client of a pool: it connects, joins its place, and hands every text that follows
 * to the pool's owner. */
#ifndef HERALD_BENCH_CLIENT_H
#define HERALD_BENCH_CLIENT_H

#include "dialect.h"
#include "stream.h"

struct pool;

enum client_state {
    CLIENT_IDLE,       /* not begun, or closed by us */
    CLIENT_CONNECTING, /* TCP, TLS */
    CLIENT_HANDSHAKE,  /* the HTTP answer is not whole */
    CLIENT_JOINING,
    CLIENT_JOINED,
    CLIENT_FAILED, /* refused, or the server ended it */
};

struct client {
    struct pool *pool;
    struct stream stream;
    struct place place;
    uint32_t index; /* in its pool */
    uint32_t hint;  /* where the last stamp stood in its frame */
    enum client_state state;
    uint32_t events; /* what epoll was told to look for */
    uint8_t *rest;   /* the beginning of a frame whose end is not there yet */
    size_t n_rest;
    uint8_t *out; /* frames to be written */
    size_t n_out, out_cap;
    struct sequence *sequences; /* one per producer of its place */
};

void client_connect(struct client *client);
void client_on_events(struct client *client, uint32_t events);
void client_text(struct client *client, const char *text, size_t len); /* queued until flushed */
void client_flush(struct client *client);
void client_close(struct client *client);

#endif
