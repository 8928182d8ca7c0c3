/* SPDX-License-Identifier: PostgreSQL */
/* A channel that somebody here has joined or is about to join, and the table of them. Hub thread
 * only. */
#ifndef HERALD_CORE_HUB_GROUND_CHANNEL_H
#define HERALD_CORE_HUB_GROUND_CHANNEL_H

#include "base/bucket.h"
#include "base/hash.h"
#include "core/hub/ground/group.h"
#include "core/site.h"

#include <uthash.h>

struct presence;
struct channel_sights;

struct channel {
    UT_hash_handle hh;
    struct group_list groups;      /* who is in it */
    struct view *views;            /* that somebody has, or asks for, by name */
    struct channel_sights *sights; /* live/sight.c: who may see its tables' rows; NULL: not asked */
    uint32_t n_regrouped;          /* how often its members were grouped anew */
    uint32_t n_pins;         /* who else refers to it: reads under way, questions about members */
    const struct rule *rule; /* of the current site; NULL: none covers it any more */
    uint64_t head;           /* newest offset known, if has_head */
    uint64_t fanned;         /* newest offset that was fanned out; the head may be ahead of it */
    bool has_head;
    bool is_new_judge;         /* the rule has another authorize function than a moment ago */
    bool has_new_list;         /* the rule lists members now and did not a moment ago */
    struct presence *presence; /* NULL: nobody is listed */
    struct bucket messages;    /* how many come on it */
    bool was_durable;          /* some message of it may be on its way through the log */
    size_t name_len;
    char name[];
};

struct channel_table {
    struct channel *by_name;
    struct roster_numbers numbers;
    void (*on_drop)(struct channel *channel); /* frees what it does not own itself */
};

struct str channel_name(const struct channel *channel);
/* The newest offset that a group of it was told, or needs not be. */
uint64_t channel_told(const struct channel *channel, const struct group *group);
struct channel *channel_find(const struct channel_table *table, struct str name);
struct channel *channel_open(struct channel_table *table, struct str name); /* finds or makes it */
/* Kept, though nobody is in it, until unpin, after which it may be gone. */
void channel_pin(struct channel *channel);
void channel_unpin(struct channel_table *table, struct channel *channel);
void channel_drop_if_unused(struct channel_table *table, struct channel *channel);
void channel_table_release(struct channel_table *table);

/* The view with this filter, of which it takes a reference, and this wish; made if it is not there.
 * NULL: another one has this name, a digest that nobody should be able to make twice.
 * Pin it. */
struct view *channel_open_view(struct channel *channel, struct filter *filter, const char *wish,
                               const char name[VIEW_NAME_LEN + 1]);
uint32_t channel_n_residue(const struct channel *channel);                      /* of its views */
struct view *channel_find_view(const struct channel *channel, struct str name); /* NULL: none */
/* NULL is fine. */
void channel_pin_view(struct view *view);
void channel_unpin_view(struct channel *channel, struct view *view);

#endif
