/* SPDX-License-Identifier: PostgreSQL */
/* Whether a handshake may become a session as far as its origin and its address are concerned. */
#ifndef HERALD_NET_HTTP_ADMISSION_H
#define HERALD_NET_HTTP_ADMISSION_H

#include "net/http/addresses.h"
#include "proto/http_head.h"

struct socket;

/* The Origin header against the option's list; NULL: any. */
bool admission_has_origin(const char *origins, const struct http_head *head);
/* Counts the handshake, and the session to be, against its client's address, or against the trusted
 * proxy that names none (socket->is_proxy). */
enum admission admission_enter(struct socket *socket, const struct http_head *head);
/* What admission_enter would say; counts nothing. */
enum admission admission_judge(struct socket *socket, const struct http_head *head);
/* Counts a question about it, which has a limit of its own. False: there are too many. */
bool admission_may_ask(const struct socket *socket, const struct http_head *head);
void admission_leave(struct socket *socket); /* the session ends, or did not come to be */
/* For whom a peer asks: itself, or whom it names as a trusted proxy. False: it is one that names
 * nobody, and *client is the proxy. head NULL: none came. */
bool admission_client(const struct socket *socket, const struct http_head *head,
                      struct address *client);

#endif
