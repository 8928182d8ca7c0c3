/* SPDX-License-Identifier: PostgreSQL */
/* What a person gets who opens the server's address: whether it is ready, and what to do next. A
 * page where the request accepts HTML, else the same as text. */
#ifndef HERALD_NET_HTTP_FRONT_H
#define HERALD_NET_HTTP_FRONT_H

#include "proto/http_head.h"

struct socket;

/* why: one sentence without its full stop; NULL: the server is ready. 200, or 503 as /ready. */
void front_answer(struct socket *socket, const struct http_head *head, const char *why);

#endif
