/* SPDX-License-Identifier: PostgreSQL */
/* The worker's half of session names: slot and generation. */
#ifndef HERALD_NET_SESSION_SLOTS_H
#define HERALD_NET_SESSION_SLOTS_H

#include <stdint.h>

#include "core/session_id.h"

struct socket;

struct slot {
    struct socket *socket; /* NULL: free */
    uint32_t generation;   /* of the session that has it, or had it last */
    uint32_t next_free;    /* 1 + slot; 0: none */
};

struct slots {
    uint32_t worker; /* its number */
    struct slot *list;
    uint32_t n, cap;
    uint32_t n_used;
    uint32_t first_free; /* 1 + slot; 0: none */
};

uint32_t slots_take(struct slots *slots, struct socket *socket);
struct session_id slots_name(const struct slots *slots, uint32_t slot); /* of who has it */
void slots_give(struct slots *slots, uint32_t slot);
/* NULL: that session is gone. */
struct socket *slots_find(const struct slots *slots, uint32_t slot, uint32_t generation);
void slots_release(struct slots *slots);

#endif
