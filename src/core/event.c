/* SPDX-License-Identifier: PostgreSQL */
/* An event is one allocation: the struct and, behind it, the bytes of all its spans. The payload is
 * carried as bytes from the client or the database to the frame; nothing here or later parses it.
 */
#include "core/event.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static struct str copy_span(char **to, struct str from)
{
    if (!from.ptr) {
        return from;
    }
    struct str copy = {*to, from.len};
    memcpy(*to, from.ptr, from.len);
    *to += from.len;
    return copy;
}

struct event *event_new(const struct event_fields *fields)
{
    size_t len = fields->channel.len + fields->at.len + fields->client.len + fields->payload.len +
                 fields->socket_id.len + fields->audience.row_id.len + fields->kept.len;
    struct event *event = mem_alloc(sizeof(*event) + len);
    char *to = event->data;
    event->refs = 1;
    event->f = *fields;
    event->f.channel = copy_span(&to, fields->channel);
    event->f.at = copy_span(&to, fields->at);
    event->f.client = copy_span(&to, fields->client);
    event->f.payload = copy_span(&to, fields->payload);
    event->f.socket_id = copy_span(&to, fields->socket_id);
    event->f.audience.row_id = copy_span(&to, fields->audience.row_id);
    event->f.kept = copy_span(&to, fields->kept);
    if (fields->shape) {
        shape_ref(fields->shape);
    }
    return event;
}

struct event *event_ref(struct event *event)
{
    event->refs++;
    return event;
}

void event_unref(struct event *event)
{
    if (event && --event->refs == 0) {
        shape_unref(event->f.shape);
        free(event);
    }
}

bool event_is_reread(const struct event_fields *fields)
{
    return str_equals(fields->channel, EVENT_REREAD_CHANNEL);
}
