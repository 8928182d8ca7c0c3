/* SPDX-License-Identifier: PostgreSQL */
/* The hub: the order of commands, and what the store tells.
 *
 * The life of a message on a channel with history: worker decodes it → hub_command → message.c
 * checks membership and rule → store_log.append → (the sequencer's transaction commits) → on_event →
 * one frame, published to every worker that has members → on_append_done lets the sender's waiting
 * commands go on. Without history it goes from the check straight to the frame.
 *
 * The frames of one session are handled strictly in order: while a command waits for the database,
 * those behind it are held, up to a limit; other sessions do not notice.
 *
 * It deliberately knows no socket, no Postgres, no clock and no JSON: they are the seams it is
 * given. */
#include "core/hub/hub.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/close_code.h"
#include "core/hub/authorize.h"
#include "core/hub/directive.h"
#include "core/hub/ground/docket.h"
#include "core/hub/ground/rates.h"
#include "core/hub/ground/say.h"
#include "core/hub/ground/users.h"
#include "core/hub/join.h"
#include "core/hub/live/place.h"
#include "core/hub/live/reread.h"
#include "core/hub/live/scope.h"
#include "core/hub/live/sight.h"
#include "core/hub/live/tell.h"
#include "core/hub/live/version.h"
#include "core/hub/message.h"
#include "core/hub/nodes/nodes.h"
#include "core/hub/nodes/others.h"
#include "core/hub/nodes/private.h"
#include "core/hub/open.h"
#include "core/hub/presence/grace.h"
#include "core/hub/presence/presence.h"
#include "core/hub/presence/remote.h"
#include "core/hub/presence/state.h"
#include "core/hub/renew.h"
#include "core/hub/resume/reads.h"
#include "core/hub/resume/recent.h"
#include "core/hub/resume/replay.h"
#include "core/hub/revoke.h"
#include "core/hub/sitting.h"
#include "core/hub/snapshot/snapshot.h"
#include "core/hub/snapshot/txid.h"

/* ---- commands ---- */

static void invalid_handle(struct hub *hub, struct session *session, const struct command *command)
{
    say_refusal_text(hub, session, command->channel, command->error, command->why);
    if (++session->n_invalid > hub->options.max_invalid) {
        say_count(hub, METRIC_LIMITS + METRIC_LIMIT_SESSION_INVALID);
        say_close(hub, session, CLOSE_CODE_POLICY, "too many invalid frames");
    }
}

/* False: it must wait, and be handled again later. */
static bool hub_try(struct hub *hub, struct session *session, struct command *command)
{
    switch (command->type) {
    case COMMAND_JOIN:
        return join_handle(hub, session, command);
    case COMMAND_MESSAGE:
        return message_handle(hub, session, command);
    case COMMAND_HISTORY:
        return history_handle(hub, session, command);
    case COMMAND_LEAVE:
        leave_handle(hub, session, command);
        return true;
    case COMMAND_PING:
        say_frame(hub, session, hub->protocol->pong(command->ref));
        return true;
    case COMMAND_TOKEN:
        return renew_handle(hub, session, command);
    case COMMAND_PRESENCE:
        state_handle(hub, session, command);
        return true;
    case COMMAND_TXID:
        txid_handle(hub, session, command);
        return true;
    case COMMAND_INVALID:
        invalid_handle(hub, session, command);
        return true;
    case COMMAND_OPEN:
    case COMMAND_CLOSE:
    case COMMAND_DRAINED:
        break;
    }
    assert(false); /* what a worker says is never held back */
    return true;
}

/* The same. One that is done with, but for an answer that somebody is asked for, stays until that
 * has come: it has the ref. */
static bool hub_handle(struct hub *hub, struct session *session, struct command *command)
{
    if (session->is_closing || command->stage == COMMAND_STAGE_ANSWERING) {
        return true;
    }
    hub->handled = command;
    bool is_done = hub_try(hub, session, command);
    hub->handled = NULL;
    command->stage = is_done ? COMMAND_STAGE_ANSWERING : COMMAND_STAGE_WAITS;
    return is_done && (session->wait == SESSION_WAIT_NONE || !command->ref.ptr);
}

/* What came while it waited, until it waits again. */
static void hub_handle_held(struct hub *hub, struct session *session)
{
    while (session->wait == SESSION_WAIT_NONE && session->held) {
        if (!hub_handle(hub, session, session->held)) {
            return; /* stays the first one held */
        }
        command_free(session_next_held(session));
    }
}

static void hub_hold(struct hub *hub, struct session *session, struct command *command)
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
    say_count(hub,
              METRIC_LIMITS + (is_crowded ? METRIC_LIMIT_HELD_BYTES : METRIC_LIMIT_SESSION_HELD));
    if (!session->is_closing) {
        hub->handled = command;
        say_rate_limited(hub, session, command->channel, 0);
        hub->handled = NULL;
    }
    command_free(command);
}

static void hub_drained(struct hub *hub, struct session *session)
{
    if (session->sending) {
        snapshot_drained(hub, session);
    } else {
        replay_drained(hub, session);
    }
}

void hub_command(struct hub *hub, struct command *command)
{
    if (command->type == COMMAND_OPEN) {
        open_handle(hub, command);
        command_free(command);
        return;
    }
    struct session *session = session_table_find(&hub->sessions, command->session);
    assert(session && hub->site); /* the gate opens only with a site */
    if (command->type == COMMAND_CLOSE) {
        close_handle(hub, session);
    } else if (command->type == COMMAND_DRAINED) {
        hub_drained(hub, session);
    } else if (session->wait != SESSION_WAIT_NONE || session->held) {
        hub_hold(hub, session, command);
        return;
    } else if (!hub_handle(hub, session, command)) {
        hub_hold(hub, session, command);
        return;
    }
    command_free(command);
}

/* ---- what the store tells ---- */

static void on_event(void *ctx, struct event *event)
{
    struct hub *hub = ctx;
    hub->log_id = event->f.id;
    metrics_set(hub->options.counts, METRIC_LOG_ID, event->f.id);
    if (event_is_reread(&event->f)) {
        rereads_take(hub, event);
        if (event->f.shape) {
            version_tell_rereads(hub);
        }
        return;
    }
    struct channel *channel = channel_find(&hub->channels, event->f.channel);
    recent_add(hub->recent, event);
    say_count(hub, METRIC_EVENTS);
    if (!channel) {
        return;
    }
    if (channel->has_head && event->f.offset > channel->head) {
        channel->head = event->f.offset;
    }
    tell_live(hub, channel, event);
    channel->fanned = event->f.offset;
    if (channel->groups.n_waiting > 0) {
        sitting_run(hub, channel);
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

static void on_receipt(void *ctx, const struct store_receipt *receipt)
{
    struct hub *hub = ctx;
    const struct session *session = session_table_find(&hub->sessions, receipt->sender);
    if (session && !session->is_closing) {
        struct protocol_receipt told = {.channel = receipt->channel,
                                        .ref = receipt->ref,
                                        .epoch = receipt->epoch,
                                        .offset = receipt->offset,
                                        .is_duplicate = receipt->is_duplicate};
        say_frame(hub, session, hub->protocol->receipt(&told));
    }
}

static void on_append_failed(void *ctx, struct session_id sender, struct str channel,
                             struct str ref)
{
    struct hub *hub = ctx;
    struct session *session = session_table_find(&hub->sessions, sender);
    if (session) {
        if (!session->is_closing) {
            say_late_refusal(hub, session,
                             &(struct protocol_error){
                                 .channel = channel, .ref = ref, .code = ERROR_CODE_UNAVAILABLE});
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
    rereads_load(hub, site);
    sights_take_site(hub);
    place_all(hub, NULL);
    sitting_take_site(hub);
    version_check_all(hub);
    update_gate(hub);
    revoke_recheck(hub);
    if (was_enabled && !site->is_enabled) {
        log_info("realtime is switched off: closing %u sessions", hub->sessions.n_open);
        hub->transport->close_all(hub->transport->ctx, CLOSE_CODE_SERVICE_RESTART,
                                  "realtime is switched off", 0);
    }
}

static void on_directive(void *ctx, const struct directive *directive)
{
    directive_take(ctx, directive);
}

static void on_up(void *ctx, struct str epoch)
{
    struct hub *hub = ctx;
    assert(hub->site);
    hub->is_up = true;
    metrics_set(hub->options.counts, METRIC_DATABASE_UP, 1);
    if (!hub->epoch || !str_equals(str_of(hub->epoch), epoch)) {
        if (hub->epoch) {
            say_count(hub, METRIC_EPOCH_CHANGES);
            log_warn("the epoch has changed: closing all sessions, their positions are void");
            hub->transport->close_all(hub->transport->ctx, CLOSE_CODE_SERVICE_RESTART,
                                      "the epoch has changed", 0);
            rereads_void(hub);
        }
        free(hub->epoch);
        hub->epoch = str_dup(epoch);
        directive_forget_heard(hub);
        hub->n_epoch++;
        recent_clear(hub->recent);
        struct channel *channel, *next;
        HASH_ITER(hh, hub->channels.by_name, channel, next)
        {
            channel->has_head = false;
            channel->head = channel->fanned = 0;
            docket_drop_all(&channel->groups);
        }
    }
    presence_tell_all(hub);
    update_gate(hub);
}

static void on_down(void *ctx, const char *reason)
{
    struct hub *hub = ctx;
    if (hub->is_up) {
        say_count(hub, METRIC_DATABASE_DOWNS);
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

/* Nobody would tell these sessions anything for as long as only the other one has the database. */
static void on_superseded(void *ctx, const char *reason)
{
    struct hub *hub = ctx;
    log_warn("%s: closing all sessions, for them to go there", reason);
    hub->transport->close_all(hub->transport->ctx, CLOSE_CODE_SERVICE_RESTART, reason, 0);
}

/* ---- life ---- */

static void on_drop(struct channel *channel)
{
    sights_drop_channel(channel);
}

struct hub *hub_new(const struct hub_options *options)
{
    struct hub *hub = mem_zalloc(sizeof(*hub));
    hub->options = *options;
    hub->protocol = options->protocol;
    hub->transport = options->transport;
    hub->store = options->store;
    hub->channels.numbers.n_workers = options->n_workers;
    hub->recent = recent_new(options->recent_bytes, options->recent_rows);
    hub->reads = reads_new();
    hub->txids = txids_new();
    hub->presence = presence_book_new();
    hub->rates = rates_new();
    hub->scopes = scopes_new();
    hub->teller = teller_new();
    hub->rereads = rereads_new();
    hub->snapshots = snapshots_new();
    hub->others = others_new();
    hub->questions = questions_new();
    hub->channels.on_drop = on_drop;
    session_table_init(&hub->sessions, options->n_workers);
    hub->down_reason = mem_strdup("the database has not answered yet");
    return hub;
}

/* Recent rows over their new limits go at once: one that kept none would not follow the log. Answers of authorize functions are kept
 * until they would have ended by the time that was in force, so they are asked for again. */
void hub_set_options(struct hub *hub, const struct hub_options *options)
{
    if (options->authorize_cache_ms != hub->options.authorize_cache_ms) {
        authorize_forget(hub, (struct str){0});
    }
    hub->options = *options;
    hub->recent->max_bytes = options->recent_bytes;
    hub->recent->max_rows = options->recent_rows;
    recent_trim(hub->recent);
}

void hub_free(struct hub *hub)
{
    if (!hub) {
        return;
    }
    presence_book_free(hub);
    authorize_release(hub);
    snapshots_free(hub);
    questions_free(hub->questions);
    others_free(hub->others);
    reads_free(hub->reads);
    txids_free(hub->txids);
    free(hub->paused.ids);
    recent_free(hub->recent);
    user_release_all(hub);
    rates_free(hub->rates);
    session_table_release(&hub->sessions);
    channel_table_release(&hub->channels);
    scopes_free(hub->scopes);
    teller_free(hub->teller);
    rereads_free(hub->rereads);
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
        .on_receipt = on_receipt,
        .on_site = on_site,
        .on_directive = on_directive,
        .on_up = on_up,
        .on_down = on_down,
        .on_warnings = on_warnings,
        .on_superseded = on_superseded,
    };
}

struct bus_sink hub_bus_sink(struct hub *hub)
{
    return nodes_sink(hub);
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
    metrics_set(counts, METRIC_PRESENCE_MEMBERS, presence_n_listed(hub));
    metrics_set(counts, METRIC_PRESENCE_REMOTE, remote_n(hub));
    metrics_set(counts, METRIC_FRAME_BYTES, frame_bytes_alive());
    metrics_set(counts, METRIC_MEMORY_ROWS, hub->recent->n_rows);
    metrics_set(counts, METRIC_MEMORY_BYTES, hub->recent->bytes);
    metrics_set(counts, METRIC_READS_QUEUED, reads_n_queued(hub->reads));
    metrics_set(counts, METRIC_HELD, hub->sessions.held_total.n);
    metrics_set(counts, METRIC_HELD_BYTES, hub->sessions.held_total.bytes);
}

void hub_tick(struct hub *hub, uint64_t now_ms, uint64_t wall_ms)
{
    hub->now_ms = now_ms;
    hub->wall_ms = wall_ms;
    grace_tick(hub);
    presence_tick(hub);
    rates_tick(hub);
    replay_resume_paused(hub);
    snapshot_tick(hub);
    txids_tick(hub);
    private_tick(hub);
    measure(hub);
}

uint32_t hub_n_sessions(const struct hub *hub)
{
    return hub->sessions.n_open;
}

const char *hub_canonical(const struct hub *hub)
{
    if (!hub->is_up) {
        return NULL;
    }
    return hub->site->n_canonicals > 0 ? hub->site->canonicals[0] : "";
}

/* In the order in which their waits ended; more may end meanwhile. */
static void hub_handle_ready(struct hub *hub)
{
    struct session_list *ready = &hub->sessions.ready;
    for (size_t i = 0; i < ready->n; i++) {
        struct session *session = session_table_find(&hub->sessions, ready->ids[i]);
        if (session) {
            hub_handle_held(hub, session);
        }
    }
    ready->n = 0;
}

void hub_flush(struct hub *hub)
{
    version_tell_rereads(hub);
    hub_handle_ready(hub);
    remote_flush(hub);
    recent_trim(hub->recent);
    hub->n_replayed = 0;
    hub->transport->flush(hub->transport->ctx);
}
