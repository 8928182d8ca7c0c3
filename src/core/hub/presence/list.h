/* SPDX-License-Identifier: PostgreSQL */
/* The list of a channel's members, and who is told of its changes. Nothing here tells the other nodes. */
#ifndef HERALD_CORE_HUB_PRESENCE_LIST_H
#define HERALD_CORE_HUB_PRESENCE_LIST_H

#include "core/hub/presence/book.h"

void list_open(
    struct channel *channel); /* it has none, and somebody of this node is put into it now */
/* Into the list, with its reference. It is ARRIVING: to be announced, or made LISTED at once. */
void list_put(struct hub *hub, struct member *member);
void list_remove(struct hub *hub,
                 struct member *member); /* and nobody is told; takes its reference */
/* It is arriving or leaving: announced at once, or when it is time. The channel may be gone afterwards. */
void list_note_change(struct hub *hub, struct member *member);
void list_leave(struct hub *hub,
                struct member *member); /* the same of one in any state but LEAVING */
/* The other one, which is as old, stands in its place, with its state. Told is who is told of states. */
void list_replace(struct hub *hub, struct member *old, struct member *member);
/* The list as announced. */
struct frame *list_encode(const struct hub *hub, const struct channel *channel, bool with_states);
void list_wake(struct hub *hub, struct session_id id);    /* who waits to be listed waits no more */
void list_free(struct hub *hub, struct channel *channel); /* none of this node is in it */
void list_free_if_empty(struct hub *hub, struct channel *channel); /* the channel may be gone */
/* The member is one of this node from now on, or one of another node: nobody sees it. With the last of this
 * node the list ends, and the channel may be gone. */
void list_own(struct hub *hub, struct member *member);
void list_disown(struct hub *hub, struct member *member);
void list_tick(struct hub *hub);

#endif
