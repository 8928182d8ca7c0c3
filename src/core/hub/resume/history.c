/* SPDX-License-Identifier: PostgreSQL */
/* One judge for what is read and for what is in memory: what somebody is shown must not depend on
 * where the rows happened to be. A row that nobody can judge any more ends the history. */
#include "core/hub/resume/history.h"

#include <stdlib.h>

#include "base/mem.h"
#include "core/hub/live/tell.h"

struct told {
    struct protocol_event event; /* borrowed from the event, but for: */
    char *payload;               /* heap, if it is told in other words; else NULL */
};

static void history_keep(struct history *history, const struct protocol_event *event)
{
    if (history->n == history->cap) {
        history->cap = history->cap > 0 ? history->cap * 2 : 16;
        history->told = mem_array(history->told, history->cap, sizeof(*history->told));
    }
    struct told *told = &history->told[history->n++];
    *told = (struct told){.event = *event};
    if (event->payload.ptr != event->f->payload.ptr) {
        told->payload = str_dup(event->payload);
        told->event.payload.ptr = told->payload;
    }
}

void history_offer(struct history *history, const struct event *event)
{
    struct protocol_event told;
    if (history->is_full) {
        return;
    }
    history->is_private = history->is_private || history->view ||
                          !tell_is_public(history->hub, history->channel, &event->f);
    enum tell tell = tell_past(history->hub, history->session, history->channel, history->view,
                               &event->f, &told);
    if (tell == TELL_NOTHING) {
        return;
    }
    history->bytes += told.payload.len + event->f.client.len;
    if (tell == TELL_GAP || history->bytes > history->max_bytes || history->n == history->limit) {
        history->is_full = true;
        return;
    }
    history_keep(history, &told);
    history->is_full = history->n == history->limit;
}

uint64_t history_first(const struct history *history)
{
    return history->n > 0 ? history->told[history->n - 1].event.f->offset : 0;
}

struct frame *history_encode(const struct history *history)
{
    struct protocol_event *oldest_first =
        mem_array(NULL, history->n + 1, sizeof(*oldest_first)); /* of none, too */
    for (size_t i = 0; i < history->n; i++) {
        oldest_first[i] = history->told[history->n - 1 - i].event;
    }
    struct frame *frame = history->hub->protocol->history(
        channel_name(history->channel), view_name(history->view), oldest_first, history->n);
    free(oldest_first);
    return frame;
}

void history_release(struct history *history)
{
    for (size_t i = 0; i < history->n; i++) {
        free(history->told[i].payload);
    }
    free(history->told);
}
