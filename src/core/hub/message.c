/* SPDX-License-Identifier: PostgreSQL */
/* Messages of clients. One on a channel with history goes through the log and comes back as an event
 * with an offset; without history, or to one client, it goes straight to the frame. The payload is
 * never parsed; only the rule's on_message function may put another one in its place. */
#include "core/hub/message.h"

#include "base/buf.h"
#include "core/hub/authorize.h"
#include "core/hub/function.h"
#include "core/hub/ground/access.h"
#include "core/hub/ground/rates.h"
#include "core/hub/ground/say.h"
#include "core/hub/nodes/private.h"
#include "core/hub/nodes/relay.h"

/* What the flags of the rule say. False: *why says what to answer. */
static bool message_is_allowed(struct hub *hub, const struct session *session,
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
    if (command->has_to) { /* whomever it is for, he has an identity */
        return access_may_send_private(rule, session->identity, session->identity, why);
    }
    if (!command->socket_id.ptr) {
        return access_may_send(rule, session->identity, command->is_authenticated, audience, why);
    }
    /* Whoever may not send privately learns nothing about who is there. */
    const struct session *addressee = private_find(hub, channel, command->socket_id);
    if (!access_may_send_private(rule, session->identity, session->identity, why) ||
        (addressee &&
         !access_may_send_private(rule, session->identity, addressee->identity, why))) {
        return false;
    }
    *why = ERROR_CODE_NO_SUCH_CLIENT;
    return addressee || !hub->options.bus->is_alone;
}

/* To all sessions of an identity that are here. The sender learns nothing about them: whoever is there,
 * it is published to the channel, whose workers know who has which identity, and comes back. One who
 * writes to himself has it by that. */
static void message_send_to(struct hub *hub, const struct session *session,
                            const struct channel *channel, const struct event_fields *message)
{
    struct protocol_event told = protocol_event_of(message);
    struct frame *frame = hub->protocol->event(&told, (struct str){0}, false);
    say_to_channel(hub, channel, frame_ref(frame));
    if (audience_admits(&message->audience, session->identity)) {
        frame_unref(frame);
    } else {
        say_frame(hub, session, frame);
    }
}

/* Who a key belongs to: a user, or whoever knows the secret that an anonymous client made up. A
 * guessed key must not make a stranger's message vanish. */
static bool message_has_sender(const struct session *session, const struct command *command)
{
    return (session->identity && session->identity->row_id.ptr) || command->by.ptr;
}

static void message_put_sender(const struct session *session, const struct command *command,
                               struct buf *by)
{
    const struct identity *who = session->identity;
    if (who && who->row_id.ptr) {
        buf_printf(by, "i:%d/", (int)who->dbo_id);
        buf_str(by, who->row_id);
    } else {
        buf_literal(by, "a:");
        buf_str(by, command->by);
    }
}

/* METRIC_MESSAGE_PRIVATE, _DURABLE or _EPHEMERAL. */
static unsigned message_kind(const struct channel *channel, const struct command *command)
{
    if (command->socket_id.ptr || command->has_to) {
        return METRIC_MESSAGE_PRIVATE;
    }
    return channel->rule->message_history > 0 ? METRIC_MESSAGE_DURABLE : METRIC_MESSAGE_EPHEMERAL;
}

/* What is sent once under a key must go where keys are kept, and have a sender. */
static bool message_key_is_right(struct hub *hub, const struct session *session,
                                 const struct channel *channel, const struct command *command)
{
    bool is_durable = message_kind(channel, command) == METRIC_MESSAGE_DURABLE;
    if (!command->id_key.ptr || (is_durable && message_has_sender(session, command))) {
        return true;
    }
    say_refusal_text(hub, session, command->channel, ERROR_CODE_BAD_JSON,
                     is_durable
                         ? "With an id_key, who is not signed in must send options.by: 32 hex "
                           "digits that only he knows."
                         : "A message that is not kept takes no id_key: nobody could say "
                           "later whether it was sent.");
    return false;
}

/* It needs the other nodes, and they cannot be reached. Looked at before anything else is done: a rate
 * would have counted it, and a function have acted on it, for nothing. */
static bool message_is_cut(struct hub *hub, const struct channel *channel,
                           const struct command *command)
{
    if (!relay_is_cut(hub) || message_kind(channel, command) == METRIC_MESSAGE_DURABLE) {
        return false;
    }
    return !command->socket_id.ptr || !private_find(hub, channel, command->socket_id);
}

static void message_append(struct hub *hub, struct session *session, struct channel *channel,
                           const struct command *command, const struct event_fields *message)
{
    say_count(hub, METRIC_MESSAGES + METRIC_MESSAGE_DURABLE);
    struct event *event = event_new(message); /* it outlives the command */
    struct buf by = {0};
    struct store_append append = {
        .message = event, .sender = session->id, .ref = command->ref, .key = command->id_key};
    if (append.key.ptr) {
        message_put_sender(session, command, &by);
        append.by = buf_span(&by);
    }
    if (hub->store->log.append(hub->store->log.ctx, &append)) {
        channel->was_durable = true;
        session->n_appending++;
    } else {
        say_count(hub, METRIC_LIMITS + METRIC_LIMIT_APPEND_BYTES);
        say_refusal(hub, session, message->channel, ERROR_CODE_UNAVAILABLE);
    }
    buf_release(&by);
    event_unref(event);
}

/* All but the audience. Spans point into the command and *client. */
static struct event_fields message_of(const struct hub *hub, const struct session *session,
                                      const struct command *command, struct buf *client)
{
    return (struct event_fields){
        .action = EVENT_ACTION_MESSAGE,
        .channel = command->channel,
        .socket_id = command->socket_id,
        .client = say_client_json(hub, session, client),
        .payload = command->payload,
    };
}

/* One that is not kept was sent. */
static void message_confirm(struct hub *hub, const struct session *session,
                            const struct channel *channel, const struct command *command)
{
    say_count(hub, METRIC_MESSAGES + message_kind(channel, command));
    say_receipt(hub, session, (struct protocol_receipt){.channel = command->channel});
}

/* To all nodes or to none. */
static void message_send_around(struct hub *hub, const struct session *session,
                                const struct channel *channel, const struct command *command,
                                const struct event_fields *message)
{
    enum error_code why;
    if (!relay_send(hub, message, &why)) {
        say_refusal(hub, session, command->channel, why);
        return;
    }
    message_confirm(hub, session, channel, command);
    if (command->has_to) {
        message_send_to(hub, session, channel, message);
    } else {
        say_event(hub, channel, message);
    }
}

/* The addressee, if he is here, and the sender. */
static void message_show_private(struct hub *hub, const struct session *session,
                                 const struct session *addressee,
                                 const struct event_fields *message)
{
    struct protocol_event told = protocol_event_of(message);
    struct frame *frame = hub->protocol->event(&told, (struct str){0}, false);
    if (addressee && addressee != session) {
        say_frame(hub, addressee, frame_ref(frame));
    }
    say_frame(hub, session, frame);
}

/* False: other nodes are asked for the addressee. */
static bool message_send_private(struct hub *hub, struct session *session,
                                 const struct channel *channel, const struct command *command,
                                 const struct event_fields *message)
{
    enum error_code why;
    const struct session *addressee = private_find(hub, channel, command->socket_id);
    if (addressee) {
        message_confirm(hub, session, channel, command);
        message_show_private(hub, session, addressee, message);
    } else if (private_ask(hub, session, message, &why)) {
        return false;
    } else {
        say_refusal(hub, session, command->channel, why);
    }
    return true;
}

/* Another node has it, and has shown it to the addressee. Whoever was taken out of the channel meanwhile
 * has his receipt, but is shown nothing of the channel any more. */
static void message_show_delivered(struct hub *hub, const struct session *session,
                                   const struct command *command)
{
    struct buf client = {0};
    struct event_fields message = message_of(hub, session, command, &client);
    const struct channel *channel = channel_find(&hub->channels, command->channel);
    say_count(hub, METRIC_MESSAGES + METRIC_MESSAGE_PRIVATE);
    say_receipt(hub, session, (struct protocol_receipt){.channel = command->channel});
    if (channel && session_in(session, channel)) {
        message_show_private(hub, session, NULL, &message);
    }
    buf_release(&client);
}

static void message_tell_delivery(struct hub *hub, const struct session *session,
                                  const struct command *command)
{
    switch (command->delivery) {
    case COMMAND_DELIVERY_DONE:
        message_show_delivered(hub, session, command);
        break;
    case COMMAND_DELIVERY_NOWHERE:
        say_refusal(hub, session, command->channel, ERROR_CODE_NO_SUCH_CLIENT);
        break;
    case COMMAND_DELIVERY_REFUSED:
        say_refusal(hub, session, command->channel, ERROR_CODE_PRIVATE_REFUSED);
        break;
    case COMMAND_DELIVERY_UNKNOWN:
        say_refusal_text(hub, session, command->channel, ERROR_CODE_UNAVAILABLE,
                         "Not all servers have answered: nobody knows whether it was delivered.");
        break;
    case COMMAND_DELIVERY_NONE:
        break;
    }
}

/* False: it must wait, for the sender's earlier messages or for other nodes. */
static bool message_send(struct hub *hub, struct session *session, struct channel *channel,
                         const struct command *command, enum audience_kind audience)
{
    unsigned kind = message_kind(channel, command);
    /* The rule made this channel's messages ephemeral a moment ago: the sender's earlier ones go
     * first. */
    if (kind == METRIC_MESSAGE_EPHEMERAL && channel->was_durable &&
        session_awaits_appends(session)) {
        return false;
    }
    struct buf client = {0};
    struct event_fields message = message_of(hub, session, command, &client);
    bool is_done = true;
    message.audience.kind = audience;
    if (command->has_to) {
        message.audience = (struct audience){
            .kind = AUDIENCE_USER, .dbo_id = command->to_dbo_id, .row_id = command->to_row_id};
    }
    if (kind == METRIC_MESSAGE_DURABLE) {
        message_append(hub, session, channel, command, &message);
    } else if (command->socket_id.ptr) {
        is_done = message_send_private(hub, session, channel, command, &message);
    } else {
        message_send_around(hub, session, channel, command, &message);
    }
    buf_release(&client);
    return is_done;
}

/* By the rule of its sender, then by what the channel takes of all. False: there were too many, and
 * the sender is told so. */
static bool message_is_in_time(struct hub *hub, const struct session *session,
                               struct channel *channel)
{
    const struct bucket_rate *rate = &hub->options.channel_messages;
    unsigned limit = METRIC_LIMIT_MESSAGES_PER_MINUTE;
    uint64_t wait_ms = rates_take(hub, session, channel);
    if (wait_ms == 0 && !bucket_take(&channel->messages, rate, 1, hub->now_ms)) {
        limit = METRIC_LIMIT_CHANNEL_MESSAGES;
        wait_ms = bucket_wait_ms(&channel->messages, rate, 1, hub->now_ms);
    }
    if (wait_ms > 0) {
        say_count(hub, METRIC_LIMITS + limit);
        say_rate_limited(hub, session, channel_name(channel), (uint32_t)wait_ms);
    }
    return wait_ms == 0;
}

bool message_handle(struct hub *hub, struct session *session, const struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    enum audience_kind audience;
    enum error_code code;
    if (command->delivery != COMMAND_DELIVERY_NONE) {
        message_tell_delivery(hub, session, command);
        return true;
    }
    if (!message_is_allowed(hub, session, channel, command, &audience, &code)) {
        say_refusal(hub, session, command->channel, code);
        return true;
    }
    if (!message_key_is_right(hub, session, channel, command)) {
        return true;
    }
    if (message_is_cut(hub, channel, command)) {
        say_refusal(hub, session, command->channel, ERROR_CODE_NO_BUS);
        return true;
    }
    if (command->stage == COMMAND_STAGE_NEW && !message_is_in_time(hub, session, channel)) {
        return true;
    }
    enum judged judged = authorize_command(hub, session, command, channel->rule);
    if (judged != JUDGED_ALLOWED) {
        return judged == JUDGED_ANSWERED;
    }
    if (channel->rule->on_message && !command->has_function_passed) {
        function_ask(hub, session, command, channel->rule->on_message);
        return false;
    }
    return message_send(hub, session, channel, command, audience);
}
