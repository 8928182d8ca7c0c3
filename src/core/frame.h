/* SPDX-License-Identifier: PostgreSQL */
/* The bytes of one event in one protocol, WebSocket header included: encoded once, immutable,
 * shared by all subscribers' queues on all threads, freed with the last reference. */
#ifndef HERALD_CORE_FRAME_H
#define HERALD_CORE_FRAME_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct frame {
    atomic_uint refs;
    uint32_t len;
    uint64_t offset; /* the durable event's offset; 0: ephemeral or an answer */
    uint8_t bytes[];
};

struct frame *frame_new(size_t len); /* one reference, offset 0, bytes uninitialised */
struct frame *frame_ref(struct frame *frame);
void frame_unref(struct frame *frame); /* NULL is fine */

#endif
