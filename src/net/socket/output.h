/* SPDX-License-Identifier: PostgreSQL */
/* What is queued leaves. */
#ifndef HERALD_NET_SOCKET_OUTPUT_H
#define HERALD_NET_SOCKET_OUTPUT_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/rfc6455.h"

struct frame;
struct socket;
struct worker;

struct control { /* control frames that wait to be written; a length of 0: none */
    uint8_t pong_len, ping_len, close_len;
    uint8_t ping[RFC6455_HEADER_MAX];
    uint8_t pong[RFC6455_CONTROL_MAX], close[RFC6455_CONTROL_MAX];
};

void output_mark(struct socket *socket); /* to be written at the end of the turn */
void output_unmark(struct socket *socket);
void output_push(struct socket *socket, struct frame *frame); /* takes the reference */
struct control *output_control(struct socket *socket);        /* made if there is none */
/* Writes until all is gone or the kernel takes no more. False: the connection is to be ended. */
bool output_write(struct socket *socket);
void output_write_now(struct socket *socket);   /* the same within a turn: it ends with the turn */
bool output_on_writable(struct socket *socket); /* as output_write, when the kernel takes more */
void output_flush(struct worker *worker);       /* the turn's end: all that were marked */
/* The hub wants COMMAND_DRAINED once most of it is written: now, or later. */
void output_await_drain(struct socket *socket);

#endif
