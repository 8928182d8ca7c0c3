/* SPDX-License-Identifier: PostgreSQL */
/* Who is in which channel, written down for the view herald.presence. Best effort: a picture for
 * people and queries, nothing is decided by it. On a connection that somebody else keeps. */
#ifndef HERALD_PG_MEMBERS_H
#define HERALD_PG_MEMBERS_H

#include "core/store.h"
#include "pg/connection.h"

struct members;

struct members *members_new(struct connection *connection, const char *node); /* copies the name */
/* From here on members are written down, until members_pause: what has not been written by then is
 * forgotten, and so is what is told afterwards. */
void members_start(struct members *members);
void members_pause(struct members *members);
void members_send(struct members *members); /* the connection is open (again) */
/* As the store's `members`. */
void members_tell(struct members *members, bool is_reset, const struct store_member *told,
                  size_t n);
/* The end: writes that nobody is here any more, then calls done. False: that cannot be written, and
 * done is not called. */
bool members_finish(struct members *members, loop_fn *done, void *arg);
void members_free(struct members *members); /* the connection must be stopped. NULL is fine */

#endif
