/* SPDX-License-Identifier: PostgreSQL */
/* Request heads: read until they are whole, then answered, now or in a later turn. */
#ifndef HERALD_NET_HTTP_HEAD_READER_H
#define HERALD_NET_HTTP_HEAD_READER_H

#include "base/buf.h"
#include "proto/http_head.h"

struct socket;
struct worker;

struct head_reader { /* of a socket in HEAD, from the first byte on */
    struct http_head head;
    struct buf bytes; /* head points into it, once it is whole */
    struct buf more;  /* what came while it waited */
    struct socket *socket;
    struct head_reader *next, *prev; /* of those that wait for an answer, if it is one of them */
    bool is_waiting;
};

void head_reader_read(struct socket *socket, const uint8_t *data, size_t len);
void head_reader_free(struct socket *socket); /* if it has one */
/* False: not a byte has come, so there is nothing to answer. */
bool head_reader_time_out(struct socket *socket);
/* At the turn's end: answers requests that had to wait, as many as a turn has time for. False: some
 * still wait. */
bool head_reader_answer_waiting(struct worker *worker);

#endif
