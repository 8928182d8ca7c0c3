/* SPDX-License-Identifier: PostgreSQL */
/* Who of a channel's members is shown which rows. A view is a filter that members joined with; the
 * plain membership has none, sees all rows, and gets messages, publishes and presence besides. A
 * group is those of one view whom no table's `visible` tells apart: they get the same bytes, so a
 * group has a roster. Where nobody filters and no table says who may see it, a channel has one
 * group. Hub thread only. */
#ifndef HERALD_CORE_HUB_GROUND_GROUP_H
#define HERALD_CORE_HUB_GROUND_GROUP_H

#include "base/hash.h"
#include "core/hub/ground/roster.h"
#include "core/identity.h"

#include <uthash.h>

enum { VIEW_NAME_LEN = 11 };

struct filter; /* core/live */
struct sight_list;
struct docket; /* docket.h */

struct view {
    UT_hash_handle hh;
    struct filter *filter;
    char *wish;      /* how its snapshot is cut: hub/snapshot/wish.h; "": not at all */
    uint32_t n_pins; /* subscriptions and reads under way that refer to it */
    bool is_residue; /* each row must be tried: no index finds it */
    char name[VIEW_NAME_LEN + 1];
};

struct group {
    UT_hash_handle hh;
    uint32_t at;       /* where it is in the list */
    struct view *view; /* NULL: plain; borrowed: its subscriptions pin it */
    struct roster *roster;
    struct identity *who;      /* of its first subscriber, who stands for all; NULL: anonymous */
    struct sight_list *sights; /* live/sight.c: its judges; NULL: none yet */
    struct docket *docket;     /* events that wait for its judges; NULL: none */
    uint32_t n_failures;       /* of the database to judge for it, in a row */
    bool is_slow;              /* its judges take long: others are not asked for with it */
    struct str claims;         /* what of an identity its tables' `visible` looks at; any bytes */
    size_t key_len;
    char key[]; /* the view's address, and the claims */
};

struct group_list {       /* of a channel */
    struct group **items; /* the plain ones first */
    struct group *by_key; /* by view and claims */
    uint32_t n, cap, n_plain;
    uint32_t n_subscribers, n_plain_subscribers;
    struct group **waiting; /* those that have a docket, in no order */
    uint32_t n_waiting, waiting_cap;
};

struct str view_name(const struct view *view); /* absent for the plain membership */
struct group *group_find(const struct group_list *list, const struct view *view, struct str claims);
struct group *group_new(struct group_list *list, struct roster_numbers *numbers, struct view *view,
                        struct str claims, struct identity *who);
void group_add(struct group_list *list, struct group *group, uint32_t worker);
void group_remove(struct group_list *list, struct group *group, uint32_t worker);
/* Out of the list; nobody may be in it, and its sights and its docket are gone. */
void group_free(struct group_list *list, struct roster_numbers *numbers, struct group *group);

#endif
