/* SPDX-License-Identifier: PostgreSQL */
/* The local subscribers of each channel: an array per channel, walked for every event, and the
 * mirror of it in each socket.
 *
 * An entry is removed by putting the last one into its place. Both sides hold the place of their
 * counterpart, so the moved entry's counterpart is told, and nothing is ever searched for in a
 * channel. What fan-out needs to decide (held? already seen?) stands in the channel's array, next
 * to the pointer: the walk touches no other memory for a member that does not get the frame. */
#include "net/members.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"
#include "net/socket.h"

struct members members_of(const struct member_table *table, uint32_t channel)
{
    return channel < table->n ? table->channels[channel] : (struct members){0};
}

static struct members *open_channel(struct member_table *table, uint32_t channel)
{
    if (channel >= table->n) {
        uint32_t n = table->n > 0 ? table->n : 64;
        while (n <= channel) {
            n *= 2;
        }
        table->channels = mem_array(table->channels, n, sizeof(*table->channels));
        for (uint32_t i = table->n; i < n; i++) {
            table->channels[i] = (struct members){0};
        }
        table->n = n;
    }
    return &table->channels[channel];
}

/* The subscriptions' array has no capacity of its own: it is the count, rounded up to a power of
 * two. */
static void add_subscription(struct subscriptions *subscriptions, struct subscription added)
{
    uint32_t n = subscriptions->n;
    if ((n & (n - 1)) == 0) {
        subscriptions->list =
            mem_array(subscriptions->list, n > 0 ? (size_t)n * 2 : 1, sizeof(added));
    }
    subscriptions->list[subscriptions->n++] = added;
}

void members_add(struct member_table *table, struct socket *socket, uint32_t channel, bool is_held)
{
    assert(!members_find(table, socket, channel));
    struct members *members = open_channel(table, channel);
    if (members->n == members->cap) {
        members->cap = members->cap > 0 ? members->cap * 2 : 1;
        members->list = mem_array(members->list, members->cap, sizeof(*members->list));
    }
    members->list[members->n] = (struct member){
        .socket = socket,
        .place = socket->subscriptions.n,
        .is_held = is_held,
    };
    add_subscription(&socket->subscriptions,
                     (struct subscription){.channel = channel, .place = members->n});
    members->n++;
}

/* In a session's own list: it has as many entries as the hub lets it join channels. */
static struct subscription *find_subscription(const struct socket *socket, uint32_t channel)
{
    const struct subscriptions *subscriptions = &socket->subscriptions;
    for (uint32_t i = 0; i < subscriptions->n; i++) {
        if (subscriptions->list[i].channel == channel) {
            return &subscriptions->list[i];
        }
    }
    return NULL;
}

struct member *members_find(const struct member_table *table, const struct socket *socket,
                            uint32_t channel)
{
    const struct subscription *subscription = find_subscription(socket, channel);
    return subscription ? &table->channels[channel].list[subscription->place] : NULL;
}

static void remove_member(struct members *members, uint32_t place)
{
    struct member *last = &members->list[--members->n];
    members->list[place] = *last;
    last->socket->subscriptions.list[last->place].place = place;
    if (members->n == 0) {
        free(members->list);
        *members = (struct members){0};
    } else if (members->n < members->cap / 4) {
        members->cap /= 2;
        members->list = mem_array(members->list, members->cap, sizeof(*members->list));
    }
}

static void remove_subscription(struct member_table *table, struct socket *socket, uint32_t place)
{
    struct subscriptions *subscriptions = &socket->subscriptions;
    struct subscription last = subscriptions->list[--subscriptions->n];
    if (place < subscriptions->n) {
        subscriptions->list[place] = last;
        table->channels[last.channel].list[last.place].place = place;
    }
    if (subscriptions->n == 0) {
        free(subscriptions->list);
        subscriptions->list = NULL;
    }
}

bool members_remove(struct member_table *table, struct socket *socket, uint32_t channel)
{
    const struct subscription *subscription = find_subscription(socket, channel);
    if (!subscription) {
        return false;
    }
    uint32_t place = (uint32_t)(subscription - socket->subscriptions.list);
    remove_member(&table->channels[channel], subscription->place);
    remove_subscription(table, socket, place);
    return true;
}

void members_remove_all(struct member_table *table, struct socket *socket)
{
    while (socket->subscriptions.n > 0) {
        struct subscription last = socket->subscriptions.list[socket->subscriptions.n - 1];
        remove_member(&table->channels[last.channel], last.place);
        remove_subscription(table, socket, socket->subscriptions.n - 1);
    }
}

void members_release(struct member_table *table)
{
    for (uint32_t i = 0; i < table->n; i++) {
        free(table->channels[i].list);
    }
    free(table->channels);
    *table = (struct member_table){0};
}
