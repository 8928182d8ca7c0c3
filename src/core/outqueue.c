/* SPDX-License-Identifier: PostgreSQL */
/* A session's unsent frames: an array with a moving front.
 *
 * A frame is stored once, however many sessions wait for it, so a queue entry is one pointer. The
 * array is contiguous on purpose: the worker compares the fronts of two sessions' queues with one
 * memcmp, and sessions that wait for the same frames share one concatenation of them.
 *
 * The front can stand inside a frame: a history of a megabyte leaves in pieces as the socket takes
 * them, and is never copied as a whole. */
#include "core/outqueue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_FRAMES = 4 };

static void make_room(struct outqueue *queue)
{
    if (queue->first + queue->n < queue->cap) {
        return;
    }
    if (queue->first > queue->cap / 2) {
        memmove(queue->frames, queue->frames + queue->first, queue->n * sizeof(*queue->frames));
        queue->first = 0;
        return;
    }
    queue->cap = queue->cap > 0 ? queue->cap * 2 : FIRST_FRAMES;
    queue->frames = mem_array(queue->frames, queue->cap, sizeof(*queue->frames));
}

static void push_taken(struct outqueue *queue, struct frame *frame)
{
    make_room(queue);
    queue->frames[queue->first + queue->n++] = frame;
    queue->bytes += frame->len;
}

void outqueue_push(struct outqueue *queue, struct frame *frame)
{
    push_taken(queue, frame_ref(frame));
}

static size_t unsent(const struct outqueue *queue, uint32_t i)
{
    return queue->frames[queue->first + i]->len - (i == 0 ? queue->sent : 0);
}

size_t outqueue_fit(const struct outqueue *queue, size_t max_bytes, uint32_t max_frames,
                    uint32_t *n_frames)
{
    size_t bytes = 0;
    uint32_t n = 0;
    while (n < queue->n && n < max_frames && unsent(queue, n) <= max_bytes - bytes) {
        bytes += unsent(queue, n++);
    }
    *n_frames = n;
    return n == 0 && queue->n > 0 ? max_bytes : bytes;
}

uint8_t *outqueue_data(const struct outqueue *queue)
{
    return queue->frames[queue->first]->bytes + queue->sent;
}

size_t outqueue_copy(const struct outqueue *queue, uint32_t n_frames, uint8_t *to)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < n_frames; i++) {
        const struct frame *frame = queue->frames[queue->first + i];
        size_t len = unsent(queue, i);
        memcpy(to + bytes, frame->bytes + (frame->len - len), len);
        bytes += len;
    }
    return bytes;
}

void outqueue_take(struct outqueue *queue, size_t len)
{
    assert(len <= queue->bytes);
    queue->bytes -= len;
    while (queue->n > 0 && len >= unsent(queue, 0)) {
        len -= unsent(queue, 0);
        frame_unref(queue->frames[queue->first]);
        queue->first++;
        queue->n--;
        queue->sent = 0;
    }
    queue->sent += (uint32_t)len;
    if (queue->n == 0) {
        outqueue_release(queue);
    }
}

void outqueue_drop(struct outqueue *queue)
{
    uint32_t keep = queue->sent > 0 ? 1 : 0;
    while (queue->n > keep) {
        queue->n--;
        queue->bytes -= unsent(queue, queue->n);
        frame_unref(queue->frames[queue->first + queue->n]);
    }
    if (queue->n == 0) {
        outqueue_release(queue);
    }
}

void outqueue_move(struct outqueue *queue, struct outqueue *to, uint64_t skip_to)
{
    for (uint32_t i = 0; i < queue->n; i++) {
        struct frame *frame = queue->frames[queue->first + i];
        if (frame->offset > 0 && frame->offset <= skip_to) {
            frame_unref(frame);
        } else {
            push_taken(to, frame);
        }
    }
    queue->n = 0;
    outqueue_release(queue);
}

void outqueue_release(struct outqueue *queue)
{
    for (uint32_t i = 0; i < queue->n; i++) {
        frame_unref(queue->frames[queue->first + i]);
    }
    free(queue->frames);
    *queue = (struct outqueue){0};
}
