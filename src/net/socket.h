/* SPDX-License-Identifier: PostgreSQL */
/* One TCP connection of a worker, from accept to close; after a handshake it is a session. All of
 * this runs on the worker's thread. */
#ifndef HERALD_NET_SOCKET_H
#define HERALD_NET_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "core/command.h"
#include "net/limits.h"
#include "net/socket/outqueue.h"
#include "net/subscribers.h"
#include "proto/http_head.h"
#include "proto/rfc6455.h"

struct lws;
struct worker;

enum socket_state {
    SOCKET_HEAD,    /* the request head is not whole */
    SOCKET_ANSWER,  /* a plain answer is on its way out */
    SOCKET_SESSION, /* open */
    SOCKET_CLOSING, /* a close frame is on its way out, or sent and not answered */
    SOCKET_LINGER,  /* our side is shut; only the client's end is waited for */
};

/* Whether the kernel takes more (output.c). */
enum socket_flow {
    SOCKET_FLOW_OPEN,
    SOCKET_FLOW_BLOCKED,  /* libwebsockets holds a rest, and will call when it is gone */
    SOCKET_FLOW_RESUMING, /* the rest is gone: the client is read first, then written to */
};

/* How a session in CLOSING ends, once all is written. */
enum socket_ending {
    SOCKET_ENDING_WAIT,   /* by the client's close frame */
    SOCKET_ENDING_NOW,    /* it has sent its close frame */
    SOCKET_ENDING_LINGER, /* what it sends cannot be read any more */
};

struct head_reader { /* in HEAD, from the first byte on */
    struct http_head head;
    struct buf bytes; /* head points into it, once it is whole */
    struct buf more;  /* what came while it waited */
    struct socket *socket;
    struct head_reader *next, *prev; /* of those that wait for an answer, if it is one of them */
    bool is_waiting;
};

struct control { /* control frames that wait to be written; a length of 0: none */
    uint8_t pong_len, ping_len, close_len;
    uint8_t ping[RFC6455_HEADER_MAX];
    uint8_t pong[RFC6455_CONTROL_MAX], close[RFC6455_CONTROL_MAX];
};

struct held { /* what waits until resume_live on one roster */
    struct held *next;
    uint32_t roster;
    struct outqueue queue;
};

struct arrival {     /* what the header of the PROXY protocol has said (listen/proxied.h) */
    uint64_t cut_ms; /* when its request must be whole: counted from accept */
    bool has_client;
    struct address client;
};

struct socket {
    struct lws *wsi;
    struct worker *worker;
    struct socket *next, *prev; /* all of the worker's */
    /* SESSION: when the client was last heard. Else: when the connection is cut. */
    uint64_t at_ms;
    struct rfc6455_decoder decoder;
    struct outqueue out;
    struct head_reader *reader;
    struct control *control;
    struct held *held;
    struct entries entries;
    struct address
        from; /* if is_named: the client; if has_address: what its limits are counted under */
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
    bool is_paused : 1;    /* is not read for now (limits.c) */
    bool has_spoken : 1;   /* its first byte has come */
    bool awaits_drain : 1; /* the hub waits for COMMAND_DRAINED */
    uint8_t misses;        /* pings without an answer */
};

/* socket.c: life, and what libwebsockets calls. */
struct lws_protocols;
const struct lws_protocols *socket_protocols(void);
/* Ends the connection at once. The socket is gone when it returns; not from inside a callback of
 * libwebsockets. */
void socket_end(struct socket *socket);
void socket_set_state(struct socket *socket, enum socket_state state, uint64_t cut_after_ms);
/* At the turn's end: answers requests that had to wait, as many as a turn has time for. False: some
 * still wait. */
bool socket_answer_waiting(struct worker *worker);

/* session.c: frames in, the closing handshake, pings; what the hub orders. */
void session_open(struct socket *socket, struct command *open); /* takes the command */
void session_read(struct socket *socket, uint8_t *data, size_t len);
void session_send(struct socket *socket, struct frame *frame); /* takes the reference */
void session_attach(struct socket *socket, uint32_t roster, bool is_held);
/* Frames of one roster for one of its subscribers. Takes a reference of each. */
void session_publish(const struct subscriber *subscriber, uint32_t roster,
                     struct frame *const *frames, uint32_t n);
void session_resume_live(struct socket *socket, uint32_t roster, uint64_t skip_to,
                         bool wants_presence);
void session_identify(struct socket *socket, struct identity *identity);
void session_detach(struct socket *socket, uint32_t roster);
void session_await_drain(struct socket *socket);
void session_look_drained(struct socket *socket);               /* something was written */
void session_close_slow(struct socket *socket, unsigned limit); /* one of METRIC_LIMIT */
void session_close(struct socket *socket, uint16_t code, const char *reason);
/* The same, and what it still sends is not read. */
void session_give_up(struct socket *socket, uint16_t code, const char *reason);
void session_forget(struct socket *socket); /* leaves all rosters */
void session_check_expiry(struct socket *socket, int64_t now_s);
/* False: it has not answered for too long. */
bool session_check_silence(struct socket *socket, uint64_t now_ms);
struct session_id session_id_of(const struct socket *socket);

/* output.c: what is queued leaves. */
void output_set_reading(struct socket *socket); /* on or off, as its flags want it */
void output_mark(struct socket *socket);        /* to be written at the end of the turn */
void output_unmark(struct socket *socket);
void output_push(struct socket *socket, struct frame *frame); /* takes the reference */
struct control *output_control(struct socket *socket);        /* made if there is none */
/* Writes until all is gone or the kernel takes no more. False: the connection is to be ended. */
bool output_write(struct socket *socket);
void output_write_now(struct socket *socket);   /* the same within a turn: it ends with the turn */
bool output_on_writable(struct socket *socket); /* as output_write, when the kernel takes more */
void output_flush(struct worker *worker);       /* the turn's end: all that were marked */

#endif
