/* SPDX-License-Identifier: PostgreSQL */
/* The answer to a handshake of ours: a reader of HTTP/1.1 response heads (RFC 9112). No I/O. */
#ifndef HERALD_PROTO_HTTP_REPLY_H
#define HERALD_PROTO_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define HTTP_REPLY_MAX 16384 /* bytes of a head; a longer one is BAD */

enum http_reply_state { HTTP_REPLY_INCOMPLETE, HTTP_REPLY_COMPLETE, HTTP_REPLY_BAD };

struct http_reply { /* the spans point into the bytes that were read */
    uint16_t status;
    size_t head_len;     /* what follows belongs to the body, or to the frames */
    struct str accept;   /* Sec-WebSocket-Accept; these are absent if it has none */
    struct str protocol; /* Sec-WebSocket-Protocol */
    struct str length;   /* Content-Length */
};

/* All bytes so far, from the first of the connection on. *out is filled when it is COMPLETE. */
enum http_reply_state http_reply_read(struct str bytes, struct http_reply *out);
/* The body's first line, for a sentence about a refusal: as far as it came, without what is not
 * printable ASCII. */
void http_reply_line(struct str body, char *out, size_t size);

#endif
