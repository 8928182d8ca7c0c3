/* SPDX-License-Identifier: PostgreSQL */
/* Joining, leaving and history: the commands that read the log.
 *
 * Joining must neither lose nor repeat an event, though history is read while events go on. So a
 * join attaches the session at once, held: the worker keeps live frames aside. The answer of the
 * read carries rows and head of one snapshot; acknowledgement and history are sent, and then the
 * hold is released with `skip_to` = that head. What is older was in the history, what is newer
 * waited, and what the hub has yet to be told of will be dropped or passed by the same comparison.
 * A join that needs no rows, on a channel whose head is known, takes the same road without the
 * read: the head may be ahead of what was fanned out. */
#include <stdlib.h>

#include "base/mem.h"
#include "core/hub/internal.h"

/* A read under way for a session: it may be gone when the answer comes, the channel may not. */
struct pending_read {
    struct hub *hub;
    struct session_id session;
    struct channel *channel;
    enum command_type type; /* JOIN or HISTORY */
    enum store_read_kind kind;
    bool was_member; /* JOIN: not its first */
};

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
        session_add(session, channel);
        channel->n_members++;
        channel->n_on_worker[session->id.worker]++;
    }
    transport->attach(transport->ctx, session->id, channel->number, true);
}

static void detach(struct hub *hub, struct session *session, struct channel *channel)
{
    if (session_remove(session, channel)) {
        hub->transport->detach(hub->transport->ctx, session->id, channel->number);
        hub_forget_member(hub, session, channel);
    }
}

/* ---- reads ---- */

static void on_answer(void *arg, const struct store_answer *found);

static void start_read(struct hub *hub, struct session *session, struct channel *channel,
                       const struct command *command, const struct store_query *query,
                       bool was_member)
{
    struct pending_read *read = mem_alloc(sizeof(*read));
    *read =
        (struct pending_read){hub, session->id, channel, command->type, query->kind, was_member};
    channel->n_pins++;
    session->wait = SESSION_WAIT_READ;
    hub->store->read(hub->store->ctx, query, on_answer, read);
}

/* ---- join ---- */

static bool may_anonymous_join(const struct rule *rule)
{
    /* Messaging that is open to all implies that anonymous clients may join. */
    return rule->anonymous_clients || (rule->public_messaging && !rule->public_auth);
}

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
    hub_answer(hub, session, hub->protocol->joined(&joined));
    buf_release(&client);
}

static void release(struct hub *hub, const struct session *session, const struct channel *channel,
                    uint64_t skip_to)
{
    session_in(session, channel)->offset = skip_to;
    hub->transport->release(hub->transport->ctx, session->id, channel->number, skip_to, false);
}

/* What a join reads: since beats history, and a channel that keeps nothing has no history to send.
 */
static struct store_query join_query(const struct command *command, const struct rule *rule)
{
    struct store_query query = {.kind = STORE_READ_HEAD, .channel = command->channel};
    if (command->has_since) {
        query.kind = STORE_READ_SINCE;
        query.since_epoch = command->since_epoch;
        query.since_offset = command->since_offset;
    } else if (command->wants_history && rule->message_history > 0) {
        query.kind = STORE_READ_LAST;
        query.limit = rule->message_history;
    }
    return query;
}

/* A member that joins again goes on where it is: naming the head, which may be ahead of what it was
 * sent, would make it believe that it has the events between. */
static void join_without_reading(struct hub *hub, struct session *session, struct channel *channel)
{
    const struct subscription *member = session_in(session, channel);
    if (member) {
        acknowledge_join(hub, session, channel, position_of(member, channel), false, false);
        return;
    }
    attach(hub, session, channel);
    acknowledge_join(hub, session, channel, channel->head, false, false);
    release(hub, session, channel, channel->head);
}

bool hub_join(struct hub *hub, struct session *session, const struct command *command)
{
    const struct rule *rule = site_rule(hub->site, command->channel);
    if (!rule) {
        hub_answer_error(hub, session, command->channel, ERROR_CODE_NO_CHANNEL);
        return true;
    }
    if (!may_anonymous_join(rule)) {
        hub_answer_error(hub, session, command->channel, ERROR_CODE_ANONYMOUS_REFUSED);
        return true;
    }
    struct channel *channel = channel_find(&hub->channels, command->channel);
    bool is_member = channel && session_in(session, channel);
    if (!is_member && session->n_subscriptions >= hub->options.max_channels) {
        hub_answer_error(hub, session, command->channel, ERROR_CODE_TOO_MANY_CHANNELS);
        return true;
    }
    struct store_query query = join_query(command, rule);
    if (query.kind != STORE_READ_HEAD && hub_waits_for_appends(session)) {
        return false;
    }
    channel = channel_open(&hub->channels, command->channel);
    channel->rule = rule;
    if (query.kind == STORE_READ_HEAD && channel->has_head) {
        join_without_reading(hub, session, channel);
    } else {
        attach(hub, session, channel);
        start_read(hub, session, channel, command, &query, is_member);
    }
    return true;
}

static void finish_join(struct hub *hub, struct session *session, const struct pending_read *read,
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
    /* The head of the read, not the newer one that live events may have reached meanwhile: those
     * still wait. */
    acknowledge_join(hub, session, channel, found->head, is_since && !found->is_gap,
                     is_since && found->is_gap);
    if (is_since) {
        for (size_t i = 0; i < found->n_events; i++) {
            hub_answer(hub, session, hub->protocol->event(found->events[i], true));
        }
    } else if (read->kind == STORE_READ_LAST) {
        hub_answer(hub, session,
                   hub->protocol->history(channel_name(channel), found->events, found->n_events));
    }
    release(hub, session, channel, found->head);
}

/* ---- history ---- */

bool hub_history(struct hub *hub, struct session *session, const struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    if (!channel || !session_in(session, channel)) {
        hub_answer_error(hub, session, command->channel, ERROR_CODE_NOT_JOINED);
        return true;
    }
    if (!channel->rule || channel->rule->message_history == 0) {
        hub_answer(hub, session, hub->protocol->history(command->channel, NULL, 0));
        return true;
    }
    if (hub_waits_for_appends(session)) {
        return false;
    }
    struct store_query query = {.kind = STORE_READ_LAST,
                                .channel = command->channel,
                                .limit = channel->rule->message_history};
    start_read(hub, session, channel, command, &query, true);
    return true;
}

/* A first join that could not be answered has not happened; a member stays one. */
static void undo_join(struct hub *hub, struct session *session, const struct pending_read *read)
{
    const struct subscription *member = session_in(session, read->channel);
    if (member && read->was_member) {
        release(hub, session, read->channel, member->offset);
    } else {
        detach(hub, session, read->channel);
    }
}

static void on_answer(void *arg, const struct store_answer *found)
{
    struct pending_read *read = arg;
    struct hub *hub = read->hub;
    struct channel *channel = read->channel;
    struct session *session = session_table_find(&hub->sessions, read->session);
    if (session && !session->is_closing) {
        /* An answer of another epoch than ours was read across a restore or failover: its offsets
         * mean nothing here, and the sessions are being closed. */
        if (found->is_failed || !hub->epoch || !str_equals(found->epoch, str_of(hub->epoch))) {
            hub_answer_error(hub, session, channel_name(channel), ERROR_CODE_UNAVAILABLE);
            if (read->type == COMMAND_JOIN) {
                undo_join(hub, session, read);
            }
        } else if (read->type == COMMAND_JOIN) {
            finish_join(hub, session, read, found);
        } else if (session_in(session, channel)) { /* not removed while it waited */
            hub_answer(
                hub, session,
                hub->protocol->history(channel_name(channel), found->events, found->n_events));
        }
    }
    channel->n_pins--;
    channel_drop_if_unused(&hub->channels, channel);
    free(read);
    if (session) {
        hub_go_on(hub, session);
    }
}

void hub_leave(struct hub *hub, struct session *session, const struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    if (!channel || !session_in(session, channel)) {
        hub_answer_error(hub, session, command->channel, ERROR_CODE_NOT_JOINED);
        return;
    }
    detach(hub, session, channel);
    hub_answer(hub, session, hub->protocol->left(command->channel));
}

void hub_recheck(struct hub *hub, struct session *session)
{
    /* Backwards: taking one out moves the last one into its place. */
    for (uint32_t i = session->n_subscriptions; i > 0; i--) {
        struct channel *channel = session->subscriptions[i - 1].channel;
        if (!channel->rule || !may_anonymous_join(channel->rule)) {
            hub_answer_error(hub, session, channel_name(channel), ERROR_CODE_REMOVED);
            detach(hub, session, channel);
        }
    }
}
