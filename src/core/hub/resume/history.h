/* SPDX-License-Identifier: PostgreSQL */
/* The newest events of a channel that somebody may see, picked from the newest back: at most so
 * many, and so many bytes. Zero-initialise all but who asks and the limits. */
#ifndef HERALD_CORE_HUB_RESUME_HISTORY_H
#define HERALD_CORE_HUB_RESUME_HISTORY_H

#include "core/hub/ground/hub_state.h"

struct history {
    struct hub *hub;
    const struct session *session;
    struct channel *channel;
    struct view *view;
    uint32_t limit;
    uint32_t max_bytes; /* of their payloads and clients */
    uint64_t bytes;
    bool is_full;      /* nothing older belongs to it */
    bool is_private;   /* something of it is not told to all, or not in the same words */
    struct told *told; /* newest first */
    size_t n, cap;
};

void history_offer(struct history *history, const struct event *event);
/* The offset of the oldest one, 0: it has none. */
uint64_t history_first(const struct history *history);
struct frame *history_encode(const struct history *history);
void history_release(struct history *history);

#endif
