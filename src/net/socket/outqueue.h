/* SPDX-License-Identifier: PostgreSQL */
/* What a session has yet to be sent: references to shared frames, in order. Zero-initialise it. It
 * holds no memory while it is empty. One thread. */
#ifndef HERALD_NET_SOCKET_OUTQUEUE_H
#define HERALD_NET_SOCKET_OUTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/frame.h"

struct outqueue {
    union {
        struct frame **frames; /* cap > 0: n of them from `first` on */
        struct frame *one;     /* cap 0: if n is 1 */
    };
    uint32_t first, n, cap;
    uint32_t sent;  /* bytes of the first frame that are written already */
    uint64_t bytes; /* unsent, of all frames */
};

void outqueue_push(struct outqueue *queue, struct frame *frame); /* takes the reference */
/* What goes out in one write of at most max_bytes: whole frames, at most max_frames; or, only if
 * the first is too long by itself, a piece of it (*n_frames is 0 then). Returns the bytes. */
size_t outqueue_fit(const struct outqueue *queue, size_t max_bytes, uint32_t max_frames,
                    uint32_t *n_frames);
struct frame *const *outqueue_frames(const struct outqueue *queue); /* n of them, contiguous */
/* The first unsent byte of the first frame. */
uint8_t *outqueue_data(const struct outqueue *queue);
/* Comes before all others, none of which may have begun to be sent; `sent` bytes of it have left.
 * Takes the reference. */
void outqueue_put_first(struct outqueue *queue, struct frame *frame, uint32_t sent);
/* Copies what is unsent of the first n frames; returns the bytes. */
size_t outqueue_copy(const struct outqueue *queue, uint32_t n_frames, uint8_t *to);
void outqueue_take(struct outqueue *queue, size_t len); /* these bytes are written */
/* The first n frames, of `len` bytes, are written, and none had begun: their references are the
 * caller's now. */
void outqueue_give(struct outqueue *queue, uint32_t n_frames, size_t len);
/* Lets go of all that has not begun to be sent: a frame cannot be left half. */
void outqueue_drop(struct outqueue *queue);
/* All frames change over to the end of another queue, except durable ones up to skip_to. */
void outqueue_move(struct outqueue *queue, struct outqueue *to, uint64_t skip_to);
void outqueue_release(struct outqueue *queue);

#endif
