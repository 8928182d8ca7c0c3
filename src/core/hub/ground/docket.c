/* SPDX-License-Identifier: PostgreSQL */
/* The list. Who hears what is on it is sitting.c's business. */
#include "core/hub/ground/docket.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

size_t event_bytes(const struct event *event)
{
    return sizeof(*event) + event->f.payload.len + event->f.kept.len;
}

struct event **docket_events(const struct docket *docket)
{
    return docket->events + docket->first;
}

uint64_t docket_oldest(const struct docket *docket)
{
    return docket_events(docket)[0]->f.offset;
}

static struct docket *docket_open(struct group_list *list, struct group *group)
{
    struct docket *docket = mem_zalloc(sizeof(*docket));
    if (list->n_waiting == list->waiting_cap) {
        list->waiting_cap = list->waiting_cap ? list->waiting_cap * 2 : 4;
        list->waiting = mem_array(list->waiting, list->waiting_cap, sizeof(struct group *));
    }
    docket->at = list->n_waiting;
    list->waiting[list->n_waiting++] = group;
    return docket;
}

static void docket_make_room(struct docket *docket)
{
    if (docket->first + docket->n < docket->cap) {
        return;
    }
    if (docket->first > docket->cap / 2) {
        memmove(docket->events, docket_events(docket), docket->n * sizeof(struct event *));
        docket->first = 0;
    } else {
        docket->cap = docket->cap ? docket->cap * 2 : 4;
        docket->events = mem_array(docket->events, docket->cap, sizeof(struct event *));
    }
}

void docket_push(struct group_list *list, struct group *group, struct event *event)
{
    struct docket *docket = group->docket ? group->docket : docket_open(list, group);
    group->docket = docket;
    docket_make_room(docket);
    docket_events(docket)[docket->n++] = event_ref(event);
    docket->bytes += event_bytes(event);
}

static void docket_close(struct group_list *list, struct group *group)
{
    struct docket *docket = group->docket;
    struct group *last = list->waiting[--list->n_waiting];
    list->waiting[docket->at] = last;
    last->docket->at = docket->at;
    if (docket->seat) {
        *docket->seat = NULL;
    }
    group->docket = NULL;
    free(docket->events);
    free(docket);
}

void docket_shift(struct group_list *list, struct group *group, size_t n)
{
    struct docket *docket = group->docket;
    for (size_t i = 0; i < n; i++) {
        struct event *event = docket_events(docket)[0];
        docket->bytes -= event_bytes(event);
        docket->first++;
        docket->n--;
        event_unref(event);
    }
    if (docket->n == 0) {
        docket_close(list, group);
    }
}

void docket_drop(struct group_list *list, struct group *group)
{
    if (group->docket) {
        docket_shift(list, group, group->docket->n);
    }
}

void docket_drop_all(struct group_list *list)
{
    while (list->n_waiting > 0) {
        docket_drop(list, list->waiting[list->n_waiting - 1]);
    }
}
