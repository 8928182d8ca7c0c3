/* SPDX-License-Identifier: PostgreSQL */
/* Joining, leaving and history: the commands that need to know the log.
 *
 * Joining must neither lose nor repeat an event, though history is read while events go on. So a
 * join attaches the session at once, held: the worker keeps live frames aside. The answer of the
 * read carries rows and head of one snapshot; acknowledgement and history are sent, and then the
 * hold is released with `skip_to` = that head. What is older was in the history, what is newer
 * waited, and what the hub has yet to be told of will be dropped or passed by the same comparison.
 * A join that needs no rows, on a channel whose head is known, or only rows that are in memory,
 * takes the same road without the read: the head may be ahead of what was fanned out.
 *
 * Before that it asks for permission, in this order: the rule's on_join function (not for one that
 * is in already), the rule's flags, its authorize function. A join that had to wait is handled
 * again from the top, so each of these is looked at as it is then. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/hub/access.h"
#include "core/hub/internal.h"

/* ---- membership ---- */

/* Everything up to this offset was sent to the member, or was before it joined. */
static uint64_t position_of(const struct subscription *member, const struct channel *channel)
{
    return member->offset > channel->fanned ? member->offset : channel->fanned;
}

static void attach(struct hub *hub, struct session *session, struct channel *channel)
{
    const struct transport *transport = hub->transport;
    struct subscription *member = session_in(session, channel);
    if (member) {
        /* A second join reads again: what arrives meanwhile must come after its answer, so the hold
         * starts anew. */
        member->offset = position_of(member, channel);
        transport->detach(transport->ctx, session->id, channel->number);
    } else {
        member = session_add(session, channel);
        member->member = session->arriving;
        session->arriving = NULL;
        channel->n_members++;
        hub_count(hub, METRIC_SUBSCRIPTIONS);
        channel->n_on_worker[session->id.worker]++;
    }
    member->is_held = true;
    transport->attach(transport->ctx, session->id, channel->number, true);
}

void hub_detach(struct hub *hub, struct session *session, struct channel *channel)
{
    const struct subscription *in = session_in(session, channel);
    if (!in) {
        return;
    }
    struct member *member = in->member;
    if (in->is_joined && channel->rule && channel->rule->on_leave) {
        hub_tell_hook(hub, session, channel->rule->on_leave, "leave", channel_name(channel));
    }
    session_remove(session, channel);
    hub->transport->detach(hub->transport->ctx, session->id, channel->number);
    presence_leave(hub, member);
    hub_forget_member(hub, session, channel);
}

/* Lets the worker go on with the channel's live frames, and with news of presence if wanted. */
void hub_release(struct hub *hub, const struct session *session, const struct channel *channel,
                 uint64_t skip_to)
{
    struct subscription *member = session_in(session, channel);
    member->offset = skip_to;
    member->is_held = false;
    hub->transport->resume_live(hub->transport->ctx, session->id, channel->number, skip_to,
                                member->wants_presence);
}

/* ---- join ---- */

static void acknowledge_join(struct hub *hub, struct session *session,
                             const struct channel *channel, uint64_t head, bool is_resumed,
                             bool is_gap)
{
    struct buf client = {0};
    struct protocol_joined joined = {
        .channel = channel_name(channel),
        .client = hub_client_json(hub, session, &client),
        .epoch = str_of(hub->epoch),
        .offset = head,
        .is_resumed = is_resumed,
        .is_gap = is_gap,
    };
    hub_count(hub, METRIC_JOINS);
    if (is_resumed || is_gap) {
        hub_count(hub, is_resumed ? METRIC_RESUMES : METRIC_GAPS);
    }
    session_in(session, channel)->is_joined = true;
    hub_answer(hub, session, hub->protocol->joined(&joined));
    buf_release(&client);
}

/* After the acknowledgement: who is here, if it is wanted and the rule lists members. Also to one
 * that has asked before: the news that came while it was held were not for it. */
void hub_send_presence(struct hub *hub, const struct session *session, struct channel *channel)
{
    if (session_in(session, channel)->wants_presence && channel->presence) {
        hub_answer(hub, session, presence_full(hub, channel));
    }
}

/* What a join reads: since beats history, and a channel that keeps nothing has no history to send.
 */
static struct read join_read(const struct hub *hub, const struct command *command,
                             const struct rule *rule)
{
    struct read read = {
        .type = COMMAND_JOIN, .kind = STORE_READ_HEAD, .wants_presence = command->wants_presence};
    if (command->has_since) {
        read.is_void = !hub->epoch || !str_equals(command->since_epoch, str_of(hub->epoch));
        read.kind = read.is_void ? STORE_READ_HEAD : STORE_READ_SINCE;
        read.since = command->since_offset;
    } else if (command->wants_history && rule->message_history > 0) {
        read.kind = STORE_READ_LAST;
        read.limit = rule->message_history;
    }
    return read;
}

/* Up to the end of its answer: what was missed and the release come after it. */
static void begin_answer(struct hub *hub, struct session *session, struct channel *channel,
                         const struct read *read, uint64_t head, bool is_gap)
{
    struct subscription *in = session_in(session, channel);
    in->wants_presence = in->wants_presence || read->wants_presence;
    acknowledge_join(hub, session, channel, head, read->kind == STORE_READ_SINCE && !is_gap,
                     is_gap);
    hub_send_presence(hub, session, channel);
}

/* A member that joins again goes on where it is: naming the head, which may be ahead of what it was
 * sent, would make it believe that it has the events between. */
static void join_without_reading(struct hub *hub, struct session *session, struct channel *channel,
                                 const struct read *read)
{
    const struct subscription *member = session_in(session, channel);
    uint64_t offset = member ? position_of(member, channel) : channel->head;
    if (!member) {
        attach(hub, session, channel);
    }
    acknowledge_join(hub, session, channel, offset, false, read->is_void);
    if (read->wants_presence) {
        session_in(session, channel)->wants_presence = true;
        hub_send_presence(hub, session, channel);
    }
    hub_release(hub, session, channel, offset);
}

/* Why its token was not accepted is told once, where its owner will look. */
static void tell_token_error(struct hub *hub, struct session *session, struct str channel)
{
    char text[200];
    if (!session->token_why) {
        return;
    }
    snprintf(text, sizeof(text), "%.*s: %s.",
             (int)(strlen(error_code_text(session->token_error)) - 1),
             error_code_text(session->token_error), session->token_why);
    hub_answer_error_text(hub, session, channel, session->token_error, text);
    session->token_why = NULL;
}

/* False: it is refused, and told so. */
static bool is_join_allowed(struct hub *hub, struct session *session, const struct command *command,
                            const struct rule *rule, bool is_member)
{
    const struct hub_options *options = &hub->options;
    enum error_code code;
    if (!access_may_join(rule, session->identity, &code)) {
        hub_answer_error(hub, session, command->channel, code);
        return false;
    }
    if (!is_member && session->n_subscriptions >= hub->options.max_channels) {
        hub_count(hub, METRIC_LIMITS + METRIC_LIMIT_SESSION_CHANNELS);
        hub_answer_error(hub, session, command->channel, ERROR_CODE_TOO_MANY_CHANNELS);
        return false;
    }
    const struct channel *channel = channel_find(&hub->channels, command->channel);
    if (!channel && options->max_open_channels > 0 &&
        HASH_COUNT(hub->channels.by_name) >= options->max_open_channels) {
        hub_count(hub, METRIC_LIMITS + METRIC_LIMIT_CHANNELS);
        hub_answer_error(hub, session, command->channel, ERROR_CODE_UNAVAILABLE);
        return false;
    }
    if (channel && !is_member && options->max_channel_members > 0 &&
        channel->n_members >= options->max_channel_members) {
        hub_count(hub, METRIC_LIMITS + METRIC_LIMIT_CHANNEL_MEMBERS);
        hub_answer_error(hub, session, command->channel, ERROR_CODE_CHANNEL_FULL);
        return false;
    }
    return true;
}

void hub_end_arrival(struct hub *hub, struct session *session)
{
    struct member *arriving = session->arriving;
    session->arriving = NULL;
    presence_leave(hub, arriving);
}

/* While there are recent rows of a channel, their newest is a head that is safe to name. */
static void look_for_head(const struct hub *hub, struct channel *channel)
{
    const struct recent_run *run =
        channel->has_head ? NULL : recent_find(&hub->recent, channel_name(channel));
    if (run) {
        channel->head = recent_run_last(run);
        channel->has_head = true;
    }
}

/* The permissions are there: into the list, then into the channel. */
static bool enter(struct hub *hub, struct session *session, const struct command *command,
                  const struct rule *rule, bool is_member)
{
    struct read read = join_read(hub, command, rule);
    if (read.kind != STORE_READ_HEAD && session_awaits_appends(session)) {
        return false;
    }
    struct channel *channel = channel_open(&hub->channels, command->channel);
    channel->rule = rule;
    look_for_head(hub, channel);
    if (rule->presence && !is_member && !session->arriving) {
        session->arriving = presence_arrive(hub, session, channel);
    }
    const struct member *entry =
        is_member ? session_in(session, channel)->member : session->arriving;
    if (entry && entry->state == MEMBER_STATE_ARRIVING && command->wants_presence) {
        session->wait = SESSION_WAIT_PRESENCE;
        return false;
    }
    if (read.kind == STORE_READ_HEAD && channel->has_head) {
        join_without_reading(hub, session, channel, &read);
    } else {
        attach(hub, session, channel);
        read.channel = channel;
        read.was_member = is_member;
        hub_ask(hub, session, read);
    }
    return true;
}

static bool try_join(struct hub *hub, struct session *session, const struct command *command)
{
    const struct rule *rule = site_rule(hub->site, command->channel);
    const struct channel *channel = channel_find(&hub->channels, command->channel);
    bool is_member = channel && session_in(session, channel);
    tell_token_error(hub, session, command->channel);
    if (!rule) {
        hub_answer_error(hub, session, command->channel, ERROR_CODE_NO_CHANNEL);
        return true;
    }
    if (rule->on_join && !is_member && !command->has_hook_passed) {
        hub_ask_hook(hub, session, command, rule->on_join);
        return false;
    }
    if (!is_join_allowed(hub, session, command, rule, is_member)) {
        return true;
    }
    enum judged judged = hub_authorize(hub, session, command, rule);
    if (judged != JUDGED_ALLOWED) {
        return judged == JUDGED_ANSWERED;
    }
    return enter(hub, session, command, rule, is_member);
}

bool hub_join(struct hub *hub, struct session *session, struct command *command)
{
    if (!try_join(hub, session, command)) {
        return false;
    }
    hub_end_arrival(hub, session); /* it was refused after it had waited in the list */
    return true;
}

/* ---- answers ---- */

static void answer_history(struct hub *hub, const struct session *session,
                           const struct channel *channel, const struct store_answer *found)
{
    hub_count(hub, METRIC_HISTORIES);
    hub_answer(hub, session,
               hub->protocol->history(channel_name(channel), found->events, found->n_events));
}

static void finish_join(struct hub *hub, struct session *session, const struct read *read,
                        const struct store_answer *found)
{
    struct channel *channel = read->channel;
    /* The read may be older than what has been fanned out since it was asked. */
    uint64_t newest = found->head > channel->fanned ? found->head : channel->fanned;
    if (!channel->has_head || newest > channel->head) {
        channel->head = newest;
        channel->has_head = true;
    }
    if (!session_in(session, channel)) {
        return; /* removed while it waited */
    }
    bool is_since = read->kind == STORE_READ_SINCE;
    bool is_gap = read->is_void || (is_since && found->is_gap);
    /* The head of the read, not the newer one that live events may have reached meanwhile: those
     * still wait. */
    begin_answer(hub, session, channel, read, found->head, is_gap);
    if (is_since && !is_gap) {
        hub_replay(hub, session, channel, read->since, found->head, found);
        return;
    }
    if (read->kind == STORE_READ_LAST) {
        answer_history(hub, session, channel, found);
    }
    hub_release(hub, session, channel, found->head);
}

/* A first join that could not be answered has not happened; a member stays one. */
static void undo_join(struct hub *hub, struct session *session, const struct read *read)
{
    const struct subscription *member = session_in(session, read->channel);
    if (member && read->was_member) {
        hub_send_presence(hub, session, read->channel);
        hub_release(hub, session, read->channel, member->offset);
    } else {
        hub_detach(hub, session, read->channel);
    }
}

void hub_take_answer(struct hub *hub, struct session *session, const struct read *read,
                     const struct store_answer *found)
{
    if (found->is_failed) {
        hub_answer_error(hub, session, channel_name(read->channel), ERROR_CODE_UNAVAILABLE);
        if (read->type == COMMAND_JOIN) {
            undo_join(hub, session, read);
        }
    } else if (read->type == COMMAND_JOIN) {
        finish_join(hub, session, read, found);
    } else if (session_in(session, read->channel)) { /* not removed while it waited */
        answer_history(hub, session, read->channel, found);
    }
}

/* ---- answers from memory ---- */

/* A position that is the head misses nothing, rows or not. Else all rows after it must be here. */
static bool resume_from_memory(struct hub *hub, struct session *session, const struct read *read)
{
    struct channel *channel = read->channel;
    const struct recent_run *run = recent_find(&hub->recent, channel_name(channel));
    struct recent_row *const *rows;
    size_t n = 0;
    uint64_t head = channel->head;
    if (!channel->has_head || read->since != channel->head) {
        if (!run || !recent_run_after(run, read->since, &rows, &n) ||
            n > hub->options.resume_max_rows) {
            return false;
        }
        head = read->since + n;
    }
    if (session_in(session, channel)) {
        begin_answer(hub, session, channel, read, head, false);
        hub_replay(hub, session, channel, read->since, head, NULL);
    }
    return true;
}

static bool history_from_memory(struct hub *hub, struct session *session, const struct read *read)
{
    struct recent_run *run = recent_find(&hub->recent, channel_name(read->channel));
    const struct subscription *member = session_in(session, read->channel);
    if (run && member && member->offset > recent_run_last(run)) {
        return false; /* an earlier answer has told it of rows that are not here yet */
    }
    struct frame *frame = run ? recent_history(&hub->recent, run, read->limit, HUB_HISTORY_BYTES,
                                               session->identity, hub->protocol)
                              : NULL;
    if (!frame) {
        return false;
    }
    uint64_t head = recent_run_last(run);
    hub_count(hub, METRIC_HISTORIES);
    if (member && read->type == COMMAND_JOIN) {
        begin_answer(hub, session, read->channel, read, head, false);
        hub_answer(hub, session, frame);
        hub_release(hub, session, read->channel, head);
    } else if (member) {
        hub_answer(hub, session, frame);
    } else {
        frame_unref(frame);
    }
    return true;
}

static bool head_from_memory(struct hub *hub, struct session *session, const struct read *read)
{
    struct channel *channel = read->channel;
    if (channel->has_head && session_in(session, channel)) {
        begin_answer(hub, session, channel, read, channel->head, read->is_void);
        hub_release(hub, session, channel, channel->head);
    }
    return channel->has_head;
}

bool hub_answer_from_memory(struct hub *hub, struct session *session, const struct read *read)
{
    bool is_answered = false;
    if (read->n_epoch != hub->n_epoch) {
        return false;
    }
    look_for_head(hub, read->channel);
    switch (read->kind) {
    case STORE_READ_HEAD:
        return head_from_memory(hub, session, read);
    case STORE_READ_LAST:
        is_answered = history_from_memory(hub, session, read);
        break;
    case STORE_READ_SINCE:
        is_answered = resume_from_memory(hub, session, read);
        break;
    }
    if (is_answered) {
        hub_count(hub, METRIC_MEMORY_ANSWERS);
    }
    return is_answered;
}

/* ---- history ---- */

bool hub_history(struct hub *hub, struct session *session, const struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    if (!channel || !session_in(session, channel)) {
        hub_answer_error(hub, session, command->channel, ERROR_CODE_NOT_JOINED);
        return true;
    }
    /* Private messages are never kept, so a client's own history (socketId) is always empty. */
    if (!channel->rule || channel->rule->message_history == 0 || command->socket_id.ptr) {
        hub_count(hub, METRIC_HISTORIES);
        hub_answer(hub, session, hub->protocol->history(command->channel, NULL, 0));
        return true;
    }
    if (session_awaits_appends(session)) {
        return false;
    }
    hub_ask(hub, session,
            (struct read){.type = COMMAND_HISTORY,
                          .kind = STORE_READ_LAST,
                          .channel = channel,
                          .limit = channel->rule->message_history});
    return true;
}

void hub_leave(struct hub *hub, struct session *session, const struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    if (!channel || !session_in(session, channel)) {
        hub_answer_error(hub, session, command->channel, ERROR_CODE_NOT_JOINED);
        return;
    }
    hub_detach(hub, session, channel);
    hub_answer(hub, session, hub->protocol->left(command->channel));
}
