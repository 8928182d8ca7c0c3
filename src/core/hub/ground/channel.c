/* SPDX-License-Identifier: PostgreSQL */
/* The channels in use. A channel lives while it has members or while a read for one of its joiners
 * is under way; an idle channel costs nothing here. Names come from strangers, hence the keyed
 * hash. */
#include "core/hub/ground/channel.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct str channel_name(const struct channel *channel)
{
    return (struct str){channel->name, channel->name_len};
}

struct channel *channel_find(const struct channel_table *table, struct str name)
{
    struct channel *channel = NULL;
    HASH_FIND(hh, table->by_name, name.ptr, name.len, channel);
    return channel;
}

struct channel *channel_open(struct channel_table *table, struct str name)
{
    struct channel *channel = channel_find(table, name);
    if (channel) {
        return channel;
    }
    channel = mem_zalloc(sizeof(*channel) + name.len);
    channel->roster = roster_new(&table->numbers);
    channel->name_len = name.len;
    memcpy(channel->name, name.ptr, name.len);
    HASH_ADD_KEYPTR(hh, table->by_name, channel->name, channel->name_len, channel);
    return channel;
}

void channel_pin(struct channel *channel)
{
    channel->n_pins++;
}

void channel_unpin(struct channel_table *table, struct channel *channel)
{
    channel->n_pins--;
    channel_drop_if_unused(table, channel);
}

void channel_drop_if_unused(struct channel_table *table, struct channel *channel)
{
    if (channel->roster->n > 0 || channel->n_pins > 0 || channel->presence) {
        return;
    }
    roster_free(&table->numbers, channel->roster);
    HASH_DEL(table->by_name, channel);
    free(channel);
}

void channel_table_release(struct channel_table *table)
{
    struct channel *channel, *next;
    HASH_ITER(hh, table->by_name, channel, next)
    {
        HASH_DEL(table->by_name, channel);
        free(channel->roster);
        free(channel);
    }
    roster_numbers_release(&table->numbers);
    *table = (struct channel_table){0};
}
