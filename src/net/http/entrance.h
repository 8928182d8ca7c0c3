/* SPDX-License-Identifier: PostgreSQL */
/* Whether a handshake becomes a session, and the answer to who asks why it would not. */
#ifndef HERALD_NET_HTTP_ENTRANCE_H
#define HERALD_NET_HTTP_ENTRANCE_H

#include "core/command.h"
#include "proto/http_head.h"

struct socket;
struct worker;

/* Whether new sessions are taken now. False: *reason (METRIC_REFUSAL) says why not. */
bool entrance_is_open(const struct worker *worker, unsigned *reason);
/* A handshake on /rt/<canonical>: answers it. Its COMMAND_OPEN if the connection is a session now,
 * else NULL. */
struct command *entrance_upgrade(struct socket *socket, const struct http_head *head);
/* GET /rt/<canonical>?why: is answered by JSON, whichever page asks,
 *
 *     200 {"code":"origin","message":"<a sentence>","node":"<id>"}
 *
 * that tells why a handshake from here, by this Origin and this Authorization, would be refused
 * now. The code is that of the metric handshakes_refused_total, token_invalid, token_expired, or
 * "none". 429 with the code rate_limited: more than once a second from an address. */
bool entrance_is_why(const struct http_head *head);
void entrance_tell_why(struct socket *socket, const struct http_head *head);

#endif
