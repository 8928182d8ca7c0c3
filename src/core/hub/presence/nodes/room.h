/* SPDX-License-Identifier: PostgreSQL */
/* Members of other nodes, by channel, and which of them are shown in this node's lists. */
#ifndef HERALD_CORE_HUB_PRESENCE_NODES_ROOM_H
#define HERALD_CORE_HUB_PRESENCE_NODES_ROOM_H

#include "core/directive.h"
#include "core/hub/presence/nodes/book.h"
#include "core/hub/presence/nodes/op.h"

/* ---- what a node tells ---- */

/* An ENTER, also of one that is there: it is as this says, and of the node's round. */
void room_enter(struct hub *hub, struct replica *replica, const struct op *op);
/* Any other kind but ADOPT, of one that may be there. */
void room_change(struct hub *hub, struct replica *replica, const struct op *op);
/* The list is complete: who was not named in its round leaves. */
void room_end_round(struct hub *hub, struct replica *replica);
/* A session of it, or of a third node, goes on under this socketId. */
void room_adopt(struct hub *hub, const struct replica *replica, const struct op *op);
/* The node is gone: who can come back lingers, the others leave. */
void room_lose(struct hub *hub, struct replica *replica);

/* ---- what happens here ---- */

/* The channel's list begins: those who are there stand in it from its beginning. */
void room_begin(struct hub *hub, struct channel *channel);
/* The session goes on with an entry that has its socketId; NULL: there is none that shows the same. It is
 * of this node from now on. */
struct member *room_take(struct hub *hub, const struct session *session, struct channel *channel);
/* The member of this node has left, or dropped. True: one of another node has contended for its seat, and
 * has it; nobody is told. The channel may be gone. */
bool room_vacate(struct hub *hub, struct member *member);
/* The socketId of an absent one of this user, which nobody has here; NULL: none. It is claimed. */
const char *room_claim(struct hub *hub, const struct identity *identity, char out[ID_TEXT_SIZE]);
/* Those who linger and whom the directive means; of others their nodes are told. */
void room_disconnect(struct hub *hub, const struct directive *directive);
void room_tick(struct hub *hub); /* who lingers leaves in the end */

#endif
