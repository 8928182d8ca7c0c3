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
    const struct session *addressee = find_addressee(hub, channel, command->socket_id);
    if (!access_may_send_private(rule, session->identity, session->identity, why) ||
        (addressee &&
         !access_may_send_private(rule, session->identity, addressee->identity, why))) {
        return false;
    }
    *why = ERROR_CODE_NO_SUCH_CLIENT;
    return addressee != NULL;
}

static void message_send_private(struct hub *hub, const struct session *session,
                                 const struct channel *channel, const struct event_fields *message)
{
    const struct session *addressee = find_addressee(hub, channel, message->socket_id);
    struct protocol_event told = protocol_event_of(message);
    struct frame *frame = hub->protocol->event(&told, (struct str){0}, false);
    if (addressee != session) {
        say_frame(hub, addressee, frame_ref(frame));
    }
    say_frame(hub, session, frame);
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

static void message_append(struct hub *hub, struct session *session, struct channel *channel,
                           const struct command *command, const struct event_fields *message)
{
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

/* False: it must wait for the sender's earlier messages. */
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
    say_count(hub, METRIC_MESSAGES + kind);
    if (kind != METRIC_MESSAGE_DURABLE && command->ref.ptr) {
        say_receipt(hub, session, (struct protocol_receipt){.channel = command->channel});
    }
    struct buf client = {0};
    struct event_fields message = {
        .action = EVENT_ACTION_MESSAGE,
        .audience = {.kind = audience},
        .channel = command->channel,
        .socket_id = command->socket_id,
        .client = say_client_json(hub, session, &client),
        .payload = command->payload,
    };
    if (command->has_to) {
        message.audience = (struct audience){
            .kind = AUDIENCE_USER, .dbo_id = command->to_dbo_id, .row_id = command->to_row_id};
        message_send_to(hub, session, channel, &message);
    } else if (kind == METRIC_MESSAGE_PRIVATE) {
        message_send_private(hub, session, channel, &message);
    } else if (kind == METRIC_MESSAGE_DURABLE) {
        message_append(hub, session, channel, command, &message);
    } else {
        say_event(hub, channel, &message);
    }
    buf_release(&client);
    return true;
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
    if (!message_is_allowed(hub, session, channel, command, &audience, &code)) {
        say_refusal(hub, session, command->channel, code);
        return true;
    }
    if (!message_key_is_right(hub, session, channel, command)) {
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
