/* SPDX-License-Identifier: PostgreSQL */
/* One judge for what is read and for what is in memory: what somebody is shown must not depend on
 * where the rows happened to be. */
#include "core/hub/resume/history.h"

#include <stdlib.h>

#include "base/mem.h"

void history_offer(struct history *history, struct event *event)
{
    if (history->is_full || !audience_admits(&event->f.audience, history->viewer)) {
        return;
    }
    history->bytes += event->f.payload.len + event->f.client.len;
    if (history->bytes > history->max_bytes || history->n == history->limit) {
        history->is_full = true;
        return;
    }
    if (history->n == history->cap) {
        history->cap = history->cap > 0 ? history->cap * 2 : 16;
        history->events = mem_array(history->events, history->cap, sizeof(*history->events));
    }
    history->events[history->n++] = event;
    history->is_full = history->n == history->limit;
}

uint64_t history_first(const struct history *history)
{
    return history->n > 0 ? history->events[history->n - 1]->f.offset : 0;
}

struct frame *history_encode(const struct history *history, const struct protocol *protocol,
                             struct str channel)
{
    struct event **oldest_first =
        mem_array(NULL, history->n + 1, sizeof(*oldest_first)); /* of none, too */
    for (size_t i = 0; i < history->n; i++) {
        oldest_first[i] = history->events[history->n - 1 - i];
    }
    struct frame *frame = protocol->history(channel, oldest_first, history->n);
    free(oldest_first);
    return frame;
}

void history_release(struct history *history)
{
    free(history->events);
}
