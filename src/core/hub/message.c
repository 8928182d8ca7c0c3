/* SPDX-License-Identifier: PostgreSQL */
/* Messages of clients, and the fan-out of every event. A message on a channel with history goes
 * through the log and comes back as an event with an offset; without history, or to one client, it
 * goes straight to the frame. The payload is never parsed; only the rule's on_message function may
 * put another one in its place. */
#include "core/hub/access.h"
#include "core/hub/internal.h"

void hub_fan_out(struct hub *hub, struct channel *channel, struct frame *frame)
{
    for (uint32_t worker = 0; worker < hub->options.n_workers; worker++) {
        if (channel->n_on_worker[worker] > 0) {
            hub->transport->publish(hub->transport->ctx, worker, channel->number, frame);
        }
    }
    frame_unref(frame);
}

void hub_publish(struct hub *hub, struct channel *channel, const struct event *event)
{
    hub_fan_out(hub, channel, hub->protocol->event(event, false));
}

/* The addressee of a private message; NULL: there is none in this channel. */
static struct session *find_addressee(struct hub *hub, const struct channel *channel,
                                      struct str socket_id)
{
    struct session *session = session_table_find_socket(&hub->sessions, socket_id);
    const struct subscription *in =
        session && !session->is_closing ? session_in(session, channel) : NULL;
    return in && in->is_joined ? session : NULL;
}

/* What the flags of the rule say. False: *why says what to answer. */
static bool is_allowed(struct hub *hub, const struct session *session,
                       const struct channel *channel, const struct command *command,
                       enum audience_kind *audience, enum error_code *why)
{
    const struct rule *rule = channel ? channel->rule : NULL;
    *audience = AUDIENCE_ALL;
    if (!channel || !session_in(session, channel)) {
        *why = ERROR_CODE_NOT_JOINED;
        return false;
    }
    if (!rule) {
        *why = ERROR_CODE_NO_CHANNEL;
        return false;
    }
    if (!command->socket_id.ptr) {
        return access_may_send(rule, session->identity, command->is_authenticated, audience, why);
    }
    /* Whoever may not send privately learns nothing about who is there. */
    const struct session *addressee = find_addressee(hub, channel, command->socket_id);
    if (!access_may_send_private(rule, session->identity, session->identity, why) ||
        (addressee &&
         !access_may_send_private(rule, session->identity, addressee->identity, why))) {
        return false;
    }
    *why = ERROR_CODE_NO_SUCH_CLIENT;
    return addressee != NULL;
}

static void send_private(struct hub *hub, const struct session *session,
                         const struct channel *channel, const struct event *event)
{
    const struct session *addressee = find_addressee(hub, channel, event->f.socket_id);
    struct frame *frame = hub->protocol->event(event, false);
    if (addressee != session) {
        hub_answer(hub, addressee, frame_ref(frame));
    }
    hub_answer(hub, session, frame);
}

static void send_durable(struct hub *hub, struct session *session, struct channel *channel,
                         struct event *event)
{
    if (hub->store->append(hub->store->ctx, event, session->id)) {
        channel->was_durable = true;
        session->n_appending++;
    } else {
        hub_count(hub, METRIC_LIMITS + METRIC_LIMIT_APPEND_BYTES);
        hub_answer_error(hub, session, event->f.channel, ERROR_CODE_UNAVAILABLE);
    }
}

static void count(struct hub *hub, bool is_private, bool is_durable)
{
    hub_count(hub, METRIC_MESSAGES + (is_private   ? METRIC_MESSAGE_PRIVATE
                                      : is_durable ? METRIC_MESSAGE_DURABLE
                                                   : METRIC_MESSAGE_EPHEMERAL));
}

/* False: it must wait for the sender's earlier messages. */
static bool deliver(struct hub *hub, struct session *session, struct channel *channel,
                    const struct command *command, enum audience_kind audience)
{
    bool is_private = command->socket_id.ptr != NULL;
    bool is_durable = channel->rule->message_history > 0 && !is_private;
    /* The rule made this channel's messages ephemeral a moment ago: the sender's earlier ones go
     * first. */
    if (!is_durable && !is_private && channel->was_durable && session_awaits_appends(session)) {
        return false;
    }
    struct buf client = {0};
    struct event_fields fields = {
        .action = EVENT_ACTION_MESSAGE,
        .audience = {.kind = audience},
        .channel = command->channel,
        .socket_id = command->socket_id,
        .client = hub_client_json(hub, session, &client),
        .payload = command->payload,
    };
    struct event *event = event_new(&fields);
    buf_release(&client);
    count(hub, is_private, is_durable);
    if (is_private) {
        send_private(hub, session, channel, event);
    } else if (is_durable) {
        send_durable(hub, session, channel, event);
    } else {
        hub_publish(hub, channel, event);
    }
    event_unref(event);
    return true;
}

bool hub_message(struct hub *hub, struct session *session, struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    enum audience_kind audience;
    enum error_code code;
    if (!is_allowed(hub, session, channel, command, &audience, &code)) {
        hub_answer_error(hub, session, command->channel, code);
        return true;
    }
    bool is_new = !command->has_rule_passed && !command->has_hook_passed;
    if (is_new &&
        !bucket_take(&channel->messages, &hub->options.channel_messages, 1, hub->now_ms)) {
        hub_count(hub, METRIC_LIMITS + METRIC_LIMIT_CHANNEL_MESSAGES);
        hub_answer_error(hub, session, command->channel, ERROR_CODE_RATE_LIMITED);
        return true;
    }
    enum judged judged = hub_authorize(hub, session, command, channel->rule);
    if (judged != JUDGED_ALLOWED) {
        return judged == JUDGED_ANSWERED;
    }
    if (channel->rule->on_message && !command->has_hook_passed) {
        hub_ask_hook(hub, session, command, channel->rule->on_message);
        return false;
    }
    return deliver(hub, session, channel, command, audience);
}
