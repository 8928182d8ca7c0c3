/* SPDX-License-Identifier: PostgreSQL */
/* The hub: what every command does.
 *
 * The life of a message on a channel with history: worker decodes it → hub_command checks
 * membership and rule → store.append → (the sequencer's transaction commits) → on_event → one
 * frame, published to every worker that has members → on_append_done lets the sender's waiting
 * commands go on. Without history it goes from the check straight to the frame.
 *
 * Joining must neither lose nor repeat an event, though history is read while events go on. So a
 * join attaches the session at once, held: the worker keeps live frames aside. The answer of the
 * read carries rows and head of one snapshot; acknowledgement and history are sent, and then the
 * hold is released with `skip_to` = that head. What is older was in the history, what is newer
 * waited, and what the hub has yet to be told of will be dropped or passed by the same comparison.
 * A join that needs no rows, on a channel whose head is known, takes the same road without the
 * read: the head may be ahead of what was fanned out.
 *
 * The frames of one session are handled strictly in order: while a command waits for the database,
 * those behind it are held, up to a limit; other sessions do not notice.
 *
 * It deliberately knows no socket, no Postgres, no clock and no JSON: they are the seams it is
 * given. */
#include "core/hub.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/channel.h"
#include "core/session.h"

struct hub {
    struct hub_options options;
    const struct protocol *protocol;
    const struct transport *transport;
    const struct store *store;
    struct session_table sessions;
    struct channel_table channels;
    struct site *site;
    char *epoch; /* NULL until the store was up once */
    bool is_up;
    char *down_reason;
};

/* A read under way for a session: it may be gone when the answer comes, the channel may not. */
struct pending_read {
    struct hub *hub;
    struct session_id session;
    struct channel *channel;
    enum command_type type; /* JOIN or HISTORY */
    enum store_read_kind kind;
};

static bool handle(struct hub *hub, struct session *session, const struct command *command);

/* ---- answers ---- */

/* Sends the frame and lets go of it. */
static void answer(struct hub *hub, const struct session *session, struct frame *frame)
{
    hub->transport->send(hub->transport->ctx, session->id, frame);
    frame_unref(frame);
}

static void answer_error(struct hub *hub, const struct session *session, struct str channel,
                         enum error_code code)
{
    answer(hub, session, hub->protocol->error(channel, code, NULL));
}

/* The session's JSON as other clients see it. Everybody is anonymous as long as there are no
 * identities. */
static struct str client_json(struct hub *hub, const struct session *session, struct buf *buf)
{
    hub->protocol->client(str_of(session->socket_id), STR("{}"), 0, (struct str){0}, buf);
    return (struct str){buf->data, buf->len};
}

/* ---- membership ---- */

static void attach(struct hub *hub, struct session *session, struct channel *channel)
{
    const struct transport *transport = hub->transport;
    if (session_is_in(session, channel)) {
        /* A second join reads again: what arrives meanwhile must come after its answer, so the hold
         * starts anew. */
        transport->detach(transport->ctx, session->id, channel->number);
    } else {
        session_add(session, channel);
        channel->n_members++;
        channel->n_on_worker[session->id.worker]++;
    }
    transport->attach(transport->ctx, session->id, channel->number, true);
}

static void forget_member(struct hub *hub, struct session *session, struct channel *channel)
{
    channel->n_members--;
    channel->n_on_worker[session->id.worker]--;
    channel_drop_if_unused(&hub->channels, channel);
}

static void detach(struct hub *hub, struct session *session, struct channel *channel)
{
    if (session_remove(session, channel)) {
        hub->transport->detach(hub->transport->ctx, session->id, channel->number);
        forget_member(hub, session, channel);
    }
}

/* ---- fan-out ---- */

static void publish(struct hub *hub, struct channel *channel, const struct event *event)
{
    struct frame *frame = hub->protocol->event(event, false);
    for (uint32_t worker = 0; worker < hub->options.n_workers; worker++) {
        if (channel->n_on_worker[worker] > 0) {
            hub->transport->publish(hub->transport->ctx, worker, channel->number, frame);
        }
    }
    frame_unref(frame);
}

/* ---- commands that wait ---- */

/* Goes on with what was held back, until one waits again. */
static void go_on(struct hub *hub, struct session *session)
{
    session->wait = SESSION_WAIT_NONE;
    while (session->wait == SESSION_WAIT_NONE && session->held) {
        struct command *command = session->held;
        if (!handle(hub, session, command)) {
            return; /* stays the first one held */
        }
        free(session_next_held(session));
    }
}

static void on_answer(void *arg, const struct store_answer *found);

static void start_read(struct hub *hub, struct session *session, struct channel *channel,
                       const struct command *command, const struct store_query *query)
{
    struct pending_read *read = mem_alloc(sizeof(*read));
    *read = (struct pending_read){hub, session->id, channel, command->type, query->kind};
    channel->n_pins++;
    session->wait = SESSION_WAIT_READ;
    hub->store->read(hub->store->ctx, query, on_answer, read);
}

/* True if the session's own messages are still on their way to the log: a read now would miss them.
 */
static bool waits_for_appends(struct session *session)
{
    if (session->n_appending > 0) {
        session->wait = SESSION_WAIT_APPENDS;
        return true;
    }
    return false;
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
        .client = client_json(hub, session, &client),
        .epoch = str_of(hub->epoch),
        .offset = head,
        .is_resumed = is_resumed,
        .is_gap = is_gap,
    };
    answer(hub, session, hub->protocol->joined(&joined));
    buf_release(&client);
}

static void release(struct hub *hub, const struct session *session, const struct channel *channel,
                    uint64_t skip_to)
{
    hub->transport->release(hub->transport->ctx, session->id, channel->number, skip_to);
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

static bool join(struct hub *hub, struct session *session, const struct command *command)
{
    const struct rule *rule = site_rule(hub->site, command->channel);
    if (!rule) {
        answer_error(hub, session, command->channel, ERROR_CODE_NO_CHANNEL);
        return true;
    }
    if (!may_anonymous_join(rule)) {
        answer_error(hub, session, command->channel, ERROR_CODE_ANONYMOUS_REFUSED);
        return true;
    }
    struct channel *channel = channel_find(&hub->channels, command->channel);
    bool is_member = channel && session_is_in(session, channel);
    if (!is_member && session->n_channels >= hub->options.max_channels) {
        answer_error(hub, session, command->channel, ERROR_CODE_TOO_MANY_CHANNELS);
        return true;
    }
    struct store_query query = join_query(command, rule);
    if (query.kind != STORE_READ_HEAD && waits_for_appends(session)) {
        return false;
    }
    channel = channel_open(&hub->channels, command->channel);
    channel->rule = rule;
    attach(hub, session, channel);
    if (query.kind == STORE_READ_HEAD && channel->has_head) {
        acknowledge_join(hub, session, channel, channel->head, false, false);
        release(hub, session, channel, channel->head);
    } else {
        start_read(hub, session, channel, command, &query);
    }
    return true;
}

static void finish_join(struct hub *hub, struct session *session, const struct pending_read *read,
                        const struct store_answer *found)
{
    struct channel *channel = read->channel;
    if (!channel->has_head || found->head > channel->head) {
        channel->head = found->head;
        channel->has_head = true;
    }
    if (!session_is_in(session, channel)) {
        return; /* removed while it waited */
    }
    bool is_since = read->kind == STORE_READ_SINCE;
    /* The head of the read, not the newer one that live events may have reached meanwhile: those
     * still wait. */
    acknowledge_join(hub, session, channel, found->head, is_since && !found->is_gap,
                     is_since && found->is_gap);
    if (is_since) {
        for (size_t i = 0; i < found->n_events; i++) {
            answer(hub, session, hub->protocol->event(found->events[i], true));
        }
    } else if (read->kind == STORE_READ_LAST) {
        answer(hub, session,
               hub->protocol->history(channel_name(channel), found->events, found->n_events));
    }
    release(hub, session, channel, found->head);
}

/* ---- history ---- */

static bool history(struct hub *hub, struct session *session, const struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    if (!channel || !session_is_in(session, channel)) {
        answer_error(hub, session, command->channel, ERROR_CODE_NOT_JOINED);
        return true;
    }
    if (!channel->rule || channel->rule->message_history == 0) {
        answer(hub, session, hub->protocol->history(command->channel, NULL, 0));
        return true;
    }
    if (waits_for_appends(session)) {
        return false;
    }
    struct store_query query = {.kind = STORE_READ_LAST,
                                .channel = command->channel,
                                .limit = channel->rule->message_history};
    start_read(hub, session, channel, command, &query);
    return true;
}

static void on_answer(void *arg, const struct store_answer *found)
{
    struct pending_read *read = arg;
    struct hub *hub = read->hub;
    struct channel *channel = read->channel;
    struct session *session = session_find(&hub->sessions, read->session);
    if (session && !session->is_closing) {
        /* An answer of another epoch than ours was read across a restore or failover: its offsets
         * mean nothing here, and the sessions are being closed. */
        if (found->is_failed || !hub->epoch || !str_equals(found->epoch, str_of(hub->epoch))) {
            answer_error(hub, session, channel_name(channel), ERROR_CODE_UNAVAILABLE);
            if (read->type == COMMAND_JOIN) {
                detach(hub, session, channel);
            }
        } else if (read->type == COMMAND_JOIN) {
            finish_join(hub, session, read, found);
        } else {
            answer(hub, session,
                   hub->protocol->history(channel_name(channel), found->events, found->n_events));
        }
    }
    channel->n_pins--;
    channel_drop_if_unused(&hub->channels, channel);
    free(read);
    if (session) {
        go_on(hub, session);
    }
}

/* ---- message ---- */

/* The reason to refuse a message from an anonymous session; false: it may be sent. */
static bool is_message_refused(const struct session *session, const struct channel *channel,
                               const struct command *command, enum error_code *code)
{
    const struct rule *rule = channel ? channel->rule : NULL;
    if (!channel || !session_is_in(session, channel)) {
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

static bool message(struct hub *hub, struct session *session, const struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    enum error_code code;
    if (is_message_refused(session, channel, command, &code)) {
        answer_error(hub, session, command->channel, code);
        return true;
    }
    bool is_durable = channel->rule->message_history > 0;
    /* The rule made this channel's messages ephemeral a moment ago: the sender's earlier ones go
     * first. */
    if (!is_durable && channel->was_durable && waits_for_appends(session)) {
        return false;
    }
    struct buf client = {0};
    struct event_fields fields = {
        .action = EVENT_ACTION_MESSAGE,
        .channel = command->channel,
        .client = client_json(hub, session, &client),
        .payload = command->payload,
    };
    struct event *event = event_new(&fields);
    buf_release(&client);
    if (!is_durable) {
        publish(hub, channel, event);
    } else if (hub->store->append(hub->store->ctx, event, session->id)) {
        channel->was_durable = true;
        session->n_appending++;
    } else {
        answer_error(hub, session, command->channel, ERROR_CODE_UNAVAILABLE);
    }
    event_unref(event);
    return true;
}

/* ---- the other commands ---- */

static void leave(struct hub *hub, struct session *session, const struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    if (!channel || !session_is_in(session, channel)) {
        answer_error(hub, session, command->channel, ERROR_CODE_NOT_JOINED);
        return;
    }
    detach(hub, session, channel);
    answer(hub, session, hub->protocol->left(command->channel));
}

static void invalid(struct hub *hub, struct session *session, const struct command *command)
{
    answer_error(hub, session, command->channel, command->error);
    if (++session->n_invalid > hub->options.max_invalid) {
        session->is_closing = true;
        hub->transport->close(hub->transport->ctx, session->id, 1008, "too many invalid frames");
    }
}

static void close_session(struct hub *hub, struct session *session)
{
    /* The worker has dropped the subscriptions of a closed socket itself: nothing to detach. */
    for (uint32_t i = 0; i < session->n_channels; i++) {
        forget_member(hub, session, session->channels[i]);
    }
    session_close(&hub->sessions, session);
}

/* False: it must wait, and be handled again later. */
static bool handle(struct hub *hub, struct session *session, const struct command *command)
{
    if (session->is_closing) {
        return true;
    }
    switch (command->type) {
    case COMMAND_JOIN:
        return join(hub, session, command);
    case COMMAND_MESSAGE:
        return message(hub, session, command);
    case COMMAND_HISTORY:
        return history(hub, session, command);
    case COMMAND_LEAVE:
        leave(hub, session, command);
        return true;
    case COMMAND_INVALID:
        invalid(hub, session, command);
        return true;
    case COMMAND_OPEN:
    case COMMAND_CLOSE:
        break;
    }
    assert(!"open and close are never held back");
    return true;
}

static void hold(struct hub *hub, struct session *session, struct command *command)
{
    if (session->n_held < hub->options.max_held) {
        session_hold(session, command);
        return;
    }
    if (!session->is_closing) {
        answer_error(hub, session, command->channel, ERROR_CODE_RATE_LIMITED);
    }
    free(command);
}

void hub_command(struct hub *hub, struct command *command)
{
    if (command->type == COMMAND_OPEN) {
        session_open(&hub->sessions, command->session);
        free(command);
        return;
    }
    struct session *session = session_find(&hub->sessions, command->session);
    assert(session && hub->site); /* the gate opens only with a site */
    if (command->type == COMMAND_CLOSE) {
        close_session(hub, session);
    } else if (session->wait != SESSION_WAIT_NONE || session->held) {
        hold(hub, session, command);
        return;
    } else if (!handle(hub, session, command)) {
        hold(hub, session, command);
        return;
    }
    free(command);
}

/* ---- what the store tells ---- */

static void on_event(void *ctx, struct event *event)
{
    struct hub *hub = ctx;
    struct channel *channel = channel_find(&hub->channels, event->f.channel);
    if (!channel) {
        return;
    }
    if (channel->has_head && event->f.offset > channel->head) {
        channel->head = event->f.offset;
    }
    if (channel->n_members > 0) {
        publish(hub, channel, event);
    }
}

static void append_answered(struct hub *hub, struct session *session)
{
    assert(session->n_appending > 0);
    if (--session->n_appending == 0 && session->wait == SESSION_WAIT_APPENDS) {
        go_on(hub, session);
    }
}

static void on_append_done(void *ctx, struct session_id sender)
{
    struct hub *hub = ctx;
    struct session *session = session_find(&hub->sessions, sender);
    if (session) {
        append_answered(hub, session);
    }
}

static void on_append_failed(void *ctx, struct session_id sender, struct str channel)
{
    struct hub *hub = ctx;
    struct session *session = session_find(&hub->sessions, sender);
    if (session) {
        if (!session->is_closing) {
            answer_error(hub, session, channel, ERROR_CODE_UNAVAILABLE);
        }
        append_answered(hub, session);
    }
}

static void update_gate(struct hub *hub)
{
    struct site_gate *gate = site_gate_new(hub->site, hub->is_up, hub->down_reason);
    hub->transport->gate(hub->transport->ctx, gate);
    site_gate_unref(gate);
}

static void on_site(void *ctx, struct site *site)
{
    struct hub *hub = ctx;
    bool was_enabled = hub->site && hub->site->is_enabled;
    struct channel *channel, *next;
    HASH_ITER(hh, hub->channels.by_name, channel, next)
    {
        channel->rule = site_rule(site, channel_name(channel));
    }
    site_free(hub->site);
    hub->site = site;
    update_gate(hub);
    if (was_enabled && !site->is_enabled) {
        hub->transport->close_all(hub->transport->ctx, 1012, "realtime is switched off", 0);
    }
}

static void on_up(void *ctx, struct str epoch)
{
    struct hub *hub = ctx;
    assert(hub->site);
    hub->is_up = true;
    if (!hub->epoch || !str_equals(str_of(hub->epoch), epoch)) {
        if (hub->epoch) {
            log_warn("the epoch has changed: closing all sessions, their positions are void");
            hub->transport->close_all(hub->transport->ctx, 1012, "the epoch has changed", 0);
        }
        free(hub->epoch);
        hub->epoch = str_dup(epoch);
        struct channel *channel, *next;
        HASH_ITER(hh, hub->channels.by_name, channel, next)
        {
            channel->has_head = false;
            channel->head = 0;
        }
    }
    update_gate(hub);
}

static void on_down(void *ctx, const char *reason)
{
    struct hub *hub = ctx;
    hub->is_up = false;
    free(hub->down_reason);
    hub->down_reason = mem_strdup(reason);
    update_gate(hub);
}

/* ---- life ---- */

struct hub *hub_new(const struct hub_options *options)
{
    struct hub *hub = mem_zalloc(sizeof(*hub));
    hub->options = *options;
    hub->protocol = options->protocol;
    hub->transport = options->transport;
    hub->store = options->store;
    hub->channels.n_workers = options->n_workers;
    session_table_init(&hub->sessions, options->n_workers);
    hub->down_reason = mem_strdup("the database has not answered yet");
    return hub;
}

void hub_free(struct hub *hub)
{
    if (!hub) {
        return;
    }
    session_table_release(&hub->sessions);
    channel_table_release(&hub->channels);
    site_free(hub->site);
    free(hub->epoch);
    free(hub->down_reason);
    free(hub);
}

struct store_sink hub_sink(struct hub *hub)
{
    return (struct store_sink){
        .ctx = hub,
        .on_event = on_event,
        .on_append_done = on_append_done,
        .on_append_failed = on_append_failed,
        .on_site = on_site,
        .on_up = on_up,
        .on_down = on_down,
    };
}

void hub_flush(struct hub *hub)
{
    hub->transport->flush(hub->transport->ctx);
}
