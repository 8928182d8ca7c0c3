/* SPDX-License-Identifier: PostgreSQL */
/* The answer to a request head: an upgrade, or a plain answer after which the connection ends. */
#ifndef HERALD_NET_HTTP_HTTP_H
#define HERALD_NET_HTTP_HTTP_H

#include "core/command.h"
#include "net/options.h"
#include "proto/http_head.h"

struct address;
struct socket;
struct worker;

/* Queues the answer to a COMPLETE or BAD head. If the connection is a session now: its
 * COMMAND_OPEN, for session_open; else NULL. */
struct command *http_respond(struct socket *socket, const struct http_head *head);
/* It took too long. head NULL: to send the request; else to answer it. */
void http_respond_timeout(struct socket *socket, const struct http_head *head);
/* Counts a connection that does not become a session, and has the log say it: all refusals pass
 * here. head and detail may be NULL. */
void http_note_refusal(struct socket *socket, const struct http_head *head, unsigned reason,
                       const char *detail);
/* The same for one that no socket was made of. */
void http_note_unread(const struct worker *worker, const struct address *peer, unsigned reason,
                      const char *detail);
/* A whole answer for a connection that is refused unread. */
extern const char http_refusal[];

uint64_t http_page_tag(const struct net_page *page);

#endif
