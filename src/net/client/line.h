/* SPDX-License-Identifier: PostgreSQL */
/* One connection to a server, TCP or TLS, for a program that has nothing else to do: each call waits
 * for what it is about, for a time, and no longer than until stop_fd is readable. */
#ifndef HERALD_NET_CLIENT_LINE_H
#define HERALD_NET_CLIENT_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "net/client/target.h"

struct line;

struct line_options {
    const struct target *target; /* outlives the call only */
    const char *ca_file;         /* PEM; NULL: whom the system trusts */
    uint32_t timeout_ms;         /* to be connected; and for each write */
    int stop_fd;                 /* -1: none */
};

enum line_got {
    LINE_BYTES,
    LINE_LATE,    /* none came in time */
    LINE_STOPPED, /* stop_fd is readable */
    LINE_ENDED,   /* the other side has gone */
};

/* *is_final: it would fail the next time, too (a certificate that is not trusted). */
enum status line_open(const struct line_options *options, struct line **out, bool *is_final,
                      struct err *err) MUST_CHECK;
/* BYTES: *n of them, at least one. */
enum line_got line_read(struct line *line, void *to, size_t size, uint32_t timeout_ms, size_t *n);
enum line_got line_write(struct line *line, const void *from, size_t size); /* all: BYTES */
void line_close(struct line *line);                                         /* NULL is fine */

#endif
