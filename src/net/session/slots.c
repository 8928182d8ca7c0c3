/* SPDX-License-Identifier: PostgreSQL */
/* Session names without pointers: a slot is used again, most recently freed first, so that the
 * hub's tables stay small; its generation then differs, and an order for the session that had it
 * before finds nothing. */
#include "net/session/slots.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/mem.h"

enum { FIRST_SLOTS = 64 };

uint32_t slots_take(struct slots *slots, struct socket *socket)
{
    uint32_t at;
    if (slots->first_free > 0) {
        at = slots->first_free - 1;
        slots->first_free = slots->list[at].next_free;
    } else {
        if (slots->n == slots->cap) {
            slots->cap = slots->cap > 0 ? slots->cap * 2 : FIRST_SLOTS;
            slots->list = mem_array(slots->list, slots->cap, sizeof(*slots->list));
        }
        at = slots->n++;
        slots->list[at].generation = 0;
    }
    struct slot *slot = &slots->list[at];
    slot->socket = socket;
    slot->next_free = 0;
    if (++slot->generation == 0) {
        slot->generation = 1; /* 0 names no session */
    }
    slots->n_used++;
    return at;
}

struct session_id slots_name(const struct slots *slots, uint32_t slot)
{
    return (struct session_id){
        .worker = slots->worker, .slot = slot, .generation = slots->list[slot].generation};
}

void slots_give(struct slots *slots, uint32_t slot)
{
    slots->list[slot].socket = NULL;
    slots->list[slot].next_free = slots->first_free;
    slots->first_free = slot + 1;
    slots->n_used--;
}

struct socket *slots_find(const struct slots *slots, uint32_t slot, uint32_t generation)
{
    if (slot >= slots->n || slots->list[slot].generation != generation) {
        return NULL;
    }
    return slots->list[slot].socket;
}

void slots_release(struct slots *slots)
{
    free(slots->list);
    *slots = (struct slots){0};
}
