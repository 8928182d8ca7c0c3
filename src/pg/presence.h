/* SPDX-License-Identifier: PostgreSQL */
/* Who is in which channel, written down for the view herald.presence. Best effort: a picture for
 * people and queries, nothing is decided by it. On a connection that somebody else keeps. */
#ifndef HERALD_PG_PRESENCE_H
#define HERALD_PG_PRESENCE_H

#include "core/store_presence.h"
#include "pg/connection.h"

struct pg_presence;

struct pg_presence *pg_presence_new(struct connection *connection,
                                    const char *node); /* copies the name */
/* From here on members are written down, until pg_presence_pause: what has not been written by then
 * is forgotten, and so is what is told afterwards. */
void pg_presence_start(struct pg_presence *presence);
void pg_presence_pause(struct pg_presence *presence);
void pg_presence_send(struct pg_presence *presence); /* the connection is open (again) */
struct store_presence pg_presence_seam(struct pg_presence *presence);
/* The end: writes that nobody is here any more, then calls done. False: that cannot be written, and
 * done is not called. */
bool pg_presence_finish(struct pg_presence *presence, loop_fn *done, void *arg);
void pg_presence_free(
    struct pg_presence *presence); /* the connection must be stopped. NULL is fine */

#endif
