/* SPDX-License-Identifier: PostgreSQL */
/* The seam to a wire protocol: pure functions, bytes to command and event to frame. Frames come
 * with their WebSocket header and one reference for the caller. */
#ifndef HERALD_CORE_PROTOCOL_H
#define HERALD_CORE_PROTOCOL_H

#include "core/command.h"
#include "core/event.h"
#include "core/frame.h"

struct protocol_joined {
    struct str channel;
    struct str client; /* JSON text of the joiner itself */
    struct str epoch;
    uint64_t offset; /* the channel's head */
    bool is_resumed;
    bool is_gap;
};

struct protocol {
    const char *name;
    /* One whole message. Never NULL: what cannot be understood becomes COMMAND_INVALID. */
    struct command *(*decode)(struct str text, struct session_id session);
    /* The JSON text of a client, as it stands in `client`. Appended to *out (a struct buf). */
    void (*client)(struct str socket_id, struct str extras, int64_t dbo_id, struct str row_id,
                   void *out);
    struct frame *(*event)(const struct event *event, bool is_replayed); /* sets frame.offset */
    struct frame *(*joined)(const struct protocol_joined *joined);
    struct frame *(*left)(struct str channel);
    struct frame *(*history)(struct str channel, struct event *const *events, size_t n);
    struct frame *(*error)(struct str channel, enum error_code code,
                           const char *text); /* text NULL: the default */
};

#endif
