/* SPDX-License-Identifier: PostgreSQL */
/* One thing that happened on a channel: a row change or publish (action EVENT) or a client's
 * message. Immutable after it was made. One allocation: the spans point into `data`. Hub thread
 * only, so the count needs no atomics. */
#ifndef HERALD_CORE_EVENT_H
#define HERALD_CORE_EVENT_H

#include "core/audience.h"
#include "core/row/shape.h"

enum event_action { EVENT_ACTION_MESSAGE, EVENT_ACTION_EVENT };

struct event_fields {
    enum event_action action;
    uint64_t id;     /* position in the whole log (dense over all channels), 0 if not stored */
    uint64_t offset; /* position in the channel, from 1; 0: ephemeral */
    struct audience audience; /* of a message: AUTHENTICATED is options.authenticated, USER
                                 options.to */
    struct str channel;
    struct str at;        /* RFC 3339 UTC ms; absent: ephemeral */
    struct str socket_id; /* a private message's addressee; absent: public */
    struct str client;    /* JSON text of the sender, or absent (printed as null) */
    struct str payload;   /* JSON text, verbatim */
    uint64_t xid;         /* the transaction that changed the row or published; 0: a message */
    struct shape *shape;  /* what the row was captured by; NULL: there is no row */
    struct str kept;      /* JSON text of the columns that are kept, for judges alone; or absent */
};

/* The channel, which nobody can join, of events that say that rows are to be read anew: all of the
 * `shape`'s table; or, without one, all that who is in the audience has of tables whose rows the
 * database judges. */
#define EVENT_REREAD_CHANNEL STR("*")
bool event_is_reread(const struct event_fields *fields);

struct event {
    unsigned refs;
    struct event_fields f;
    char data[];
};

struct event *event_new(const struct event_fields *fields); /* copies the spans, refs the shape */
struct event *event_ref(struct event *event);
void event_unref(struct event *event); /* NULL is fine */

#endif
