/* SPDX-License-Identifier: PostgreSQL */
/* Numbers are dense, because workers look a roster up by its number in an array: one that ends
 * leaves its number to the next one that begins. */
#include "core/hub/ground/roster.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

struct roster *roster_new(struct roster_numbers *numbers)
{
    struct roster *roster =
        mem_zalloc(sizeof(*roster) + numbers->n_workers * sizeof(*roster->n_on_worker));
    roster->n_workers = numbers->n_workers;
    roster->number = numbers->n_free > 0 ? numbers->free[--numbers->n_free] : numbers->n_given++;
    return roster;
}

void roster_free(struct roster_numbers *numbers, struct roster *roster)
{
    assert(roster->n == 0);
    if (numbers->n_free == numbers->free_cap) {
        numbers->free_cap = numbers->free_cap ? numbers->free_cap * 2 : 64;
        numbers->free = mem_array(numbers->free, numbers->free_cap, sizeof(*numbers->free));
    }
    numbers->free[numbers->n_free++] = roster->number;
    free(roster);
}

void roster_numbers_release(struct roster_numbers *numbers)
{
    free(numbers->free);
    *numbers = (struct roster_numbers){0};
}

void roster_add(struct roster *roster, uint32_t worker)
{
    roster->n++;
    roster->n_on_worker[worker]++;
}

void roster_remove(struct roster *roster, uint32_t worker)
{
    roster->n--;
    roster->n_on_worker[worker]--;
}

void roster_publish(const struct roster *roster, const struct transport *transport,
                    struct frame *frame)
{
    for (uint32_t worker = 0; worker < roster->n_workers; worker++) {
        if (roster->n_on_worker[worker] > 0) {
            transport->publish(transport->ctx, worker, roster->number, frame);
        }
    }
}
