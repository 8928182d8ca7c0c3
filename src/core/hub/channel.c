/* SPDX-License-Identifier: PostgreSQL */
/* The channels in use. A channel lives while it has members or while a read for one of its joiners
 * is under way; an idle channel costs nothing here. Names come from strangers, hence the keyed
 * hash. */
#include "core/hub/channel.h"

#include <assert.h>
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

static uint32_t take_number(struct channel_table *table)
{
    if (table->n_free > 0) {
        return table->free_numbers[--table->n_free];
    }
    return table->n_numbers++;
}

struct channel *channel_open(struct channel_table *table, struct str name)
{
    struct channel *channel = channel_find(table, name);
    if (channel) {
        return channel;
    }
    /* The counters stand behind the name, so the name's room is rounded up to their alignment. */
    size_t head = offsetof(struct channel, name) + name.len;
    head = (head + _Alignof(uint32_t) - 1) / _Alignof(uint32_t) * _Alignof(uint32_t);
    channel = mem_zalloc(head + table->n_workers * sizeof(uint32_t) + sizeof(*channel));
    channel->n_on_worker = (uint32_t *)(void *)((char *)channel + head);
    channel->number = take_number(table);
    channel->name_len = name.len;
    memcpy(channel->name, name.ptr, name.len);
    HASH_ADD_KEYPTR(hh, table->by_name, channel->name, channel->name_len, channel);
    return channel;
}

void channel_drop_if_unused(struct channel_table *table, struct channel *channel)
{
    if (channel->n_members > 0 || channel->n_pins > 0 || channel->presence) {
        return;
    }
    if (table->n_free == table->free_cap) {
        table->free_cap = table->free_cap ? table->free_cap * 2 : 64;
        table->free_numbers = mem_array(table->free_numbers, table->free_cap, sizeof(uint32_t));
    }
    table->free_numbers[table->n_free++] = channel->number;
    HASH_DEL(table->by_name, channel);
    free(channel);
}

void channel_table_release(struct channel_table *table)
{
    struct channel *channel, *next;
    HASH_ITER(hh, table->by_name, channel, next)
    {
        HASH_DEL(table->by_name, channel);
        free(channel);
    }
    free(table->free_numbers);
    *table = (struct channel_table){0};
}
