/* SPDX-License-Identifier: PostgreSQL */
/* A worker: one thread with its loop and its sockets. Everything in
 * struct worker belongs to that thread once it runs, except `inbox` and `waker`. Only what it
 * consists of stands here, so that all may know it; what a worker does, in files of its own. */
#ifndef HERALD_NET_WORKER_WORKER_H
#define HERALD_NET_WORKER_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/mailbox.h"
#include "loop/loop.h"
#include "net/session/slots.h"
#include "net/session/subscribers.h"
#include "net/settings.h"

/* The most bytes that leave in one write. Bigger gains nothing (measured), smaller costs calls. */
#define WORKER_BURST_BYTES 65536
#define WORKER_BURST_FRAMES 1024
/* Of one socket at a time. */
#define WORKER_INPUT_BYTES 16384

struct net_shared {             /* by all workers; nothing else is */
    uint64_t *page_tags;        /* a hash of each page, for its ETag */
    atomic_uint n_sessions;     /* against max_sessions */
    atomic_uint n_sockets;      /* against max_sockets of the settings */
    atomic_size_t intake_bytes; /* of commands that wait for the hub */
    atomic_size_t orders_bytes; /* of orders, and their frames, that wait for the workers */
    struct refusals *refusals;
    struct addresses *addresses, *proxies; /* clients; trusted proxies that name no client */
    struct addresses *askers;              /* who asks why he would be refused */
    int max_fds; /* the limit that libwebsockets has seen: its tables end there */
};

struct burst { /* the last concatenation made in this turn, for all who wait for the same */
    struct frame *frames[WORKER_BURST_FRAMES]; /* referenced, or another could have the address */
    uint32_t n;
    uint32_t refs; /* of each frame: its own, and those of the queues that it was written for */
    bool is_cut;   /* there was no room for the queue's next frame */
    size_t len;
    uint8_t *bytes;
};

struct closing { /* close_all under way */
    struct loop_timer *timer;
    uint16_t code;
    const char *reason;
    uint64_t started_ms;
    uint32_t spread_ms;
    uint32_t next_slot;
};

struct worker {
    struct net_shared *shared;
    struct net_settings *settings;
    uint32_t index;
    struct metrics_block *counts;
    pthread_t thread;
    bool is_started;
    struct loop *loop;
    struct mailbox *inbox; /* struct order */
    struct loop_waker *waker;
    struct order *orders; /* taken from the inbox and not carried out yet */
    size_t n_orders, next_order;
    struct lws_context *lws; /* NULL without TLS, as the host */
    struct lws_vhost *vhost;
    struct listener *listener, *tls_listener;
    const struct arrival *arrival; /* while libwebsockets adopts one */
    struct tls *tls;               /* NULL, as all with tls in its name: no TLS */
    struct site_gate *gate;        /* NULL: none came yet */
    struct socket *sockets;
    struct head_reader *waiting; /* requests that wait for a later turn, the oldest first */
    uint64_t answering_us;       /* what answering requests has taken in this turn */
    struct rfc6455_hash *hash;   /* of handshakes */
    struct slots slots;
    struct roster_table rosters;
    struct socket **dirty; /* may hold NULL: it closed meanwhile */
    size_t n_dirty, dirty_cap;
    struct burst burst;
    uint8_t *input;                  /* what was read last */
    uint64_t partial_bytes;          /* of messages that have not come whole */
    uint64_t outqueue_bytes;         /* what a queue may hold; looked up in each turn */
    bool owes_wake;                  /* to the hub, for commands that could wait (transit.h) */
    bool is_paused;                  /* some sockets are not read for now */
    struct loop_timer *resume_timer; /* NULL: was never needed */
    int64_t next_expiry_s;           /* no identity expires before; 0: none does */
    struct loop_timer *sweep_timer;
    struct closing closing;
    bool is_stopping;
    struct loop_timer *stop_timer;
};

#endif
