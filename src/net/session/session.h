/* SPDX-License-Identifier: PostgreSQL */
/* A socket after its handshake: frames in, the closing handshake, pings; what the hub orders. */
#ifndef HERALD_NET_SESSION_SESSION_H
#define HERALD_NET_SESSION_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/transport.h"

struct command;
struct frame;
struct identity;
struct socket;
struct subscriber;

void session_open(struct socket *socket, struct command *open); /* takes the command */
void session_read(struct socket *socket, uint8_t *data, size_t len);
void session_send(struct socket *socket, struct frame *frame); /* takes the reference */
void session_attach(struct socket *socket, uint32_t roster, bool is_held);
/* Frames of one roster for one of its subscribers. Takes a reference of each. */
void session_publish(const struct subscriber *subscriber, uint32_t roster,
                     struct frame *const *frames, uint32_t n);
void session_resume_live(struct socket *socket, uint32_t roster, uint64_t skip_to,
                         enum presence_wish wish);
void session_identify(struct socket *socket, struct identity *identity);
void session_detach(struct socket *socket, uint32_t roster);
void session_close_slow(struct socket *socket, unsigned limit); /* one of METRIC_LIMIT */
void session_close(struct socket *socket, uint16_t code, const char *reason);
void session_forget(struct socket *socket); /* leaves all rosters */
void session_check_expiry(struct socket *socket, int64_t now_s);
/* False: it has not answered for too long. */
bool session_check_silence(struct socket *socket, uint64_t now_ms);
uint64_t session_unsent_bytes(const struct socket *socket);

#endif
