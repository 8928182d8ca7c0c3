/* SPDX-License-Identifier: PostgreSQL */
/* Messages of clients, and the fan-out of every event. A message on a channel with history goes
 * through the log and comes back as an event with an offset; without history it goes straight to
 * the frame. The payload is never parsed. */
#include "core/hub/internal.h"

void hub_publish(struct hub *hub, struct channel *channel, const struct event *event)
{
    struct frame *frame = hub->protocol->event(event, false);
    for (uint32_t worker = 0; worker < hub->options.n_workers; worker++) {
        if (channel->n_on_worker[worker] > 0) {
            hub->transport->publish(hub->transport->ctx, worker, channel->number, frame);
        }
    }
    frame_unref(frame);
}

/* The reason to refuse a message from an anonymous session; false: it may be sent. */
static bool is_message_refused(const struct session *session, const struct channel *channel,
                               const struct command *command, enum error_code *code)
{
    const struct rule *rule = channel ? channel->rule : NULL;
    if (!channel || !session_in(session, channel)) {
        *code = ERROR_CODE_NOT_JOINED;
    } else if (!rule) {
        *code = ERROR_CODE_NO_CHANNEL;
    } else if (command->socket_id.ptr) {
        *code = ERROR_CODE_PRIVATE_REFUSED;
    } else if (!rule->public_messaging || rule->public_auth || command->is_authenticated) {
        *code = ERROR_CODE_SEND_REFUSED;
    } else {
        return false;
    }
    return true;
}

bool hub_message(struct hub *hub, struct session *session, const struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    enum error_code code;
    if (is_message_refused(session, channel, command, &code)) {
        hub_answer_error(hub, session, command->channel, code);
        return true;
    }
    bool is_durable = channel->rule->message_history > 0;
    /* The rule made this channel's messages ephemeral a moment ago: the sender's earlier ones go
     * first. */
    if (!is_durable && channel->was_durable && hub_waits_for_appends(session)) {
        return false;
    }
    struct buf client = {0};
    struct event_fields fields = {
        .action = EVENT_ACTION_MESSAGE,
        .channel = command->channel,
        .client = hub_client_json(hub, session, &client),
        .payload = command->payload,
    };
    struct event *event = event_new(&fields);
    buf_release(&client);
    if (!is_durable) {
        hub_publish(hub, channel, event);
    } else if (hub->store->append(hub->store->ctx, event, session->id)) {
        channel->was_durable = true;
        session->n_appending++;
    } else {
        hub_answer_error(hub, session, command->channel, ERROR_CODE_UNAVAILABLE);
    }
    event_unref(event);
    return true;
}
