/* SPDX-License-Identifier: PostgreSQL */
/* Who is attached to which channel, on one worker. Each side knows its place in the other's list,
 * so joining, leaving and closing cost the same in a channel of ten thousand as in one of two. */
#ifndef HERALD_NET_MEMBERS_H
#define HERALD_NET_MEMBERS_H

#include <stdbool.h>
#include <stdint.h>

struct socket;

struct member {
    struct socket *socket;
    uint64_t skip_to;    /* durable frames up to this offset are not for it */
    uint32_t place;      /* of the subscription in the socket's list */
    bool is_held;        /* frames are kept aside until the hub releases it */
    bool wants_presence; /* gets the frames for AUDIENCE_PRESENCE */
};

struct members {
    struct member *list;
    uint32_t n, cap;
};

struct member_table { /* by channel number, which the hub keeps dense */
    struct members *channels;
    uint32_t n;
};

struct subscription { /* the same from the socket's side */
    uint32_t channel;
    uint32_t place; /* of the member in the channel's list */
};

struct subscriptions {
    struct subscription *list;
    uint32_t n;
};

/* The channel's members, an empty list if there are none. Valid until the next add or remove. A
 * remove puts the last member in the place of the removed one: whoever removes while he walks walks
 * backwards. */
struct members members_of(const struct member_table *table, uint32_t channel);
void members_add(struct member_table *table, struct socket *socket, uint32_t channel, bool is_held);
struct member *members_find(const struct member_table *table, const struct socket *socket,
                            uint32_t channel); /* NULL: is not attached */
bool members_remove(struct member_table *table, struct socket *socket, uint32_t channel);
void members_remove_all(struct member_table *table, struct socket *socket);
void members_release(struct member_table *table);

#endif
