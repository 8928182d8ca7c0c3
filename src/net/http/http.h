/* SPDX-License-Identifier: PostgreSQL */
/* The answer to a request head: an upgrade, or a plain answer after which the connection ends. */
#ifndef HERALD_NET_HTTP_HTTP_H
#define HERALD_NET_HTTP_HTTP_H

#include "core/command.h"
#include "net/options.h"
#include "proto/http_head.h"

struct socket;

/* Queues the answer to a COMPLETE or BAD head. If the connection is a session now: its
 * COMMAND_OPEN, for session_open; else NULL. */
struct command *http_respond(struct socket *socket, const struct http_head *head);
/* It took too long. head NULL: to send the request; else to answer it. */
void http_respond_timeout(struct socket *socket, const struct http_head *head);
uint64_t http_page_tag(const struct net_page *page);

#endif
