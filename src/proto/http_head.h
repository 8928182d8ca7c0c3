/* SPDX-License-Identifier: PostgreSQL */
/* A strict reader of HTTP/1.1 and HTTP/1.0 request heads (RFC 9112), and the few answers that the
 * server gives. No I/O. */
#ifndef HERALD_PROTO_HTTP_HEAD_H
#define HERALD_PROTO_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct rfc6455_hash;

enum {
    HTTP_HEAD_MAX =
        16384, /* bytes of a whole head; above: 431. A token of 4 KiB fits several times */
    HTTP_HEAD_LINE_MAX = 8192,  /* the request line; above: 414 (RFC 9112 asks for at least 8000) */
    HTTP_HEAD_FIELDS_MAX = 64,  /* above: 431 */
    HTTP_HEAD_BODY_MAX = 16384, /* Content-Length; above: 413 */
};

enum http_head_state { HTTP_HEAD_INCOMPLETE, HTTP_HEAD_COMPLETE, HTTP_HEAD_BAD };

struct http_head_field { /* offsets into the head */
    uint16_t name, name_len;
    uint16_t value, value_len;
};

/* Zero-initialise it. Everything from `method` on is for COMPLETE only; the spans point into the
 * bytes of the call that said it. */
struct http_head {
    const char *data;
    uint32_t searched; /* bytes that were looked at */
    uint32_t line;     /* where the current line starts; at the end: the length of the head */
    bool has_request;  /* the request line is whole */
    bool is_complete;
    bool is_in_pieces;  /* this is not the first call */
    bool is_1_0;        /* HTTP/1.0: may lack Host, and is never an upgrade */
    bool is_upgrade;    /* a valid WebSocket handshake: key and protocol are set */
    uint16_t status;    /* BAD: the status to answer with, else 0 */
    const char *reason; /* BAD: what was wrong, a literal */
    uint16_t n_fields;
    struct http_head_field fields[HTTP_HEAD_FIELDS_MAX];
    struct str method;    /* GET, HEAD or OPTIONS */
    struct str authority; /* of an absolute target, then the same as Host; else absent */
    struct str path;      /* begins with '/', not percent-decoded */
    struct str query;     /* after the '?', absent without one */
    struct str key;       /* Sec-WebSocket-Key */
    struct str protocol;  /* the first subprotocol that was offered, absent if none was */
    uint32_t content_length;
};

/* Looks at the bytes received so far, from the first of the connection on: call it again with all
 * of them (they may have moved) when more came. Bytes looked at before are not read again. COMPLETE
 * and BAD stay so; the head then has `line` bytes, and what follows it belongs to the frames or the
 * body. */
enum http_head_state http_head_read(struct http_head *head, const char *data, size_t len);
/* The value of the first field of that name, in any case; absent if there is none. */
struct str http_head_field(const struct http_head *head, const char *name);

/* The answer to a valid handshake: 101, the offered subprotocol echoed byte for byte. */
void http_accept(struct buf *out, const struct http_head *head, struct rfc6455_hash *hash);

struct http_answer {
    uint16_t status;
    const char *content_type;  /* NULL: text/plain; charset=utf-8 */
    const char *extra_headers; /* whole lines, each with its CRLF; NULL: none */
    struct str body;
    bool is_head; /* the answer to a HEAD request: the body is not sent, only its length */
};

/* A whole answer. It says Connection: close and X-Content-Type-Options: nosniff. */
void http_answer(struct buf *out, const struct http_answer *answer);
/* The answer to a BAD head, with the headers that its status needs (Allow, Sec-WebSocket-Version).
 */
void http_answer_bad(struct buf *out, const struct http_head *head);

#endif
