/* SPDX-License-Identifier: PostgreSQL */
/* A member whose session is on another node, as that node has told it: where it is kept, and found. */
#ifndef HERALD_CORE_HUB_PRESENCE_NODES_ENTRY_H
#define HERALD_CORE_HUB_PRESENCE_NODES_ENTRY_H

#include "core/hub/presence/nodes/book.h"
#include "core/hub/presence/nodes/op.h"

struct rooms *rooms_new(void);
void rooms_free(struct rooms *rooms);                               /* no list shows any of them */
uint64_t rooms_n(const struct hub *hub);                            /* entries */
struct room *room_find(const struct rooms *rooms, struct str name); /* NULL: there is none */
struct str room_name(const struct room *room);

/* A new entry of the node, in its room and its seat; of the op all but client, state and flags. */
struct entry *entry_new(struct hub *hub, struct replica *replica, const struct op *op);
/* The node's that has this place; NULL: it has none there. */
struct entry *entry_find(const struct rooms *rooms, const struct replica *replica,
                         struct str channel, struct str socket_id);
void entry_set_text(struct str *text,
                    struct str to); /* frees what was there, copies; absent is fine */
void entry_count(struct rooms *rooms, struct entry *entry); /* what it is has changed: the digest */
void entry_disown(struct entry *entry); /* out of its node's: it is nobody's then */
/* It is nobody's, and is not shown. Its room may be gone afterwards. */
void entry_release(struct rooms *rooms, struct entry *entry);
struct str entry_socket(const struct entry *entry);
/* Its session is connected, as far as is known. */
bool entry_is_alive(const struct entry *entry);

/* ---- seats ---- */

/* Of two claims on a seat, each of which is alive: by whether the socketId was taken up, and by node. True:
 * it has the seat. */
bool claim_is_before(bool is_taken, const char *node, bool other_is_taken, const char *other);
bool entry_is_before(const struct entry *a, const struct entry *b); /* the same; both are alive */
/* The first of the seat, NULL: nobody has it. */
struct entry *seat_find(const struct rooms *rooms, struct room *room, struct str socket_id);
struct entry *seat_shown(struct entry *first); /* the one that is shown; NULL: none is */
/* Who of a seat is alive, and before all others but this one; NULL: nobody. */
struct entry *seat_best(struct entry *first, const struct entry *but);
struct entry *seat_heir(const struct rooms *rooms, const struct entry *but); /* of its seat */

#endif
