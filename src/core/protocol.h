/* SPDX-License-Identifier: PostgreSQL */
/* The seam to a wire protocol: pure functions, bytes to command and event to frame. Frames come
 * with their WebSocket header and one reference for the caller. */
#ifndef HERALD_CORE_PROTOCOL_H
#define HERALD_CORE_PROTOCOL_H

#include "core/command.h"
#include "core/event.h"
#include "core/frame.h"

/* A ref is what the client wrote into its frame, and what each answer to that frame carries, so that
 * it knows which it is. Absent: it wrote none, and its answers are as if there were no such thing. */

struct protocol_joined {
    struct str channel;
    struct str view;   /* its name; absent: the plain membership */
    struct str client; /* JSON text of the joiner itself; absent: told to several */
    struct str epoch;
    uint64_t offset; /* the channel's head */
    bool is_resumed;
    bool is_gap;
    struct str ref;
    uint32_t message_bytes; /* the largest frame that a client may send; told with a ref alone */
    bool is_durable;        /* the channel keeps its messages, so they may have keys; likewise */
};

struct protocol_receipt { /* what became of a frame that has a ref and no other answer */
    struct str channel, ref;
    struct str epoch;  /* absent: it is not in the log, or it is not known where */
    uint64_t offset;   /* with an epoch */
    bool is_duplicate; /* the sender's key was used: it is there already */
    bool is_dropped;   /* the rule's function dropped it */
};

struct protocol_error {
    struct str channel, ref; /* absent: about no channel; answers nothing, or nothing with a ref */
    enum error_code code;
    const char *text;        /* NULL: the code's own */
    uint32_t retry_after_ms; /* 0: not known, or no matter of time */
};

struct protocol_renewal { /* a token was accepted in the place of another one */
    struct str ref;
    struct str client;     /* JSON text, as it is now */
    struct str expires_at; /* RFC 3339; absent: never */
};

struct protocol_event { /* an event as somebody is told it */
    const struct event_fields *f;
    struct str payload; /* the event's, or what it is to who sees only one of its rows */
    const char *moved;  /* enter, leave, unknown; NULL: nothing of the kind */
};

static inline struct protocol_event protocol_event_of(const struct event_fields *f) /* as it is */
{
    return (struct protocol_event){.f = f, .payload = f->payload};
}

struct protocol_snapshot { /* a part of the rows that there are */
    struct str channel, view;
    struct str rows;    /* JSON texts of objects, with commas between them */
    struct str reduced; /* the same, of rows that are too large: their keys */
    bool is_first;      /* what was known before is replaced, once the last part has come */
    bool is_last;       /* the rest is set on the last one: */
    bool is_complete;   /* these are all rows that pass */
    struct str epoch;
    uint64_t offset; /* of what comes next, everything after it */
};

struct protocol_member { /* of a channel, or a change of one */
    enum { PROTOCOL_MEMBER_JOIN, PROTOCOL_MEMBER_LEAVE, PROTOCOL_MEMBER_UPDATE } action;
    struct str client; /* JSON text */
    struct str state;  /* the same, of what it shows besides; absent: that is not told here */
};

struct protocol {
    const char *name;
    /* One whole message. Never NULL: what cannot be understood becomes COMMAND_INVALID. */
    struct command *(*decode)(struct str text, struct session_id session);
    /* The JSON text of a client, as it stands in `client`. Appended to *out (a struct buf).
     * identity NULL: anonymous. */
    void (*client)(struct str socket_id, const struct identity *identity, void *out);
    /* Sets the frame's offset and audience. view: as in protocol_joined. */
    struct frame *(*event)(const struct protocol_event *event, struct str view, bool is_replayed);
    struct frame *(*joined)(const struct protocol_joined *joined);
    struct frame *(*left)(struct str channel, struct str view, struct str ref);
    struct frame *(*history)(struct str channel, struct str view,
                             const struct protocol_event *events, size_t n);
    struct frame *(*snapshot)(const struct protocol_snapshot *snapshot);
    /* All members of the channel. */
    struct frame *(*presence_full)(struct str channel, const struct protocol_member *members,
                                   size_t n);
    /* n messages in one frame, for AUDIENCE_PRESENCE; of all or of none the state is told: for
     * AUDIENCE_STATES. */
    struct frame *(*presence_updates)(struct str channel, const struct protocol_member *updates,
                                      size_t n);
    struct frame *(*error)(const struct protocol_error *error);
    struct frame *(*receipt)(const struct protocol_receipt *receipt);
    struct frame *(*pong)(struct str ref);
    struct frame *(*txid)(struct str ref, uint64_t xid);
    struct frame *(*token)(const struct protocol_renewal *renewal);
};

#endif
