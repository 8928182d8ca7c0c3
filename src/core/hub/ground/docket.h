/* SPDX-License-Identifier: PostgreSQL */
/* A group's durable events that wait until the database has said whether it may see their rows, and
 * whatever comes behind them. Other groups do not wait for it. Hub thread only. */
#ifndef HERALD_CORE_HUB_GROUND_DOCKET_H
#define HERALD_CORE_HUB_GROUND_DOCKET_H

#include "core/event.h"
#include "core/hub/ground/group.h"

struct docket {            /* never empty */
    struct event **events; /* n from `first` on, oldest first */
    size_t first, n, cap;
    size_t bytes;        /* of them */
    uint32_t at;         /* where its group is among those that wait */
    struct group **seat; /* of its group, while some of the events are heard; NULL: none are */
};

size_t event_bytes(const struct event *event);
struct event **docket_events(const struct docket *docket);
uint64_t docket_oldest(const struct docket *docket); /* offset */

/* For a group of the list; the docket is made, and ends when nothing is in it any more. */
void docket_push(struct group_list *list, struct group *group, struct event *event);
void docket_shift(struct group_list *list, struct group *group, size_t n);
/* What waits is told to nobody. Whoever hears it finds the seat empty. No docket is fine. */
void docket_drop(struct group_list *list, struct group *group);
void docket_drop_all(struct group_list *list);

#endif
