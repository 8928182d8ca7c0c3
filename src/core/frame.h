/* SPDX-License-Identifier: PostgreSQL */
/* The bytes of one event in one protocol, WebSocket header included: encoded once, immutable,
 * shared by all subscribers' queues on all threads, freed with the last reference. It may hold
 * several messages, each with its header (a burst of presence updates). */
#ifndef HERALD_CORE_FRAME_H
#define HERALD_CORE_FRAME_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/audience.h"

struct frame {
    atomic_uint refs;
    uint32_t len;
    uint64_t offset;          /* the durable event's offset; 0: ephemeral or an answer */
    struct audience audience; /* who of the channel gets it; its row_id lies behind the bytes */
    uint8_t bytes[];
};

/* One reference, offset 0, bytes uninitialised; audience NULL is everybody, else it is copied. */
struct frame *frame_new(size_t len, const struct audience *audience);
struct frame *frame_ref(struct frame *frame);
void frame_unref(struct frame *frame); /* NULL is fine */
/* n references at once: whoever shares out many pays for one. */
void frame_ref_many(struct frame *frame, uint32_t n);
void frame_unref_many(struct frame *frame, uint32_t n);
size_t frame_bytes_alive(void); /* memory of all frames of the process, about */

#endif
