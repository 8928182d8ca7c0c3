/* SPDX-License-Identifier: PostgreSQL */
/* A session's unsent frames: an array with a moving front.
 *
 * A frame is stored once, however many sessions wait for it, so a queue entry is one pointer. The
 * array is contiguous on purpose: the worker compares the fronts of two sessions' queues with one
 * memcmp, and sessions that wait for the same frames share one concatenation of them.
 *
 * A lone frame stands in the queue itself: where nothing piles up each frame would pay for an array
 * of its own, a third of what its delivery costs here.
 *
 * The front can stand inside a frame: a history of a megabyte leaves in pieces as the socket takes
 * them, and is never copied as a whole. */
#include "net/socket/outqueue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_FRAMES = 4 };

struct frame *const *outqueue_frames(const struct outqueue *queue)
{
    return queue->cap > 0 ? queue->frames + queue->first : &queue->one;
}

static struct frame *frame_at(const struct outqueue *queue, uint32_t i)
{
    return outqueue_frames(queue)[i];
}

/* The second frame: from here on there is an array. */
static void make_array(struct outqueue *queue)
{
    struct frame **frames = mem_array(NULL, FIRST_FRAMES, sizeof(*frames));
    frames[0] = queue->one;
    queue->frames = frames;
    queue->first = 0;
    queue->cap = FIRST_FRAMES;
}

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
    queue->cap *= 2;
    queue->frames = mem_array(queue->frames, queue->cap, sizeof(*queue->frames));
}

void outqueue_push(struct outqueue *queue, struct frame *frame)
{
    queue->bytes += frame->len;
    if (queue->cap == 0) {
        if (queue->n == 0) {
            queue->one = frame;
            queue->n = 1;
            return;
        }
        make_array(queue);
    }
    make_room(queue);
    queue->frames[queue->first + queue->n++] = frame;
}

void outqueue_put_first(struct outqueue *queue, struct frame *frame, uint32_t sent)
{
    assert(queue->sent == 0 && sent < frame->len);
    outqueue_push(queue, frame);
    struct frame **frames = queue->cap > 0 ? queue->frames + queue->first : &queue->one;
    memmove(frames + 1, frames, (queue->n - 1) * sizeof(struct frame *));
    frames[0] = frame;
    queue->sent = sent;
    queue->bytes -= sent;
}

static size_t unsent(const struct outqueue *queue, uint32_t i)
{
    return frame_at(queue, i)->len - (i == 0 ? queue->sent : 0);
}

size_t outqueue_fit(const struct outqueue *queue, size_t max_bytes, uint32_t max_frames,
                    uint32_t *n_frames)
{
    struct frame *const *frames = outqueue_frames(queue);
    size_t bytes = 0, sent = queue->sent;
    uint32_t n = 0;
    while (n < queue->n && n < max_frames && frames[n]->len - sent <= max_bytes - bytes) {
        bytes += frames[n++]->len - sent;
        sent = 0;
    }
    *n_frames = n;
    return n == 0 && queue->n > 0 ? max_bytes : bytes;
}

uint8_t *outqueue_data(const struct outqueue *queue)
{
    return frame_at(queue, 0)->bytes + queue->sent;
}

size_t outqueue_copy(const struct outqueue *queue, uint32_t n_frames, uint8_t *to)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < n_frames; i++) {
        const struct frame *frame = frame_at(queue, i);
        size_t len = unsent(queue, i);
        memcpy(to + bytes, frame->bytes + (frame->len - len), len);
        bytes += len;
    }
    return bytes;
}

static void remove_front(struct outqueue *queue, uint32_t n)
{
    queue->first += n;
    queue->n -= n;
    if (queue->n == 0) {
        outqueue_release(queue);
    }
}

void outqueue_take(struct outqueue *queue, size_t len)
{
    assert(len <= queue->bytes);
    struct frame *const *frames = outqueue_frames(queue);
    uint32_t n = 0;
    queue->bytes -= len;
    while (n < queue->n && len >= frames[n]->len - queue->sent) {
        len -= frames[n]->len - queue->sent;
        frame_unref(frames[n++]);
        queue->sent = 0;
    }
    queue->sent += (uint32_t)len;
    remove_front(queue, n);
}

void outqueue_give(struct outqueue *queue, uint32_t n_frames, size_t len)
{
    assert(queue->sent == 0 && n_frames <= queue->n && len <= queue->bytes);
    queue->bytes -= len;
    remove_front(queue, n_frames);
}

void outqueue_drop(struct outqueue *queue)
{
    uint32_t keep = queue->sent > 0 ? 1 : 0;
    while (queue->n > keep) {
        queue->n--;
        queue->bytes -= unsent(queue, queue->n);
        frame_unref(frame_at(queue, queue->n));
    }
    if (queue->n == 0) {
        outqueue_release(queue);
    }
}

void outqueue_move(struct outqueue *queue, struct outqueue *to, uint64_t skip_to)
{
    for (uint32_t i = 0; i < queue->n; i++) {
        struct frame *frame = frame_at(queue, i);
        if (frame->offset > 0 && frame->offset <= skip_to) {
            frame_unref(frame);
        } else {
            outqueue_push(to, frame);
        }
    }
    queue->n = 0;
    outqueue_release(queue);
}

void outqueue_release(struct outqueue *queue)
{
    for (uint32_t i = 0; i < queue->n; i++) {
        frame_unref(frame_at(queue, i));
    }
    if (queue->cap > 0) {
        free(queue->frames);
    }
    *queue = (struct outqueue){0};
}
