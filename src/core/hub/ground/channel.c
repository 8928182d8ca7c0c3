/* SPDX-License-Identifier: PostgreSQL */
/* The channels in use. A channel lives while it has members or while a read for one of its joiners
 * is under way; an idle channel costs nothing here. Names come from strangers, hence the keyed
 * hash. */
#include "core/hub/ground/channel.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/hub/ground/docket.h"
#include "core/live/filter.h"

struct str channel_name(const struct channel *channel)
{
    return (struct str){channel->name, channel->name_len};
}

uint64_t channel_told(const struct channel *channel, const struct group *group)
{
    return group->docket ? docket_oldest(group->docket) - 1 : channel->fanned;
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

static void view_free(struct view *view)
{
    filter_unref(view->filter);
    free(view->wish);
    free(view);
}

static void channel_free(struct channel_table *table, struct channel *channel)
{
    table->on_drop(channel);
    docket_drop_all(&channel->groups);
    while (channel->groups.n > 0) { /* the hub ends: nobody leaves one by one */
        struct group *group = channel->groups.items[0];
        group->roster->n = 0;
        group_free(&channel->groups, &table->numbers, group);
    }
    while (channel->views) {
        struct view *view = channel->views;
        HASH_DEL(channel->views, view);
        view_free(view);
    }
    free(channel->groups.items);
    free(channel->groups.waiting);
    free(channel);
}

void channel_drop_if_unused(struct channel_table *table, struct channel *channel)
{
    if (channel->groups.n > 0 || channel->n_pins > 0 || channel->presence) {
        return;
    }
    HASH_DEL(table->by_name, channel);
    channel_free(table, channel);
}

void channel_table_release(struct channel_table *table)
{
    struct channel *channel, *next;
    HASH_ITER(hh, table->by_name, channel, next)
    {
        HASH_DEL(table->by_name, channel);
        channel_free(table, channel);
    }
    roster_numbers_release(&table->numbers);
    *table = (struct channel_table){0};
}

/* ---- views ---- */

struct view *channel_open_view(struct channel *channel, struct filter *filter, const char *wish,
                               const char name[VIEW_NAME_LEN + 1])
{
    struct view *view = channel_find_view(channel, str_of(name));
    if (view) {
        bool is_same = str_equals(filter_canonical(view->filter), filter_canonical(filter)) &&
                       strcmp(view->wish, wish) == 0;
        return is_same ? view : NULL;
    }
    view = mem_zalloc(sizeof(*view));
    view->filter = filter_ref(filter);
    view->wish = mem_strdup(wish);
    memcpy(view->name, name, sizeof(view->name));
    HASH_ADD(hh, channel->views, name, VIEW_NAME_LEN, view);
    return view;
}

uint32_t channel_n_residue(const struct channel *channel)
{
    uint32_t n = 0;
    for (const struct view *view = channel->views; view; view = view->hh.next) {
        n += view->is_residue;
    }
    return n;
}

struct view *channel_find_view(const struct channel *channel, struct str name)
{
    struct view *view = NULL;
    if (name.len == VIEW_NAME_LEN) {
        HASH_FIND(hh, channel->views, name.ptr, VIEW_NAME_LEN, view);
    }
    return view;
}

void channel_pin_view(struct view *view)
{
    if (view) {
        view->n_pins++;
    }
}

void channel_unpin_view(struct channel *channel, struct view *view)
{
    if (!view || --view->n_pins > 0) {
        return;
    }
    HASH_DEL(channel->views, view);
    view_free(view);
}
