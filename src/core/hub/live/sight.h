/* SPDX-License-Identifier: PostgreSQL */
/* Who sees which rows: a group's judges for the rows of one shape are a sight. Hub thread only. */
#ifndef HERALD_CORE_HUB_LIVE_SIGHT_H
#define HERALD_CORE_HUB_LIVE_SIGHT_H

#include "core/hub/live/scope.h"
#include "core/live/index.h"
#include "core/live/judge.h"

/* The site has changed: everybody is to be grouped anew (place.h). */
void sights_take_site(struct hub *hub);
void sights_drop_channel(struct channel *channel); /* for struct channel_table */

/* The group of such a subscriber, made if it is not there. */
struct group *sights_group(struct hub *hub, struct channel *channel, struct view *view,
                           struct identity *who);
/* One more group would be too many for the database to be asked for all of them. */
bool sights_are_crowded(struct hub *hub, struct channel *channel, const struct view *view,
                        const struct identity *who);
/* Tells groups of a channel apart by their claims, today and in every process; 0: there are no claims,
 * all are one group. And the same of who would join. */
uint64_t sights_digest(struct str claims);
uint64_t sights_digest_of(struct hub *hub, struct channel *channel, const struct identity *who);
/* Nobody is in it any more: it ends. */
void sights_drop_group(struct hub *hub, struct channel *channel, struct group *group);

/* ---- for tell.c ---- */

enum { VISIBLE_MAX = SCOPE_JUDGES_MAX };

struct sight_ask {      /* of the database */
    struct str visible; /* borrowed from the scope */
    struct buf party;   /* as whom: party.h */
};

struct sight { /* a group's judges for the rows of one shape */
    struct group *group;
    int64_t shape;
    struct judge *filter;               /* NULL: it has none, or is_unfit */
    struct judge *visible[VISIBLE_MAX]; /* all must agree */
    uint32_t n_visible;
    struct sight_ask asks[VISIBLE_MAX]; /* and all of these */
    uint32_t n_asks;
    bool is_unfit;  /* its filter cannot be asked of rows of this shape */
    bool is_nobody; /* nobody in the group may see any of them, or it cannot be told who may */
};

struct sight_index { /* all sights of a channel for the rows of one shape */
    int64_t shape;
    struct live_index *index; /* those with judges; what it finds is a struct sight */
    struct sight **open;      /* those without, and the unfit */
    uint32_t n_open, open_cap;
    struct column_set needed; /* what the judges look at */
};

enum sights_need {
    SIGHTS_NEED_NOTHING, /* everybody in the channel may see such rows, and nobody has a filter */
    SIGHTS_NEED_JUDGES,
    SIGHTS_NEED_GROUPS, /* the channel's members are to be grouped anew, and then asked again */
};
enum sights_need sights_need(struct hub *hub, struct channel *channel, struct shape *shape);
struct sight_index *sights_index(struct hub *hub, struct channel *channel, struct shape *shape);
struct sight *sights_of(struct hub *hub, struct group *group, struct shape *shape);
struct sight *sights_find(const struct group *group, int64_t shape); /* NULL: not made */
/* What the database is asked of rows of this shape: how many words of the owner, as JSON texts. */
size_t sights_asked(struct hub *hub, struct shape *shape, struct str visible[VISIBLE_MAX]);
/* The tables whose rows may come on the channel, as they are today: *n of them. */
struct scope *const *sights_today(struct hub *hub, struct channel *channel, uint32_t *n);
void sight_columns(const struct sight *sight,
                   struct column_set *needed); /* adds what it looks at */

#endif
