/* SPDX-License-Identifier: PostgreSQL */
/* A channel that somebody here has joined or is about to join, and the table of them. Hub thread
 * only. */
#ifndef HERALD_CORE_HUB_CHANNEL_H
#define HERALD_CORE_HUB_CHANNEL_H

#include "base/bucket.h"
#include "base/hash.h"
#include "core/site.h"

#include <uthash.h>

struct presence;

struct channel {
    UT_hash_handle hh;
    uint32_t number;         /* how workers name it; dense, used again after a free */
    uint32_t n_members;      /* subscriptions, over all workers */
    uint32_t n_pins;         /* reads under way that refer to it */
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
    uint32_t *n_on_worker; /* members per worker, n_workers entries, behind the name */
    char name[];
};

struct channel_table {
    struct channel *by_name;
    uint32_t n_workers;
    uint32_t n_numbers; /* numbers given out so far */
    uint32_t *free_numbers;
    size_t n_free, free_cap;
};

struct str channel_name(const struct channel *channel);
struct channel *channel_find(const struct channel_table *table, struct str name);
struct channel *channel_open(struct channel_table *table, struct str name); /* finds or makes it */
void channel_drop_if_unused(struct channel_table *table, struct channel *channel);
void channel_table_release(struct channel_table *table);

#endif
