/* SPDX-License-Identifier: PostgreSQL */
/* The seam between the hub and the threads that own sockets. The hub gives orders; they reach one
 * worker in the order given. Nothing comes back but commands (core/command.h). Called on the hub
 * thread only; orders may be collected until flush.
 *
 * A roster is a list of subscribers, sessions that get the same bytes; to the workers it is a
 * number, and each keeps its own sessions' part of the list. The hub hands out the numbers and uses
 * one again only after every session on it was detached or has closed.
 *
 * For a held subscriber live frames are kept aside while the hub reads history for it: what the hub
 * sends meanwhile with `send` goes out at once, what arrives by `publish` waits. `resume_live` then
 * lets go, in order, all that waited except durable frames whose offset is <= skip_to (they were in
 * the history), and from then on drops such frames too.
 *
 * A frame with an audience goes to those subscribers only whose identity it admits. One for
 * AUDIENCE_PRESENCE or AUDIENCE_STATES goes to those for whom resume_live has wished for just that;
 * while they are held they get none, because the list that they will be sent knows it. */
#ifndef HERALD_CORE_TRANSPORT_H
#define HERALD_CORE_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/frame.h"
#include "core/session_id.h"
#include "core/site.h"

enum presence_wish { /* in this order: a later wish is for more */
                     PRESENCE_WISH_NONE,
                     PRESENCE_WISH_LIST,
                     PRESENCE_WISH_STATES,
};

struct transport {
    void *ctx;
    /* One session. Takes a reference of its own: the caller keeps his. */
    void (*send)(void *ctx, struct session_id to, struct frame *frame);
    /* All sessions of a roster on one worker. Takes a reference of its own. */
    void (*publish)(void *ctx, uint32_t worker, uint32_t roster, struct frame *frame);
    void (*attach)(void *ctx, struct session_id session, uint32_t roster, bool is_held);
    /* Of one that is not held: only its wish for presence changes. */
    void (*resume_live)(void *ctx, struct session_id session, uint32_t roster, uint64_t skip_to,
                        enum presence_wish wish);
    void (*detach)(void *ctx, struct session_id session, uint32_t roster);
    /* COMMAND_DRAINED follows once most of what the session was sent so far has gone to the kernel:
     * whoever has much to send waits for it now and then. Not if it closes before. */
    void (*await_drain)(void *ctx, struct session_id session);
    /* The session is somebody, as the database said after the handshake: decides audiences and when
     * it expires from now on. Takes a reference of its own. */
    void (*identify)(void *ctx, struct session_id session, struct identity *identity);
    /* Send what is queued, then a close frame with this code and reason (a literal). COMMAND_CLOSE
     * follows. */
    void (*close)(void *ctx, struct session_id session, uint16_t code, const char *reason);
    /* To every worker: a new gate (takes its own references); closes of all sessions, spread over
     * spread_ms. */
    void (*gate)(void *ctx, struct site_gate *gate);
    void (*close_all)(void *ctx, uint16_t code, const char *reason, uint32_t spread_ms);
    /* End of a turn: hand over what was collected and wake the workers that got something. */
    void (*flush)(void *ctx);
};

#endif
