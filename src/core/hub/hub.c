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

#include "base/log.h"
#include "base/mem.h"
#include "core/hub/internal.h"

static bool handle(struct hub *hub, struct session *session, const struct command *command);

/* ---- answers ---- */

/* Sends the frame and lets go of it. */
void hub_answer(struct hub *hub, const struct session *session, struct frame *frame)
{
    hub->transport->send(hub->transport->ctx, session->id, frame);
    frame_unref(frame);
}

void hub_answer_error(struct hub *hub, const struct session *session, struct str channel,
                      enum error_code code)
{
    hub_answer(hub, session, hub->protocol->error(channel, code, NULL));
}

/* The session's JSON as other clients see it. Everybody is anonymous as long as there are no
 * identities. */
struct str hub_client_json(struct hub *hub, const struct session *session, struct buf *buf)
{
    hub->protocol->client(str_of(session->socket_id), session->identity, buf);
    return (struct str){buf->data, buf->len};
}

/* ---- order ---- */

/* Goes on with what was held back, until one waits again. */
void hub_go_on(struct hub *hub, struct session *session)
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

/* True if the session's own messages are still on their way to the log: a read now would miss them.
 */
bool hub_waits_for_appends(struct session *session)
{
    if (session->n_appending > 0) {
        session->wait = SESSION_WAIT_APPENDS;
        return true;
    }
    return false;
}

/* ---- commands ---- */

void hub_forget_member(struct hub *hub, struct session *session, struct channel *channel)
{
    channel->n_members--;
    channel->n_on_worker[session->id.worker]--;
    channel_drop_if_unused(&hub->channels, channel);
}

static void invalid(struct hub *hub, struct session *session, const struct command *command)
{
    hub_answer_error(hub, session, command->channel, command->error);
    if (++session->n_invalid > hub->options.max_invalid) {
        session->is_closing = true;
        hub->transport->close(hub->transport->ctx, session->id, 1008, "too many invalid frames");
    }
}

static void close_session(struct hub *hub, struct session *session)
{
    /* The worker has dropped the subscriptions of a closed socket itself: nothing to detach. */
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        hub_forget_member(hub, session, session->subscriptions[i].channel);
    }
    session_table_close(&hub->sessions, session);
}

/* False: it must wait, and be handled again later. */
static bool handle(struct hub *hub, struct session *session, const struct command *command)
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
        break;
    }
    assert(!"open and close are never held back");
    return true;
}

static void hold(struct hub *hub, struct session *session, struct command *command)
{
    if (session->n_held < hub->options.max_held &&
        session->held_bytes + command_bytes(command) <= hub->options.max_held_bytes) {
        session_hold(session, command);
        return;
    }
    if (!session->is_closing) {
        hub_answer_error(hub, session, command->channel, ERROR_CODE_RATE_LIMITED);
    }
    free(command);
}

void hub_command(struct hub *hub, struct command *command)
{
    if (command->type == COMMAND_OPEN) {
        session_table_open(&hub->sessions, command->session);
        free(command);
        return;
    }
    struct session *session = session_table_find(&hub->sessions, command->session);
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
        hub_go_on(hub, session);
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
    const char *reason = hub->is_draining ? "the server is stopping" : hub->down_reason;
    struct site_gate *gate = site_gate_new(hub->site, is_ready, reason);
    hub->transport->gate(hub->transport->ctx, gate);
    site_gate_unref(gate);
}

static void recheck(void *arg, struct session *session)
{
    if (!session->is_closing) {
        hub_recheck(arg, session);
    }
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
    session_table_each(&hub->sessions, recheck, hub);
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
            channel->head = channel->fanned = 0;
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

void hub_drain(struct hub *hub, uint32_t spread_ms)
{
    hub->is_draining = true;
    update_gate(hub);
    hub->transport->close_all(hub->transport->ctx, 1012, "the server is stopping", spread_ms);
}

uint32_t hub_n_sessions(const struct hub *hub)
{
    return hub->sessions.n_open;
}

void hub_flush(struct hub *hub)
{
    hub->transport->flush(hub->transport->ctx);
}
