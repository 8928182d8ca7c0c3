/* SPDX-License-Identifier: PostgreSQL */
/* One TCP connection of a worker, from accept to close; after a handshake it is a session. All of
 * this runs on the worker's thread. */
#ifndef HERALD_NET_SOCKET_SOCKET_H
#define HERALD_NET_SOCKET_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "net/session/limits.h"
#include "net/socket/outqueue.h"
#include "proto/rfc6455.h"

struct control;
struct head_reader;
struct held;
struct loop_poll;
struct lws;
struct socket;
struct worker;

enum socket_state {
    SOCKET_HEAD,    /* the request head is not whole */
    SOCKET_ANSWER,  /* a plain answer is on its way out */
    SOCKET_SESSION, /* open */
    SOCKET_CLOSING, /* a close frame is on its way out, or sent and not answered */
    SOCKET_LINGER,  /* our side is shut; only the client's end is waited for */
};

/* Whether the kernel takes more. */
enum socket_flow {
    SOCKET_FLOW_OPEN,
    SOCKET_FLOW_BLOCKED,
    SOCKET_FLOW_RESUMING, /* it does: the client is read first, then written to */
};

/* How a session in CLOSING ends, once all is written. */
enum socket_ending {
    SOCKET_ENDING_WAIT,   /* by the client's close frame */
    SOCKET_ENDING_NOW,    /* it has sent its close frame */
    SOCKET_ENDING_LINGER, /* what it sends cannot be read any more */
};

struct entry { /* of the session on a roster (session/subscribers.h) */
    uint32_t roster;
    uint32_t place; /* of the subscriber in the roster's list */
};

struct entries {
    struct entry *list;
    uint32_t n;
};

struct arrival {
    struct address peer; /* who is at the other end; or the client, if has_client */
    /* What the header of the PROXY protocol has said (listen/proxied.h). */
    bool is_proxied;
    bool has_client;
    uint64_t cut_ms; /* when its request must be whole: counted from accept */
};

enum stream_state { STREAM_STATE_OPEN, STREAM_STATE_FULL, STREAM_STATE_BROKEN };

struct stream { /* how its bytes travel: stream/plain.c, stream/secure.c */
    /* FULL: no more for now; is_writing is to be wanted, and output_on_writable comes. */
    enum stream_state (*write)(struct socket *socket, uint8_t *data, size_t len, size_t *taken);
    void (*want)(struct socket *socket, bool is_reading, bool is_writing);
    void (*end)(struct socket *socket); /* frees the socket */
};

struct socket {
    const struct stream *stream;
    union {
        struct loop_poll *poll; /* plain */
        struct lws *wsi;        /* is_tls */
    };
    int fd;
    struct worker *worker;
    struct socket *next, *prev; /* all of the worker's */
    /* SESSION: when the client was last heard. Else: when the connection is cut. */
    uint64_t at_ms;
    struct rfc6455_decoder decoder;
    struct outqueue out;
    struct head_reader *reader;
    struct control *control;
    struct held *held; /* what waits for resume_live */
    struct entries entries;
    struct address peer; /* who is at the other end; is_named: the client, by the PROXY protocol */
    struct address from; /* has_address: whom its limits are counted for */
    struct session_budget budget;
    struct identity *identity; /* SESSION: who it is; NULL: anonymous */
    uint32_t slot;             /* SESSION, CLOSING and after them, if is_session */
    uint32_t dirty; /* 1 + its place in the worker's list of those to be written; 0: not in it */
    enum socket_state state : 4;
    enum socket_ending ending : 3;
    enum socket_flow flow : 3;
    bool is_session : 1; /* has a slot, and the hub was told of it */
    bool is_counted : 1; /* against the sessions' limit */
    bool is_broken : 1;  /* a write failed: ends with the turn */
    bool is_tls : 1;
    bool has_address : 1;
    bool is_proxy : 1;     /* `from` is a trusted proxy that names no client */
    bool is_proxied : 1;   /* it came through a proxy, by the PROXY protocol */
    bool is_named : 1;     /* the proxy has said who the client is */
    bool is_paused : 1;    /* is not read for now (transit.h) */
    bool has_spoken : 1;   /* its first byte has come */
    bool awaits_drain : 1; /* the hub waits for COMMAND_DRAINED */
    uint8_t misses;        /* pings without an answer */
};

/* Ends the connection at once. The socket is gone when it returns; not while its input is worked
 * through. */
void socket_end(struct socket *socket);
bool socket_is_read(const struct socket *socket); /* or not, for now */
void socket_set_state(struct socket *socket, enum socket_state state, uint64_t cut_after_ms);
void socket_set_flow(struct socket *socket, enum socket_flow flow);
void socket_set_paused(struct socket *socket, bool is_paused);

#endif
