/* SPDX-License-Identifier: PostgreSQL */
/* A WebSocket client for the command line, as the SDK is one: the whole token as subprotocol, the
 * canonical in the path. Blocking: one session is all that its program has. */
#ifndef HERALD_NET_CLIENT_CLIENT_H
#define HERALD_NET_CLIENT_CLIENT_H

#include <stdint.h>

#include "base/str.h"
#include "net/client/line.h"

struct client;

struct client_options {
    struct line_options line;
    const char *token; /* NULL: anonymous */
};

enum client_news_kind {
    CLIENT_NEWS_TEXT, /* a frame */
    CLIENT_NEWS_LATE, /* none came in time */
    CLIENT_NEWS_STOPPED,
    CLIENT_NEWS_CLOSED, /* the connection is over */
};

struct client_news {
    enum client_news_kind kind;
    struct str text; /* TEXT: the frame, valid until the next call. CLOSED: the reason, may be "" */
    uint16_t code;   /* CLOSED: the close code, 1006 if the connection was cut */
};

/* The sentence of a failure has the server's own words if it refuses. *is_final: it would the next
 * time, too. */
enum status client_open(const struct client_options *options, struct client **out, bool *is_final,
                        struct err *err) MUST_CHECK;
/* False: the connection is over; client_receive says so. */
bool client_send(struct client *client, struct str text);
bool client_ping(struct client *client); /* a server that lives answers, and heard_ms moves */
void client_receive(struct client *client, uint32_t timeout_ms, struct client_news *out);
uint64_t client_heard_ms(const struct client *client); /* clock_ms() of the last byte */
void client_close(struct client *client);              /* says 1000; NULL is fine */

#endif
