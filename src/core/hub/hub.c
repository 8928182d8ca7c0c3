/* SPDX-License-Identifier: PostgreSQL */
/* The hub: the order of commands, and what the store tells.
 *
 * The life of a message on a channel with history: worker decodes it → hub_command → hub_message
 * checks membership and rule → store.append → (the sequencer's transaction commits) → on_event →
 * one frame, published to every worker that has members → on_append_done lets the sender's waiting
 * commands go on. Without history it goes from the check straight to the frame.
 *
 * The frames of one session are handled strictly in order: while a command waits for the database,
 * those behind it are held, up to a limit; other sessions do not notice.
 *
 * It deliberately knows no socket, no Postgres, no clock and no JSON: they are the seams it is
 * given. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/close_code.h"
#include "core/hub/internal.h"

enum {
    CODE_POLICY = 1008,
    CODE_UNAUTHORIZED = 4401, /* the client does not come back by itself after it */
    CODE_TRY_AGAIN = 1013,    /* it does after this */
};

/* ---- answers ---- */

/* Sends the frame and lets go of it. */
void hub_answer(struct hub *hub, const struct session *session, struct frame *frame)
{
    hub->transport->send(hub->transport->ctx, session->id, frame);
    frame_unref(frame);
}

void hub_count(struct hub *hub, unsigned cell)
{
    metrics_count(hub->options.counts, cell);
}

void hub_answer_error_text(struct hub *hub, const struct session *session, struct str channel,
                           enum error_code code, const char *text)
{
    hub_count(hub, METRIC_ERRORS + code);
    hub_answer(hub, session, hub->protocol->error(channel, code, text));
}

void hub_answer_error(struct hub *hub, const struct session *session, struct str channel,
                      enum error_code code)
{
    hub_answer_error_text(hub, session, channel, code, NULL);
}

struct str hub_client_json(struct hub *hub, const struct session *session, struct buf *buf)
{
    hub->protocol->client(str_of(session->socket_id), session->identity, buf);
    return (struct str){buf->data, buf->len};
}

void hub_close(struct hub *hub, struct session *session, uint16_t code, const char *reason)
{
    session->is_closing = true;
    hub->transport->close(hub->transport->ctx, session->id, code, reason);
}

/* ---- commands ---- */

void hub_forget_member(struct hub *hub, struct session *session, struct channel *channel)
{
    channel->n_members--;
    metrics_add(hub->options.counts, METRIC_SUBSCRIPTIONS, UINT64_MAX);
    channel->n_on_worker[session->id.worker]--;
    channel_drop_if_unused(&hub->channels, channel);
}

static void invalid(struct hub *hub, struct session *session, const struct command *command)
{
    hub_answer_error(hub, session, command->channel, command->error);
    if (++session->n_invalid > hub->options.max_invalid) {
        hub_count(hub, METRIC_LIMITS + METRIC_LIMIT_SESSION_INVALID);
        hub_close(hub, session, CLOSE_CODE_POLICY, "too many invalid frames");
    }
}

/* ---- open and close ---- */

enum { ON_CONNECT, ON_DISCONNECT };

static const char *function_of(const struct rule *rule, int which)
{
    return which == ON_CONNECT ? rule->on_connect : rule->on_disconnect;
}

/* Sessions belong to no rule, so each function that any rule names is told once. */
static void tell_rules(struct hub *hub, const struct session *session, int which)
{
    const struct site *site = hub->site;
    for (size_t i = 0; i < site->n_rules; i++) {
        const char *function = function_of(&site->rules[i], which);
        bool is_told = false;
        for (size_t k = 0; function && k < i && !is_told; k++) {
            const char *other = function_of(&site->rules[k], which);
            is_told = other && strcmp(other, function) == 0;
        }
        if (function && !is_told) {
            hub_tell_hook(hub, session, function, which == ON_CONNECT ? "connect" : "disconnect",
                          (struct str){0});
        }
    }
}

/* Who it is has become clear. */
static void welcome(struct hub *hub, struct session *session)
{
    if (!hub_take_user(hub, session)) {
        hub_count(hub, METRIC_LIMITS + METRIC_LIMIT_USER_SESSIONS);
        hub_answer_error_text(hub, session, (struct str){0}, ERROR_CODE_RATE_LIMITED,
                              "You have too many sessions.");
        hub_close(hub, session, CLOSE_CODE_POLICY, "too many sessions of this user");
        return;
    }
    session->is_welcome = true;
    grace_adopt(hub, session);
    tell_rules(hub, session, ON_CONNECT);
}

struct token_check {
    struct hub *hub;
    struct session_id session;
};

static void take_token(struct hub *hub, struct session *session, const struct store_token *token)
{
    bool is_unavailable = token->error == ERROR_CODE_UNAVAILABLE;
    if (token->identity) {
        session->identity = identity_ref(token->identity);
        hub->transport->identify(hub->transport->ctx, session->id, session->identity);
    } else if (hub->options.rejects_invalid_tokens) {
        hub_answer_error(hub, session, (struct str){0}, token->error);
        hub_close(hub, session, is_unavailable ? CLOSE_CODE_TRY_AGAIN : CLOSE_CODE_UNAUTHORIZED,
                  is_unavailable ? "the token could not be checked" : "the token was not accepted");
        return;
    } else {
        session->token_error = token->error;
        session->token_why = is_unavailable ? "it could not be checked" : "the database refused it";
    }
    welcome(hub, session);
}

static void on_token(void *arg, const struct store_token *token)
{
    struct token_check *check = arg;
    struct hub *hub = check->hub;
    struct session *session = session_table_find(&hub->sessions, check->session);
    free(check);
    if (session) {
        if (!session->is_closing) {
            take_token(hub, session, token);
        }
        session_end_wait(&hub->sessions, session);
    }
}

static void open_session(struct hub *hub, const struct command *command)
{
    struct session *session = session_table_open(&hub->sessions, command->session);
    session->identity = identity_ref(command->identity);
    session->token_why = command->why;
    session->token_error = command->error;
    if (!command->payload.ptr) {
        welcome(hub, session);
        return;
    }
    struct token_check *check = mem_alloc(sizeof(*check));
    *check = (struct token_check){hub, session->id};
    session->wait = SESSION_WAIT_TOKEN;
    hub->store->check_token(hub->store->ctx, command->payload, on_token, check);
}

static void leave_lists(struct hub *hub, struct session *session)
{
    hub_end_arrival(hub, session);
    if (!session->is_closing) {
        grace_keep(hub, session);
        return;
    }
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        struct member *member = session->subscriptions[i].member;
        session->subscriptions[i].member = NULL;
        presence_leave(hub, member);
    }
    grace_end(hub, session);
}

static void close_session(struct hub *hub, struct session *session)
{
    leave_lists(hub, session);
    hub_end_replay(hub, session);
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        const struct subscription *in = &session->subscriptions[i];
        const struct rule *rule = in->channel->rule;
        if (in->is_joined && rule && rule->on_leave) {
            hub_tell_hook(hub, session, rule->on_leave, "leave", channel_name(in->channel));
        }
        /* The worker has dropped a closed socket's subscriptions itself: nothing to detach. */
        hub_forget_member(hub, session, in->channel);
    }
    if (session->is_welcome) {
        tell_rules(hub, session, ON_DISCONNECT);
    }
    hub_give_user(hub, session);
    session_table_close(&hub->sessions, session);
}

/* ---- commands ---- */

/* False: it must wait, and be handled again later. */
static bool handle(struct hub *hub, struct session *session, struct command *command)
{
    if (session->is_closing) {
        return true;
    }
    switch (command->type) {
    case COMMAND_JOIN:
        return hub_join(hub, session, command);
    case COMMAND_MESSAGE:
        return hub_message(hub, session, command);
    case COMMAND_HISTORY:
        return hub_history(hub, session, command);
    case COMMAND_LEAVE:
        hub_leave(hub, session, command);
        return true;
    case COMMAND_INVALID:
        invalid(hub, session, command);
        return true;
    case COMMAND_OPEN:
    case COMMAND_CLOSE:
    case COMMAND_DRAINED:
        break;
    }
    assert(!"what a worker says is never held back");
    return true;
}

/* What came while it waited, until it waits again. */
static void handle_held(struct hub *hub, struct session *session)
{
    while (session->wait == SESSION_WAIT_NONE && session->held) {
        if (!handle(hub, session, session->held)) {
            return; /* stays the first one held */
        }
        command_free(session_next_held(session));
    }
}

static void hold(struct hub *hub, struct session *session, struct command *command)
{
    uint32_t bytes = command_bytes(command);
    uint64_t most = hub->options.max_held_total_bytes;
    bool is_crowded = most > 0 && hub->sessions.held_total.bytes + bytes > most;
    /* The one that waits itself is always kept. */
    if (!session->held || (session->n_held < hub->options.max_held && !is_crowded &&
                           session->held_bytes + bytes <= hub->options.max_held_bytes)) {
        session_hold(session, command);
        return;
    }
    hub_count(hub,
              METRIC_LIMITS + (is_crowded ? METRIC_LIMIT_HELD_BYTES : METRIC_LIMIT_SESSION_HELD));
    if (!session->is_closing) {
        hub_answer_error(hub, session, command->channel, ERROR_CODE_RATE_LIMITED);
    }
    command_free(command);
}

void hub_command(struct hub *hub, struct command *command)
{
    if (command->type == COMMAND_OPEN) {
        open_session(hub, command);
        command_free(command);
        return;
    }
    struct session *session = session_table_find(&hub->sessions, command->session);
    assert(session && hub->site); /* the gate opens only with a site */
    if (command->type == COMMAND_CLOSE) {
        close_session(hub, session);
    } else if (command->type == COMMAND_DRAINED) {
        hub_replay_drained(hub, session);
    } else if (session->wait != SESSION_WAIT_NONE || session->held) {
        hold(hub, session, command);
        return;
    } else if (!handle(hub, session, command)) {
        hold(hub, session, command);
        return;
    }
    command_free(command);
}

/* ---- what the store tells ---- */

static void on_event(void *ctx, struct event *event)
{
    struct hub *hub = ctx;
    struct channel *channel = channel_find(&hub->channels, event->f.channel);
    recent_add(&hub->recent, event);
    hub_count(hub, METRIC_EVENTS);
    metrics_set(hub->options.counts, METRIC_LOG_ID, event->f.id);
    if (!channel) {
        return;
    }
    channel->fanned = event->f.offset;
    if (channel->has_head && event->f.offset > channel->head) {
        channel->head = event->f.offset;
    }
    if (channel->n_members > 0) {
        hub_publish(hub, channel, event);
    }
}

static void append_answered(struct hub *hub, struct session *session)
{
    assert(session->n_appending > 0);
    if (--session->n_appending == 0 && session->wait == SESSION_WAIT_APPENDS) {
        session_end_wait(&hub->sessions, session);
    }
}

static void on_append_done(void *ctx, struct session_id sender)
{
    struct hub *hub = ctx;
    struct session *session = session_table_find(&hub->sessions, sender);
    if (session) {
        append_answered(hub, session);
    }
}

static void on_append_failed(void *ctx, struct session_id sender, struct str channel)
{
    struct hub *hub = ctx;
    struct session *session = session_table_find(&hub->sessions, sender);
    if (session) {
        if (!session->is_closing) {
            hub_answer_error(hub, session, channel, ERROR_CODE_UNAVAILABLE);
        }
        append_answered(hub, session);
    }
}

static void update_gate(struct hub *hub)
{
    bool is_ready = hub->is_up && !hub->is_draining;
    const char *reason = hub->is_draining ? "the server is stopping"
                         : is_ready       ? hub->warnings
                                          : hub->down_reason;
    struct site_gate *gate = site_gate_new(hub->site, is_ready, reason);
    hub->transport->gate(hub->transport->ctx, gate);
    site_gate_unref(gate);
}

static bool is_new_judge(const struct rule *old, const struct rule *rule)
{
    bool had = old && old->authorize;
    return rule && rule->authorize && !(had && strcmp(old->authorize, rule->authorize) == 0);
}

static void on_site(void *ctx, struct site *site)
{
    struct hub *hub = ctx;
    bool was_enabled = hub->site && hub->site->is_enabled;
    struct channel *channel, *next;
    HASH_ITER(hh, hub->channels.by_name, channel, next)
    {
        const struct rule *rule = site_rule(site, channel_name(channel));
        channel->is_new_judge = is_new_judge(channel->rule, rule);
        channel->rule = rule;
    }
    site_free(hub->site);
    hub->site = site;
    update_gate(hub);
    hub_recheck_all(hub);
    if (was_enabled && !site->is_enabled) {
        log_info("realtime is switched off: closing %u sessions", hub->sessions.n_open);
        hub->transport->close_all(hub->transport->ctx, CLOSE_CODE_SERVICE_RESTART,
                                  "realtime is switched off", 0);
    }
}

static void on_directive(void *ctx, const struct store_directive *order)
{
    hub_take_directive(ctx, order);
}

static void on_up(void *ctx, struct str epoch)
{
    struct hub *hub = ctx;
    assert(hub->site);
    hub->is_up = true;
    metrics_set(hub->options.counts, METRIC_DATABASE_UP, 1);
    if (!hub->epoch || !str_equals(str_of(hub->epoch), epoch)) {
        if (hub->epoch) {
            hub_count(hub, METRIC_EPOCH_CHANGES);
            log_warn("the epoch has changed: closing all sessions, their positions are void");
            hub->transport->close_all(hub->transport->ctx, CLOSE_CODE_SERVICE_RESTART,
                                      "the epoch has changed", 0);
        }
        free(hub->epoch);
        hub->epoch = str_dup(epoch);
        hub->n_epoch++;
        recent_clear(&hub->recent);
        struct channel *channel, *next;
        HASH_ITER(hh, hub->channels.by_name, channel, next)
        {
            channel->has_head = false;
            channel->head = channel->fanned = 0;
        }
    }
    presence_tell_all(hub);
    update_gate(hub);
}

static void on_down(void *ctx, const char *reason)
{
    struct hub *hub = ctx;
    if (hub->is_up) {
        hub_count(hub, METRIC_DATABASE_DOWNS);
    }
    hub->is_up = false;
    metrics_set(hub->options.counts, METRIC_DATABASE_UP, 0);
    free(hub->down_reason);
    hub->down_reason = mem_strdup(reason);
    update_gate(hub);
}

static void on_warnings(void *ctx, const char *lines)
{
    struct hub *hub = ctx;
    free(hub->warnings);
    hub->warnings = mem_strdup(lines);
    update_gate(hub);
}

/* Nobody would tell these sessions anything for as long as the other one leads. */
static void on_superseded(void *ctx)
{
    struct hub *hub = ctx;
    log_warn("another server has taken over: closing all sessions, for them to go there");
    hub->transport->close_all(hub->transport->ctx, CLOSE_CODE_SERVICE_RESTART,
                              "another server serves now", 0);
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
    recent_init(&hub->recent, options->recent_bytes, options->recent_rows);
    session_table_init(&hub->sessions, options->n_workers);
    hub->down_reason = mem_strdup("the database has not answered yet");
    return hub;
}

void hub_free(struct hub *hub)
{
    if (!hub) {
        return;
    }
    presence_release(hub);
    hub_release_answers(hub);
    hub_release_reads(hub);
    recent_clear(&hub->recent);
    hub_release_users(hub);
    session_table_release(&hub->sessions);
    channel_table_release(&hub->channels);
    site_free(hub->site);
    free(hub->warnings);
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
        .on_directive = on_directive,
        .on_up = on_up,
        .on_down = on_down,
        .on_warnings = on_warnings,
        .on_superseded = on_superseded,
    };
}

void hub_drain(struct hub *hub, uint32_t spread_ms)
{
    hub->is_draining = true;
    update_gate(hub);
    hub->transport->close_all(hub->transport->ctx, CLOSE_CODE_SERVICE_RESTART,
                              "the server is stopping", spread_ms);
}

static void measure(struct hub *hub)
{
    struct metrics_block *counts = hub->options.counts;
    metrics_set(counts, METRIC_CHANNELS, HASH_COUNT(hub->channels.by_name));
    metrics_set(counts, METRIC_PRESENCE_MEMBERS, hub->n_listed);
    metrics_set(counts, METRIC_FRAME_BYTES, frame_bytes_alive());
    metrics_set(counts, METRIC_MEMORY_ROWS, hub->recent.n_rows);
    metrics_set(counts, METRIC_MEMORY_BYTES, hub->recent.bytes);
    metrics_set(counts, METRIC_READS_QUEUED, hub->reads.n_queued);
    metrics_set(counts, METRIC_HELD, hub->sessions.held_total.n);
    metrics_set(counts, METRIC_HELD_BYTES, hub->sessions.held_total.bytes);
}

void hub_tick(struct hub *hub, uint64_t now_ms, uint64_t wall_ms)
{
    hub->now_ms = now_ms;
    hub->wall_ms = wall_ms;
    grace_tick(hub);
    presence_tick(hub);
    hub_replay_paused(hub);
    measure(hub);
}

uint32_t hub_n_sessions(const struct hub *hub)
{
    return hub->sessions.n_open;
}

/* In the order in which their waits ended; more may end meanwhile. */
static void handle_ready(struct hub *hub)
{
    struct session_list *ready = &hub->sessions.ready;
    for (size_t i = 0; i < ready->n; i++) {
        struct session *session = session_table_find(&hub->sessions, ready->ids[i]);
        if (session) {
            handle_held(hub, session);
        }
    }
    ready->n = 0;
}

void hub_flush(struct hub *hub)
{
    handle_ready(hub);
    recent_trim(&hub->recent);
    hub->n_replayed = 0;
    hub->transport->flush(hub->transport->ctx);
}
