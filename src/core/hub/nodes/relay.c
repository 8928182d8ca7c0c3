/* SPDX-License-Identifier: PostgreSQL */
/* The sender's node has judged all that there is to judge: rights, rates, the rule's functions and the
 * payload's JSON. So the others publish what comes as they would publish a message of their own, to
 * whoever the audience admits; where nobody has joined the channel it is for nobody. What is heard is not told on, and no node hears what it said itself. */
#include "core/hub/nodes/relay.h"

#include "core/channel_name.h"
#include "core/hub/ground/say.h"
#include "core/nodes/parcel.h"

bool relay_is_cut(const struct hub *hub)
{
    const struct bus *bus = hub->options.bus;
    return !bus->is_alone && bus->max_body(bus->ctx) == 0;
}

bool relay_body(struct hub *hub, enum bus_kind kind, struct str body, enum error_code *why)
{
    const struct bus *bus = hub->options.bus;
    size_t most = bus->max_body(bus->ctx);
    *why = most > 0 && body.len > most ? ERROR_CODE_TOO_LARGE : ERROR_CODE_NO_BUS;
    return say_to_nodes(hub, kind, NULL, body);
}

bool relay_send(struct hub *hub, const struct event_fields *message, enum error_code *why)
{
    struct buf body = {0};
    if (hub->options.bus->is_alone) {
        return true;
    }
    parcel_put_u8(&body, (uint8_t)message->audience.kind);
    parcel_put_u32(&body, (uint32_t)message->audience.dbo_id);
    parcel_put_str(&body, message->audience.row_id);
    parcel_put_str(&body, message->channel);
    parcel_put_str(&body, message->client);
    parcel_put_str(&body, message->payload);
    bool is_sent = relay_body(hub, BUS_KIND_MESSAGE, buf_span(&body), why);
    buf_release(&body);
    if (is_sent) {
        say_count(hub, METRIC_RELAYED_OUT);
    }
    return is_sent;
}

static bool audience_is_right(const struct audience *audience)
{
    return audience->kind == AUDIENCE_ALL || audience->kind == AUDIENCE_AUTHENTICATED ||
           (audience->kind == AUDIENCE_USER && audience->row_id.ptr);
}

static bool relay_read(struct str body, struct event_fields *message)
{
    struct parcel parcel = parcel_of(body);
    *message = (struct event_fields){.action = EVENT_ACTION_MESSAGE};
    message->audience.kind = (enum audience_kind)parcel_u8(&parcel);
    message->audience.dbo_id = (int32_t)parcel_u32(&parcel);
    message->audience.row_id = parcel_str(&parcel);
    message->channel = parcel_str(&parcel);
    message->client = parcel_str(&parcel);
    message->payload = parcel_str(&parcel);
    return parcel_is_done(&parcel) && audience_is_right(&message->audience) &&
           channel_name_is_valid(message->channel) && message->client.len > 0 &&
           message->payload.len > 0;
}

void relay_hear(struct hub *hub, struct str body)
{
    struct event_fields message;
    if (!relay_read(body, &message)) {
        say_count(hub, METRIC_PARCELS_BAD);
        return;
    }
    const struct channel *channel = channel_find(&hub->channels, message.channel);
    say_count(hub, METRIC_RELAYED_IN);
    if (channel) {
        say_event(hub, channel, &message);
    }
}
