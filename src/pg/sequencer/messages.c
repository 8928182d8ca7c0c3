/* SPDX-License-Identifier: PostgreSQL */
/* An array that is filled at its end and emptied at its front. When the empty space in front is at
 * least half, the rest moves down instead of the array growing, so each message is moved at most
 * once on average. */
#include "pg/sequencer/messages.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

size_t messages_cost(const struct event *event)
{
    return sizeof(struct message) + sizeof(*event) + event->f.channel.len + event->f.client.len +
           event->f.payload.len;
}

static void messages_make_room(struct messages *messages)
{
    if (messages->first + messages->n < messages->cap) {
        return;
    }
    if (messages->first >= messages->n && messages->first > 0) {
        memcpy(messages->items, messages->items + messages->first,
               messages->n * sizeof(*messages->items));
        messages->first = 0;
        return;
    }
    messages->cap = messages->cap ? messages->cap * 2 : 64;
    messages->items = mem_array(messages->items, messages->cap, sizeof(*messages->items));
}

void messages_push(struct messages *messages, struct event *event, struct session_id sender)
{
    messages_make_room(messages);
    messages->items[messages->first + messages->n++] = (struct message){event_ref(event), sender};
    messages->bytes += messages_cost(event);
}

const struct message *messages_at(const struct messages *messages, size_t i)
{
    assert(i < messages->n);
    return &messages->items[messages->first + i];
}

struct message messages_pop(struct messages *messages)
{
    assert(messages->n > 0);
    struct message oldest = messages->items[messages->first++];
    messages->bytes -= messages_cost(oldest.event);
    if (--messages->n == 0) {
        messages->first = 0;
    }
    return oldest;
}

size_t messages_fit(const struct messages *messages, size_t max_n, size_t max_bytes)
{
    size_t n = 0;
    size_t bytes = 0;
    while (n < messages->n && n < max_n) {
        bytes += messages_cost(messages_at(messages, n)->event);
        if (bytes > max_bytes && n > 0) {
            break;
        }
        n++;
    }
    return n;
}

void messages_release(struct messages *messages)
{
    while (messages->n > 0) {
        event_unref(messages_pop(messages).event);
    }
    free(messages->items);
    *messages = (struct messages){0};
}
