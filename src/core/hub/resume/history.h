/* SPDX-License-Identifier: PostgreSQL */
/* The newest events of a channel that somebody may see, picked from the newest back: at most so
 * many, and so many bytes. Zero-initialise all but viewer and limits. */
#ifndef HERALD_CORE_HUB_RESUME_HISTORY_H
#define HERALD_CORE_HUB_RESUME_HISTORY_H

#include "core/protocol.h"

struct history {
    const struct identity *viewer;
    uint32_t limit;
    uint32_t max_bytes; /* of their payloads and clients */
    uint64_t bytes;
    bool is_full;          /* nothing older belongs to it */
    struct event **events; /* newest first, borrowed */
    size_t n, cap;
};

void history_offer(struct history *history, struct event *event);
/* The offset of the oldest one, 0: it has none. */
uint64_t history_first(const struct history *history);
struct frame *history_encode(const struct history *history, const struct protocol *protocol,
                             struct str channel);
void history_release(struct history *history);

#endif
