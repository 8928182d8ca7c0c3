/* SPDX-License-Identifier: PostgreSQL */
/* An authorize function's answer depends on (function, channel, action, identity) alone, so it is
 * kept for a while, and all who want to know the same while it is asked wait for one answer: ten
 * thousand anonymous joiners are one call. A failure is an answer too, a refusal, but is not kept.
 * An answer to a question from before a change (the rule names another function, or the answers
 * were to be forgotten) does not count, for it may be about what was true then: commands ask anew,
 * and members have been asked about anew by the change. */
#include "core/hub/authorize.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "core/channel_name.h"
#include "core/hub/function.h"
#include "core/hub/ground/say.h"
#include "core/hub/membership.h"

enum { MAX_VERDICTS = 10000 }; /* about 300 bytes each */

struct waiter {
    struct waiter *next;
    struct session_id session;
    struct channel *channel; /* pinned: a member is judged again; NULL: a command waits */
};

struct verdict {
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

static void authorize_write_identity(const struct identity *identity, struct buf *out)
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

static struct str verdict_channel(const struct verdict *verdict)
{
    return (struct str){verdict->key + verdict->function_len + 1, verdict->channel_len};
}

static void verdict_void(struct hub *hub, struct verdict *verdict)
{
    if (!verdict->is_void) {
        HASH_DEL(hub->verdicts, verdict);
        verdict->is_void = true;
    }
}

static void verdict_free(struct hub *hub, struct verdict *verdict)
{
    verdict_void(hub, verdict);
    free(verdict);
}

static void verdict_make_room(struct hub *hub)
{
    struct verdict *verdict, *next;
    if (HASH_COUNT(hub->verdicts) < MAX_VERDICTS) {
        return;
    }
    HASH_ITER(hh, hub->verdicts, verdict, next)
    {
        if (!verdict->is_asked) {
            verdict_free(hub, verdict);
        }
    }
}

/* The function has said no. A member that asks to join once more is in no longer. */
static void authorize_refuse(struct hub *hub, struct session *session,
                             const struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    if (command->type == COMMAND_MESSAGE) {
        say_error(hub, session, command->channel, ERROR_CODE_SEND_REFUSED);
    } else if (!channel || !session_in(session, channel)) {
        say_error(hub, session, command->channel, ERROR_CODE_JOIN_REFUSED);
    } else {
        say_error(hub, session, command->channel, ERROR_CODE_REMOVED);
        membership_detach(hub, session, channel);
    }
}

/* Whoever asked now would get this answer. */
static bool verdict_counts(const struct verdict *verdict)
{
    const struct rule *rule = site_rule(verdict->hub->site, verdict_channel(verdict));
    return !verdict->is_void && rule && rule->authorize &&
           strcmp(rule->authorize, verdict->key) == 0;
}

/* is_allowed: it may stay. */
static void waiter_tell_member(struct hub *hub, const struct waiter *waiter, bool is_allowed)
{
    struct channel *channel = waiter->channel;
    struct session *session = session_table_find(&hub->sessions, waiter->session);
    if (session && !is_allowed && !session->is_closing && session_in(session, channel)) {
        say_error(hub, session, channel_name(channel), ERROR_CODE_REMOVED);
        membership_detach(hub, session, channel); /* which our pin keeps alive */
    }
    channel_unpin(&hub->channels, channel);
}

/* answer NULL: it does not count. */
static void waiter_tell_command(struct hub *hub, const struct waiter *waiter,
                                const struct store_verdict *answer)
{
    struct session *session = session_table_find(&hub->sessions, waiter->session);
    if (!session) {
        return;
    }
    if (session->is_closing || !answer) {
        /* All that it still holds is dropped; or the question is asked again. */
    } else if (function_refuses(hub, session, answer)) {
        /* And it has been told so. */
    } else if (!answer->is_allowed) {
        authorize_refuse(hub, session, session->held);
        function_finish_waiting(hub, session);
    } else {
        session->held->is_authorized = true;
    }
    session_end_wait(&hub->sessions, session);
}

static void verdict_on_answer(void *arg, const struct store_verdict *answer)
{
    struct verdict *verdict = arg;
    struct hub *hub = verdict->hub;
    struct waiter *waiters = verdict->waiters;
    bool is_allowed = answer->result == STORE_VERDICT_DONE && answer->is_allowed;
    bool counts = verdict_counts(verdict);
    verdict->waiters = NULL;
    verdict->waiters_end = &verdict->waiters;
    verdict->is_asked = false;
    verdict->is_allowed = is_allowed;
    verdict->until_ms = hub->now_ms + hub->options.authorize_cache_ms;
    if (verdict->is_void || answer->result != STORE_VERDICT_DONE ||
        hub->options.authorize_cache_ms == 0) {
        verdict_free(hub, verdict);
    }
    while (waiters) {
        struct waiter *waiter = waiters;
        waiters = waiter->next;
        if (waiter->channel) {
            waiter_tell_member(hub, waiter, is_allowed || !counts);
        } else {
            waiter_tell_command(hub, waiter, counts ? answer : NULL);
        }
        free(waiter);
    }
}

static void verdict_ask(struct hub *hub, struct verdict *verdict, const struct buf *identity,
                        const char *action)
{
    struct store_call call = {
        .kind = STORE_CALL_AUTHORIZE,
        .function = {verdict->key, verdict->function_len},
        .action = str_of(action),
        .channel = verdict_channel(verdict),
        .client = buf_span(identity),
    };
    verdict->is_asked = true;
    hub->store->functions.call(hub->store->functions.ctx, &call, verdict_on_answer, verdict);
}

/* The answer, if it is there; else it is asked, once, and the caller's waiter stands in line. */
static struct verdict *verdict_find(struct hub *hub, const struct session *session,
                                    const struct rule *rule, struct str channel, const char *action)
{
    struct buf key = {0}, identity = {0};
    struct verdict *verdict;
    if (session->identity) {
        authorize_write_identity(session->identity, &identity);
    }
    buf_add(&key, rule->authorize, strlen(rule->authorize) + 1);
    buf_str(&key, channel);
    buf_char(&key, '\0');
    buf_add(&key, action, strlen(action) + 1);
    buf_str(&key, buf_span(&identity));
    HASH_FIND(hh, hub->verdicts, key.data, key.len, verdict);
    if (!verdict) {
        verdict_make_room(hub);
        verdict = mem_zalloc(sizeof(*verdict) + key.len);
        verdict->hub = hub;
        verdict->waiters_end = &verdict->waiters;
        verdict->function_len = strlen(rule->authorize);
        verdict->channel_len = channel.len;
        verdict->key_len = key.len;
        memcpy(verdict->key, key.data, key.len);
        HASH_ADD_KEYPTR(hh, hub->verdicts, verdict->key, verdict->key_len, verdict);
    }
    if (!verdict->is_asked && verdict->until_ms <= hub->now_ms) {
        verdict_ask(hub, verdict, &identity, action);
    } else if (!verdict->is_asked) {
        say_count(hub, METRIC_AUTHORIZE_HITS);
    }
    buf_release(&key);
    buf_release(&identity);
    return verdict;
}

static void verdict_await(struct verdict *verdict, const struct session *session,
                          struct channel *channel)
{
    struct waiter *waiter = mem_zalloc(sizeof(*waiter));
    waiter->session = session->id;
    waiter->channel = channel;
    *verdict->waiters_end = waiter;
    verdict->waiters_end = &waiter->next;
}

enum judged authorize_command(struct hub *hub, struct session *session,
                              const struct command *command, const struct rule *rule)
{
    if (!rule->authorize || command->is_authorized) {
        return JUDGED_ALLOWED;
    }
    const char *action = command->type == COMMAND_JOIN ? "join" : "send";
    struct verdict *verdict = verdict_find(hub, session, rule, command->channel, action);
    if (verdict->is_asked) {
        verdict_await(verdict, session, NULL);
        session->wait = SESSION_WAIT_CALL;
        return JUDGED_WAITS;
    }
    if (!verdict->is_allowed) {
        authorize_refuse(hub, session, command);
        return JUDGED_ANSWERED;
    }
    return JUDGED_ALLOWED;
}

void authorize_member(struct hub *hub, struct session *session, struct channel *channel)
{
    struct verdict *verdict =
        verdict_find(hub, session, channel->rule, channel_name(channel), "join");
    channel_pin(channel);
    if (verdict->is_asked) {
        verdict_await(verdict, session, channel);
    } else {
        waiter_tell_member(hub, &(struct waiter){.session = session->id, .channel = channel},
                           verdict->is_allowed);
    }
}

void authorize_forget(struct hub *hub, struct str channel)
{
    struct verdict *verdict, *next;
    HASH_ITER(hh, hub->verdicts, verdict, next)
    {
        if (channel.ptr && !channel_pattern_matches(channel, verdict_channel(verdict))) {
            continue;
        }
        verdict_void(hub, verdict);
        if (!verdict->is_asked) {
            free(verdict);
        }
    }
}

void authorize_release(struct hub *hub)
{
    struct verdict *verdict, *next;
    HASH_ITER(hh, hub->verdicts, verdict, next)
    {
        while (verdict->waiters) {
            struct waiter *waiter = verdict->waiters;
            verdict->waiters = waiter->next;
            free(waiter);
        }
        verdict_free(hub, verdict);
    }
}
