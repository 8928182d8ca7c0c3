/* SPDX-License-Identifier: PostgreSQL */
/* Who is on which roster, on one worker. Each side knows its place in the other's list, so joining,
 * leaving and closing cost the same in a roster of ten thousand as in one of two. */
#ifndef HERALD_NET_SESSION_SUBSCRIBERS_H
#define HERALD_NET_SESSION_SUBSCRIBERS_H

#include <stdbool.h>
#include <stdint.h>

struct socket;

struct subscriber {
    struct socket *socket;
    uint64_t skip_to; /* durable frames up to this offset are not for it */
    uint32_t place;   /* of the entry in the socket's list */
    bool is_held;     /* frames are kept aside until resume_live */
    uint8_t wish;     /* enum presence_wish: which frames about presence it gets */
};

struct subscribers {
    struct subscriber *list;
    uint32_t n, cap;
};

struct roster_table { /* by roster number, which the hub keeps dense */
    struct subscribers *rosters;
    uint32_t n;
};

/* The roster's subscribers, an empty list if there are none. Valid until the next add or remove. A
 * remove puts the last one in the place of the removed one: whoever removes while he walks walks
 * backwards. */
struct subscribers subscribers_of(const struct roster_table *table, uint32_t roster);
void subscribers_add(struct roster_table *table, struct socket *socket, uint32_t roster,
                     bool is_held);
struct subscriber *subscribers_find(const struct roster_table *table, const struct socket *socket,
                                    uint32_t roster); /* NULL: is not attached */
bool subscribers_remove(struct roster_table *table, struct socket *socket, uint32_t roster);
void subscribers_remove_all(struct roster_table *table, struct socket *socket);
void subscribers_release(struct roster_table *table);

#endif
