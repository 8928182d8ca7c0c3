/* SPDX-License-Identifier: PostgreSQL */
/* How an answer gets into the socket's queue. What it says is its caller's. */
#include "net/http/respond.h"

#include <string.h>

#include "net/socket/output.h"
#include "net/socket/socket.h"

enum {
    ANSWER_MS = 30000, /* to fetch a page over a bad line */
};

/* Queues the bytes as one frame and empties the buffer. */
static void push_bytes(struct socket *socket, struct buf *bytes)
{
    struct frame *frame = frame_new(bytes->len, NULL);
    memcpy(frame->bytes, bytes->data, bytes->len);
    output_push(socket, frame);
    buf_release(bytes);
}

void respond_whole(struct socket *socket, struct buf *bytes)
{
    socket_set_state(socket, SOCKET_ANSWER, ANSWER_MS);
    push_bytes(socket, bytes);
}

void respond_upgrade(struct socket *socket, struct buf *bytes)
{
    push_bytes(socket, bytes);
    /* Now: the pong for a ping in the same packet would overtake it in the queue. */
    output_write_now(socket);
}

void respond(struct socket *socket, const struct http_head *head, const struct http_answer *what)
{
    struct http_answer whole = *what;
    struct buf bytes = {0};
    whole.is_head = whole.is_head || str_equals(head->method, STR("HEAD"));
    http_answer(&bytes, &whole);
    respond_whole(socket, &bytes);
}

void respond_text(struct socket *socket, const struct http_head *head, uint16_t status,
                  const char *extra_headers, const char *text)
{
    respond(socket, head,
            &(struct http_answer){
                .status = status, .extra_headers = extra_headers, .body = str_of(text)});
}

void respond_json(struct socket *socket, const struct http_head *head, uint16_t status,
                  const char *extra_headers, struct buf *json)
{
    respond(socket, head,
            &(struct http_answer){.status = status,
                                  .content_type = "application/json",
                                  .extra_headers = extra_headers,
                                  .body = {json->data, json->len}});
    buf_release(json);
}
