/* SPDX-License-Identifier: PostgreSQL */
/* Whatever leaves the hub for a client goes through here, so a wrong frame has one place to stop
 * at. Nothing here decides who may get it. */
#include "core/hub/ground/say.h"

void say_count(struct hub *hub, unsigned cell)
{
    metrics_count(hub->options.counts, cell);
}

void say_frame(struct hub *hub, const struct session *session, struct frame *frame)
{
    hub->transport->send(hub->transport->ctx, session->id, frame);
    frame_unref(frame);
}

static bool is_from(const struct command *command, const struct session *session)
{
    return command->session.worker == session->id.worker &&
           command->session.slot == session->id.slot &&
           command->session.generation == session->id.generation;
}

struct str say_ref(const struct hub *hub, const struct session *session)
{
    const struct command *command = hub->handled;
    if (command && is_from(command, session)) {
        return command->ref;
    }
    command = session->held;
    return command && command->stage != COMMAND_STAGE_NEW ? command->ref : (struct str){0};
}

void say_late_refusal(struct hub *hub, const struct session *session,
                      const struct protocol_error *error)
{
    say_count(hub, METRIC_ERRORS + error->code);
    say_frame(hub, session, hub->protocol->error(error));
}

void say_refusal_text(struct hub *hub, const struct session *session, struct str channel,
                      enum error_code code, const char *text)
{
    say_late_refusal(
        hub, session,
        &(struct protocol_error){
            .channel = channel, .ref = say_ref(hub, session), .code = code, .text = text});
}

void say_refusal(struct hub *hub, const struct session *session, struct str channel,
                 enum error_code code)
{
    say_refusal_text(hub, session, channel, code, NULL);
}

void say_rate_limited(struct hub *hub, const struct session *session, struct str channel,
                      uint32_t retry_after_ms)
{
    say_late_refusal(hub, session,
                     &(struct protocol_error){.channel = channel,
                                              .ref = say_ref(hub, session),
                                              .code = ERROR_CODE_RATE_LIMITED,
                                              .retry_after_ms = retry_after_ms});
}

void say_removed(struct hub *hub, const struct session *session, const struct channel *channel)
{
    if (say_ref(hub, session).ptr) {
        say_refusal(hub, session, channel_name(channel), ERROR_CODE_REMOVED);
    }
}

void say_error(struct hub *hub, const struct session *session, struct str channel,
               enum error_code code, const char *text)
{
    say_late_refusal(hub, session,
                     &(struct protocol_error){.channel = channel, .code = code, .text = text});
}

void say_receipt(struct hub *hub, const struct session *session, struct protocol_receipt receipt)
{
    receipt.ref = say_ref(hub, session);
    if (receipt.ref.ptr) {
        say_frame(hub, session, hub->protocol->receipt(&receipt));
    }
}

void say_close(struct hub *hub, struct session *session, uint16_t code, const char *reason)
{
    session->is_closing = true;
    hub->transport->close(hub->transport->ctx, session->id, code, reason);
}

void say_to_channel(struct hub *hub, const struct channel *channel, struct frame *frame)
{
    const struct group_list *groups = &channel->groups;
    for (uint32_t i = 0; i < groups->n_plain; i++) {
        roster_publish(groups->items[i]->roster, hub->transport, frame);
    }
    frame_unref(frame);
}

void say_event(struct hub *hub, const struct channel *channel, const struct event_fields *event)
{
    if (channel->groups.n_plain > 0) { /* encoding is the dearest part of it */
        struct protocol_event told = protocol_event_of(event);
        say_to_channel(hub, channel, hub->protocol->event(&told, (struct str){0}, false));
    }
}

bool say_to_nodes(const struct hub *hub, enum bus_kind kind, const char *to, struct str body)
{
    const struct bus *bus = hub->options.bus;
    return bus->send(bus->ctx, kind, to, body);
}

struct str say_client_json(const struct hub *hub, const struct session *session, struct buf *buf)
{
    hub->protocol->client(str_of(session->socket_id), session->identity, buf);
    return buf_span(buf);
}
