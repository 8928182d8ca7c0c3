/* SPDX-License-Identifier: PostgreSQL */
/* How one joins and speaks to each of the servers that are compared. All of it is WebSocket; they
 * differ in the path, in what is said before messages flow, and in the envelope. */
#ifndef HERALD_BENCH_DIALECT_H
#define HERALD_BENCH_DIALECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stamp.h"

enum { DIALECT_TEXT_MAX = 1024 };

struct position { /* where a session of before was: what a resuming join says */
    char epoch[80];
    uint64_t offset;
};

struct place {             /* what one client joins */
    const char *canonical; /* herald: the name in its path */
    const char *prefix;    /* channels are PREFIX/NUMBER, or PREFIX itself if has_number is false */
    bool has_number;
    uint32_t number;
    bool wants_presence;          /* herald */
    const struct position *since; /* herald; NULL: a fresh join */
};

enum greeting { GREETING_MORE, GREETING_JOINED, GREETING_REFUSED };

struct dialect {
    const char *name;
    void (*path)(const struct place *place, char *to, size_t size);
    /* What the server has said (NULL: the handshake is over). *reply, empty if there is none, is
     * to be sent. */
    enum greeting (*greet)(const struct place *place, const char *said,
                           char reply[DIALECT_TEXT_MAX]);
    /* A stamped message, a JSON text. */
    void (*message)(const struct place *place, const char stamp[STAMP_LEN + 1],
                    char to[DIALECT_TEXT_MAX]);
    const char *ping, *pong; /* texts of its own heartbeat, or NULL */
};

const struct dialect *dialect_find(const char *name); /* NULL: there is none */
/* What herald's acknowledgement of a join says. */
bool dialect_position(const char *said, struct position *out);

#endif
