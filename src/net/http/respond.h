/* SPDX-License-Identifier: PostgreSQL */
/* Plain answers: each is queued whole, and the connection ends behind it. */
#ifndef HERALD_NET_HTTP_RESPOND_H
#define HERALD_NET_HTTP_RESPOND_H

#include "base/buf.h"
#include "proto/http_head.h"

struct socket;

/* Headers that several answers have. */
#define RESPOND_RETRY "Retry-After: 2\r\n"
#define RESPOND_NO_STORE "Cache-Control: no-store\r\n"
#define RESPOND_ANY_ORIGIN                                                                         \
    "Access-Control-Allow-Origin: *\r\nCross-Origin-Resource-Policy: cross-origin\r\n"

void respond(struct socket *socket, const struct http_head *head, const struct http_answer *what);
/* extra_headers: as in struct http_answer. */
void respond_text(struct socket *socket, const struct http_head *head, uint16_t status,
                  const char *extra_headers, const char *text);
void respond_json(struct socket *socket, const struct http_head *head, uint16_t status,
                  const char *extra_headers, struct buf *json); /* empties *json */
/* A whole answer, made elsewhere. Empties *bytes. */
void respond_whole(struct socket *socket, struct buf *bytes);
/* The same, but the connection goes on. */
void respond_upgrade(struct socket *socket, struct buf *bytes);

#endif
