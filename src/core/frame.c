/* SPDX-License-Identifier: PostgreSQL */
/* The shared bytes of a frame. The count is atomic because the hub makes a frame and several
 * workers let go of it; the bytes are not touched after the first hand-over, so they need nothing.
 */
#include "core/frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* The one limit that is about memory itself needs the sum over all threads, and a frame does not
 * know whose it is: a count of the process's allocations, like the allocator's own. */
static atomic_size_t bytes_alive;

static size_t bytes_of(const struct frame *frame)
{
    return sizeof(*frame) + frame->len + frame->audience.row_id.len;
}

size_t frame_bytes_alive(void)
{
    return atomic_load_explicit(&bytes_alive, memory_order_relaxed);
}

struct frame *frame_new(size_t len, const struct audience *audience)
{
    static const struct audience everybody = {.kind = AUDIENCE_ALL};
    assert(len <= UINT32_MAX);
    audience = audience ? audience : &everybody;
    struct frame *frame = mem_alloc(sizeof(*frame) + len + audience->row_id.len);
    atomic_init(&frame->refs, 1);
    frame->len = (uint32_t)len;
    frame->offset = 0;
    frame->audience = *audience;
    if (audience->row_id.len > 0) {
        memcpy(frame->bytes + len, audience->row_id.ptr, audience->row_id.len);
        frame->audience.row_id.ptr = (const char *)frame->bytes + len;
    }
    atomic_fetch_add_explicit(&bytes_alive, bytes_of(frame), memory_order_relaxed);
    return frame;
}

void frame_ref_many(struct frame *frame, uint32_t n)
{
    atomic_fetch_add_explicit(&frame->refs, n, memory_order_relaxed);
}

struct frame *frame_ref(struct frame *frame)
{
    frame_ref_many(frame, 1);
    return frame;
}

void frame_unref_many(struct frame *frame, uint32_t n)
{
    /* Release and acquire: whoever frees must see all that others did with the frame before they
     * let go. */
    if (atomic_fetch_sub_explicit(&frame->refs, n, memory_order_acq_rel) == n) {
        atomic_fetch_sub_explicit(&bytes_alive, bytes_of(frame), memory_order_relaxed);
        free(frame);
    }
}

void frame_unref(struct frame *frame)
{
    if (frame) {
        frame_unref_many(frame, 1);
    }
}
