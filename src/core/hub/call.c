/* SPDX-License-Identifier: PostgreSQL */
/* The owner's SQL functions: realtime triggers and authorize functions.
 *
 * A trigger (on_join, on_message) is asked for one command. The command stays the first one held of
 * its session and is handled again from the top when the answer has come, now with has_hook_passed:
 * whatever has changed meanwhile (the rule, the membership) is looked at once more. on_leave,
 * on_connect and on_disconnect are told and not waited for; the store runs the calls of one session
 * in the order in which they were given.
 *
 * An authorize function's answer depends on (function, channel, action, identity) alone, so it is
 * kept for a while, and all who want to know the same while it is asked wait for one answer: ten
 * thousand anonymous joiners are one call. A failure is an answer too, a refusal, but is not kept.
 * An answer to a question from before a change (the rule names another function, or the answers
 * were to be forgotten) does not count, for it may be about what was true then: commands ask anew,
 * and members have been asked about anew by the change. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/hub/internal.h"

enum { MAX_JUDGEMENTS = 10000 }; /* about 300 bytes each */

/* ---- triggers ---- */

struct asked {
    struct hub *hub;
    struct session_id session;
};

static void write_options(const struct command *command, struct buf *out)
{
    buf_literal(out, "{\"channel\":");
    buf_json_string(out, command->channel);
    if (command->type == COMMAND_MESSAGE) {
        buf_literal(out, command->is_authenticated ? ",\"authenticated\":true,\"socketId\":"
                                                   : ",\"authenticated\":false,\"socketId\":");
        if (command->socket_id.ptr) {
            buf_json_string(out, command->socket_id);
        } else {
            buf_literal(out, "null");
        }
    }
    buf_char(out, '}');
}

static void write_payload(const struct command *command, struct buf *out)
{
    if (command->type == COMMAND_MESSAGE) {
        buf_str(out, command->payload);
    } else {
        buf_printf(out, "{\"history\":%s,\"presence\":%s}",
                   command->wants_history ? "true" : "false",
                   command->wants_presence ? "true" : "false");
    }
}

static struct str span(const struct buf *buf)
{
    return (struct str){buf->data, buf->len};
}

/* The waiting command has its answer and is done with. */
static void finish_waiting(struct hub *hub, struct session *session)
{
    hub_end_arrival(hub, session);
    command_free(session_next_held(session));
}

static void refuse_waiting(struct hub *hub, struct session *session, enum error_code code,
                           const char *reason)
{
    hub_answer_error_text(hub, session, session->held->channel, code, reason);
    finish_waiting(hub, session);
}

static void take_hook_answer(struct hub *hub, struct session *session,
                             const struct store_verdict *verdict)
{
    struct command *command = session->held;
    switch (verdict->result) {
    case STORE_VERDICT_REFUSED:
        refuse_waiting(hub, session, ERROR_CODE_HOOK_REFUSED, verdict->reason);
        return;
    case STORE_VERDICT_FAILED:
        refuse_waiting(hub, session, ERROR_CODE_HOOK_FAILED, NULL);
        return;
    case STORE_VERDICT_DONE:
        break;
    }
    command->has_hook_passed = true;
    if (command->type != COMMAND_MESSAGE) {
        return;
    }
    if (verdict->payload.ptr) {
        session_replace_payload(session, verdict->payload);
    } else {
        hub_count(hub, METRIC_MESSAGES + METRIC_MESSAGE_DROPPED);
        finish_waiting(hub, session); /* the function has dropped it */
    }
}

static void on_hook_answer(void *arg, const struct store_verdict *verdict)
{
    struct asked *asked = arg;
    struct hub *hub = asked->hub;
    struct session *session = session_table_find(&hub->sessions, asked->session);
    free(asked);
    if (!session) {
        return;
    }
    if (!session->is_closing) {
        take_hook_answer(hub, session, verdict);
    }
    session_end_wait(&hub->sessions, session);
}

void hub_ask_hook(struct hub *hub, struct session *session, const struct command *command,
                  const char *function)
{
    struct buf client = {0}, options = {0}, payload = {0};
    struct asked *asked = mem_alloc(sizeof(*asked));
    *asked = (struct asked){hub, session->id};
    write_options(command, &options);
    write_payload(command, &payload);
    struct store_call call = {
        .kind = STORE_CALL_ON_ACTION,
        .function = str_of(function),
        .queue = session->id,
        .action = command->type == COMMAND_MESSAGE ? STR("message") : STR("join"),
        .channel = command->channel,
        .client = hub_client_json(hub, session, &client),
        .options = span(&options),
        .payload = span(&payload),
    };
    session->wait = SESSION_WAIT_CALL;
    hub->store->call(hub->store->ctx, &call, on_hook_answer, asked);
    buf_release(&client);
    buf_release(&options);
    buf_release(&payload);
}

void hub_tell_hook(struct hub *hub, const struct session *session, const char *function,
                   const char *action, struct str channel)
{
    struct buf client = {0}, options = {0};
    if (channel.ptr) {
        write_options(&(struct command){.type = COMMAND_LEAVE, .channel = channel}, &options);
    }
    struct store_call call = {
        .kind = STORE_CALL_ON_ACTION,
        .function = str_of(function),
        .queue = session->id,
        .action = str_of(action),
        .channel = channel,
        .client = hub_client_json(hub, session, &client),
        .options = span(&options),
    };
    hub->store->call(hub->store->ctx, &call, NULL, NULL);
    buf_release(&client);
    buf_release(&options);
}

/* ---- authorize ---- */

struct waiter {
    struct waiter *next;
    struct session_id session;
    struct channel *channel; /* pinned: a member is judged again; NULL: a command waits */
};

struct judgement {
    UT_hash_handle hh;
    struct hub *hub;
    bool is_asked; /* the answer is awaited */
    bool is_void;  /* … and does not count: it was forgotten meanwhile, and is in no table */
    bool is_allowed;
    uint64_t until_ms;
    struct waiter *waiters, **waiters_end;
    size_t function_len, channel_len;
    size_t key_len;
    char key[]; /* function, channel, action and identity, with a NUL behind each but the last */
};

static void write_identity(const struct identity *identity, struct buf *out)
{
    buf_printf(out, "{\"dbo_id\":%d,\"row_id\":", (int)identity->dbo_id);
    if (identity->row_id.ptr) {
        buf_json_string(out, identity->row_id);
    } else {
        buf_literal(out, "null");
    }
    buf_literal(out, ",\"extras\":");
    buf_str(out, identity->extras);
    buf_char(out, '}');
}

static struct str judged_channel(const struct judgement *judgement)
{
    return (struct str){judgement->key + judgement->function_len + 1, judgement->channel_len};
}

static void take_out(struct hub *hub, struct judgement *judgement)
{
    if (!judgement->is_void) {
        HASH_DEL(hub->judgements, judgement);
        judgement->is_void = true;
    }
}

static void free_judgement(struct hub *hub, struct judgement *judgement)
{
    take_out(hub, judgement);
    free(judgement);
}

static void make_room(struct hub *hub)
{
    struct judgement *judgement, *next;
    if (HASH_COUNT(hub->judgements) < MAX_JUDGEMENTS) {
        return;
    }
    HASH_ITER(hh, hub->judgements, judgement, next)
    {
        if (!judgement->is_asked) {
            free_judgement(hub, judgement);
        }
    }
}

/* The function has said no. A member that asks to join once more is in no longer. */
static void refuse(struct hub *hub, struct session *session, const struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    if (command->type == COMMAND_MESSAGE) {
        hub_answer_error(hub, session, command->channel, ERROR_CODE_SEND_REFUSED);
    } else if (!channel || !session_in(session, channel)) {
        hub_answer_error(hub, session, command->channel, ERROR_CODE_JOIN_REFUSED);
    } else {
        hub_answer_error(hub, session, command->channel, ERROR_CODE_REMOVED);
        hub_detach(hub, session, channel);
    }
}

/* Whoever asked now would get this answer. */
static bool does_count(const struct judgement *judgement)
{
    const struct rule *rule = site_rule(judgement->hub->site, judged_channel(judgement));
    return !judgement->is_void && rule && rule->authorize &&
           strcmp(rule->authorize, judgement->key) == 0;
}

/* is_allowed: it may stay. */
static void tell_member(struct hub *hub, const struct waiter *waiter, bool is_allowed)
{
    struct channel *channel = waiter->channel;
    struct session *session = session_table_find(&hub->sessions, waiter->session);
    if (session && !is_allowed && !session->is_closing && session_in(session, channel)) {
        hub_answer_error(hub, session, channel_name(channel), ERROR_CODE_REMOVED);
        hub_detach(hub, session, channel); /* which our pin keeps alive */
    }
    channel->n_pins--;
    channel_drop_if_unused(&hub->channels, channel);
}

/* verdict NULL: it does not count. */
static void tell_command(struct hub *hub, const struct waiter *waiter,
                         const struct store_verdict *verdict)
{
    struct session *session = session_table_find(&hub->sessions, waiter->session);
    if (!session) {
        return;
    }
    if (session->is_closing || !verdict) {
        /* All that it still holds is dropped; or the question is asked again. */
    } else if (verdict->result == STORE_VERDICT_REFUSED) {
        refuse_waiting(hub, session, ERROR_CODE_HOOK_REFUSED, verdict->reason);
    } else if (verdict->result == STORE_VERDICT_FAILED) {
        refuse_waiting(hub, session, ERROR_CODE_HOOK_FAILED, NULL);
    } else if (!verdict->is_allowed) {
        refuse(hub, session, session->held);
        finish_waiting(hub, session);
    } else {
        session->held->has_rule_passed = true;
    }
    session_end_wait(&hub->sessions, session);
}

static void on_judged(void *arg, const struct store_verdict *verdict)
{
    struct judgement *judgement = arg;
    struct hub *hub = judgement->hub;
    struct waiter *waiters = judgement->waiters;
    bool is_allowed = verdict->result == STORE_VERDICT_DONE && verdict->is_allowed;
    bool counts = does_count(judgement);
    judgement->waiters = NULL;
    judgement->waiters_end = &judgement->waiters;
    judgement->is_asked = false;
    judgement->is_allowed = is_allowed;
    judgement->until_ms = hub->now_ms + hub->options.authorize_cache_ms;
    if (judgement->is_void || verdict->result != STORE_VERDICT_DONE ||
        hub->options.authorize_cache_ms == 0) {
        free_judgement(hub, judgement);
    }
    while (waiters) {
        struct waiter *waiter = waiters;
        waiters = waiter->next;
        if (waiter->channel) {
            tell_member(hub, waiter, is_allowed || !counts);
        } else {
            tell_command(hub, waiter, counts ? verdict : NULL);
        }
        free(waiter);
    }
}

static void ask(struct hub *hub, struct judgement *judgement, const struct buf *identity,
                const char *action)
{
    struct store_call call = {
        .kind = STORE_CALL_AUTHORIZE,
        .function = {judgement->key, judgement->function_len},
        .action = str_of(action),
        .channel = judged_channel(judgement),
        .client = span(identity),
    };
    judgement->is_asked = true;
    hub->store->call(hub->store->ctx, &call, on_judged, judgement);
}

/* The answer, if it is there; else it is asked, once, and the caller's waiter stands in line. */
static struct judgement *judge(struct hub *hub, const struct session *session,
                               const struct rule *rule, struct str channel, const char *action)
{
    struct buf key = {0}, identity = {0};
    struct judgement *judgement;
    if (session->identity) {
        write_identity(session->identity, &identity);
    }
    buf_add(&key, rule->authorize, strlen(rule->authorize) + 1);
    buf_str(&key, channel);
    buf_char(&key, '\0');
    buf_add(&key, action, strlen(action) + 1);
    buf_str(&key, span(&identity));
    HASH_FIND(hh, hub->judgements, key.data, key.len, judgement);
    if (!judgement) {
        make_room(hub);
        judgement = mem_zalloc(sizeof(*judgement) + key.len);
        judgement->hub = hub;
        judgement->waiters_end = &judgement->waiters;
        judgement->function_len = strlen(rule->authorize);
        judgement->channel_len = channel.len;
        judgement->key_len = key.len;
        memcpy(judgement->key, key.data, key.len);
        HASH_ADD_KEYPTR(hh, hub->judgements, judgement->key, judgement->key_len, judgement);
    }
    if (!judgement->is_asked && judgement->until_ms <= hub->now_ms) {
        ask(hub, judgement, &identity, action);
    } else if (!judgement->is_asked) {
        hub_count(hub, METRIC_AUTHORIZE_HITS);
    }
    buf_release(&key);
    buf_release(&identity);
    return judgement;
}

static void stand_in_line(struct judgement *judgement, const struct session *session,
                          struct channel *channel)
{
    struct waiter *waiter = mem_zalloc(sizeof(*waiter));
    waiter->session = session->id;
    waiter->channel = channel;
    *judgement->waiters_end = waiter;
    judgement->waiters_end = &waiter->next;
}

enum judged hub_authorize(struct hub *hub, struct session *session, const struct command *command,
                          const struct rule *rule)
{
    if (!rule->authorize || command->has_rule_passed) {
        return JUDGED_ALLOWED;
    }
    const char *action = command->type == COMMAND_JOIN ? "join" : "send";
    struct judgement *judgement = judge(hub, session, rule, command->channel, action);
    if (judgement->is_asked) {
        stand_in_line(judgement, session, NULL);
        session->wait = SESSION_WAIT_CALL;
        return JUDGED_WAITS;
    }
    if (!judgement->is_allowed) {
        refuse(hub, session, command);
        return JUDGED_ANSWERED;
    }
    return JUDGED_ALLOWED;
}

void hub_judge_again(struct hub *hub, struct session *session, struct channel *channel)
{
    struct judgement *judgement = judge(hub, session, channel->rule, channel_name(channel), "join");
    channel->n_pins++;
    if (judgement->is_asked) {
        stand_in_line(judgement, session, channel);
    } else {
        tell_member(hub, &(struct waiter){.session = session->id, .channel = channel},
                    judgement->is_allowed);
    }
}

void hub_forget_answers(struct hub *hub, struct str channel)
{
    struct judgement *judgement, *next;
    HASH_ITER(hh, hub->judgements, judgement, next)
    {
        if (channel.ptr && !channel_pattern_matches(channel, judged_channel(judgement))) {
            continue;
        }
        take_out(hub, judgement);
        if (!judgement->is_asked) {
            free(judgement);
        }
    }
}

void hub_release_answers(struct hub *hub)
{
    struct judgement *judgement, *next;
    HASH_ITER(hh, hub->judgements, judgement, next)
    {
        while (judgement->waiters) {
            struct waiter *waiter = judgement->waiters;
            judgement->waiters = waiter->next;
            free(waiter);
        }
        free_judgement(hub, judgement);
    }
}
