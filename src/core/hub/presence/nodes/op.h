/* SPDX-License-Identifier: PostgreSQL */
/* What one node tells another of the members whose sessions it has: what they are, and what changes.
 * Of one node a member is known by its channel and its socketId. The format is the same for a change
 * and for a part of a list, which is members that enter. */
#ifndef HERALD_CORE_HUB_PRESENCE_NODES_OP_H
#define HERALD_CORE_HUB_PRESENCE_NODES_OP_H

#include "base/buf.h"
#include "core/nodes/parcel.h"

enum op_kind { /* numbers are part of the format */
               OP_ENTER = 1,
               OP_LEAVE = 2,
               OP_STATE = 3, /* what it shows besides */
               OP_RENEW = 4, /* who it is has other extras */
               OP_FLAGS = 5,
               OP_ADOPT =
                   6, /* of no channel: a session goes on for the one that had this socketId */
};

enum {
    OP_DROPPED = 1, /* its session has dropped and may come back, on any node */
    OP_TAKEN = 2,   /* its socketId was first that of a session of another node */
    OP_MOVED = 4,   /* LEAVE: another node goes on with it, and says so itself */
};

enum { OP_CLIENT_BYTES = 64 * 1024 }; /* who shows more is shown on his own node alone */

struct op {
    enum op_kind kind;
    uint8_t flags;
    struct str channel, socket_id;
    uint64_t since_ms;
    int32_t dbo_id;    /* of who has a row: he can come back anywhere */
    struct str row_id; /* absent: he has none */
    struct str client; /* JSON text of an object */
    struct str state;  /* the same; absent: none */
};

void op_write(struct buf *out, const struct op *op);
/* False: it is none, and all that comes behind it is not to be read. */
bool op_read(struct parcel *parcel, struct op *op);
/* Of an ENTER: what it is on all nodes, as a number that is the same on all. */
uint64_t op_hash(const struct op *op, struct buf *scratch);

#endif
