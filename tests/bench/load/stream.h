/* SPDX-License-Identifier: PostgreSQL */
/* A byte stream to the server, non-blocking. stream_plain.c is TCP; tls/stream_tls.c the same
 * through TLS, for a second program: this one needs nothing but libc. */
#ifndef HERALD_BENCH_STREAM_H
#define HERALD_BENCH_STREAM_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream {
    int fd;
    void *tls;
};

enum stream_status { STREAM_DONE, STREAM_AGAIN, STREAM_BROKEN };

bool stream_open(struct stream *stream,
                 const struct sockaddr_in *to); /* connecting when it returns */
/* Goes on with the set-up. AGAIN: when the socket is readable, or (*wants_write) writable. */
enum stream_status stream_set_up(struct stream *stream, bool *wants_write);
/* *n bytes were read or written; DONE: at least one. The end of the stream is BROKEN. */
enum stream_status stream_read(struct stream *stream, uint8_t *to, size_t size, size_t *n);
enum stream_status stream_write(struct stream *stream, const uint8_t *from, size_t len, size_t *n);
void stream_close(
    struct stream *stream); /* by a reset: thousands of TIME_WAITs would use up ports */

#endif
