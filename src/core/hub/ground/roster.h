/* SPDX-License-Identifier: PostgreSQL */
/* A roster is a list of subscribers who get the same bytes: what workers know instead of channels.
 * The hub holds its number and how many of them each worker has; the list itself is the worker's
 * (core/transport.h). Today a channel has one. Hub thread only. */
#ifndef HERALD_CORE_HUB_GROUND_ROSTER_H
#define HERALD_CORE_HUB_GROUND_ROSTER_H

#include <stddef.h>

#include "core/transport.h"

struct roster {
    uint32_t number; /* how workers name it; dense, used again after a free */
    uint32_t n;      /* subscribers, over all workers */
    uint32_t n_workers;
    uint32_t n_on_worker[];
};

struct roster_numbers {
    uint32_t n_workers;
    uint32_t n_given; /* so far */
    uint32_t *free;
    size_t n_free, free_cap;
};

struct roster *roster_new(struct roster_numbers *numbers);
/* Nobody may be in it: a worker would take its next subscribers for those of the old one. */
void roster_free(struct roster_numbers *numbers, struct roster *roster);
void roster_numbers_release(struct roster_numbers *numbers);

void roster_add(struct roster *roster, uint32_t worker);
void roster_remove(struct roster *roster, uint32_t worker);
/* The frame goes to every worker that has subscribers of it. */
void roster_publish(const struct roster *roster, const struct transport *transport,
                    struct frame *frame);

#endif
