/* SPDX-License-Identifier: PostgreSQL */
/* An authorize function's answer depends on (function, channel, action, identity) alone, so it is
 * kept for a while, and all who want to know the same while it is asked wait for one answer: ten
 * thousand anonymous joiners are one call. A failure is an answer too, a refusal, but is not kept.
 * An answer to a question from before a change (the rule names another function, or the answers
 * were to be forgotten) does not count, for it may be about what was true then: commands ask anew,
 * and members have been asked about anew by the change. */
#include "core/hub/authorize.h"

#include <assert.h>
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

struct ruling {
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

static struct str ruling_channel(const struct ruling *ruling)
{
    return (struct str){ruling->key + ruling->function_len + 1, ruling->channel_len};
}

static void ruling_void(struct hub *hub, struct ruling *ruling)
{
    if (!ruling->is_void) {
        assert(hub->rulings);
        HASH_DEL(hub->rulings, ruling);
        ruling->is_void = true;
    }
}

static void ruling_free(struct hub *hub, struct ruling *ruling)
{
    ruling_void(hub, ruling);
    free(ruling);
}

static void ruling_make_room(struct hub *hub)
{
    struct ruling *ruling, *next;
    if (HASH_COUNT(hub->rulings) < MAX_VERDICTS) {
        return;
    }
    HASH_ITER(hh, hub->rulings, ruling, next)
    {
        if (!ruling->is_asked) {
            ruling_free(hub, ruling);
        }
    }
}

/* The function has said no. A member that asks to join once more is in no longer. */
static void authorize_refuse(struct hub *hub, struct session *session,
                             const struct command *command)
{
    struct channel *channel = channel_find(&hub->channels, command->channel);
    if (command->type == COMMAND_MESSAGE) {
        say_refusal(hub, session, command->channel, ERROR_CODE_SEND_REFUSED);
    } else if (!channel || !session_is_in(session, channel)) {
        say_refusal(hub, session, command->channel, ERROR_CODE_JOIN_REFUSED);
    } else {
        say_refusal(hub, session, command->channel, ERROR_CODE_REMOVED);
        membership_leave(hub, session, channel);
    }
}

/* Whoever asked now would get this answer. */
static bool ruling_counts(const struct ruling *ruling)
{
    const struct rule *rule = site_rule(ruling->hub->site, ruling_channel(ruling));
    return !ruling->is_void && rule && rule->authorize && strcmp(rule->authorize, ruling->key) == 0;
}

/* is_allowed: it may stay. */
static void waiter_tell_member(struct hub *hub, const struct waiter *waiter, bool is_allowed)
{
    struct channel *channel = waiter->channel;
    struct session *session = session_table_find(&hub->sessions, waiter->session);
    if (session && !is_allowed && !session->is_closing && session_is_in(session, channel)) {
        say_error(hub, session, channel_name(channel), ERROR_CODE_REMOVED, NULL);
        membership_leave(hub, session, channel); /* which our pin keeps alive */
    }
    if (session && --session->n_questioned == 0 && session->wait == SESSION_WAIT_RIGHTS) {
        session_end_wait(&hub->sessions, session);
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

static void ruling_on_answer(void *arg, const struct store_verdict *answer)
{
    struct ruling *ruling = arg;
    struct hub *hub = ruling->hub;
    struct waiter *waiters = ruling->waiters;
    bool is_allowed = answer->result == STORE_VERDICT_DONE && answer->is_allowed;
    bool counts = ruling_counts(ruling);
    ruling->waiters = NULL;
    ruling->waiters_end = &ruling->waiters;
    ruling->is_asked = false;
    ruling->is_allowed = is_allowed;
    ruling->until_ms = hub->now_ms + hub->options.authorize_cache_ms;
    if (ruling->is_void || answer->result != STORE_VERDICT_DONE ||
        hub->options.authorize_cache_ms == 0) {
        ruling_free(hub, ruling);
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

static void ruling_ask(struct hub *hub, struct ruling *ruling, const struct buf *identity,
                       const char *action)
{
    struct store_call call = {
        .kind = STORE_CALL_AUTHORIZE,
        .function = {ruling->key, ruling->function_len},
        .action = str_of(action),
        .channel = ruling_channel(ruling),
        .client = buf_span(identity),
    };
    ruling->is_asked = true;
    hub->store->functions.call(hub->store->functions.ctx, &call, ruling_on_answer, ruling);
}

/* The answer, if it is there; else it is asked, once, and the caller's waiter stands in line. */
static struct ruling *ruling_find(struct hub *hub, const struct session *session,
                                  const struct rule *rule, struct str channel, const char *action)
{
    struct buf key = {0}, identity = {0};
    struct ruling *ruling;
    if (session->identity) {
        authorize_write_identity(session->identity, &identity);
    }
    buf_add(&key, rule->authorize, strlen(rule->authorize) + 1);
    buf_str(&key, channel);
    buf_char(&key, '\0');
    buf_add(&key, action, strlen(action) + 1);
    buf_str(&key, buf_span(&identity));
    HASH_FIND(hh, hub->rulings, key.data, key.len, ruling);
    if (!ruling) {
        ruling_make_room(hub);
        ruling = mem_zalloc(sizeof(*ruling) + key.len);
        ruling->hub = hub;
        ruling->waiters_end = &ruling->waiters;
        ruling->function_len = strlen(rule->authorize);
        ruling->channel_len = channel.len;
        ruling->key_len = key.len;
        memcpy(ruling->key, key.data, key.len);
        HASH_ADD_KEYPTR(hh, hub->rulings, ruling->key, ruling->key_len, ruling);
    }
    if (!ruling->is_asked && ruling->until_ms <= hub->now_ms) {
        ruling_ask(hub, ruling, &identity, action);
    } else if (!ruling->is_asked) {
        say_count(hub, METRIC_AUTHORIZE_HITS);
    }
    buf_release(&key);
    buf_release(&identity);
    return ruling;
}

static void ruling_await(struct ruling *ruling, const struct session *session,
                         struct channel *channel)
{
    struct waiter *waiter = mem_zalloc(sizeof(*waiter));
    waiter->session = session->id;
    waiter->channel = channel;
    *ruling->waiters_end = waiter;
    ruling->waiters_end = &waiter->next;
}

enum judged authorize_command(struct hub *hub, struct session *session,
                              const struct command *command, const struct rule *rule)
{
    if (!rule->authorize || command->is_authorized) {
        return JUDGED_ALLOWED;
    }
    const char *action = command->type == COMMAND_JOIN ? "join" : "send";
    struct ruling *ruling = ruling_find(hub, session, rule, command->channel, action);
    if (ruling->is_asked) {
        ruling_await(ruling, session, NULL);
        session->wait = SESSION_WAIT_CALL;
        return JUDGED_WAITS;
    }
    if (!ruling->is_allowed) {
        authorize_refuse(hub, session, command);
        return JUDGED_ANSWERED;
    }
    return JUDGED_ALLOWED;
}

void authorize_member(struct hub *hub, struct session *session, struct channel *channel)
{
    struct ruling *ruling = ruling_find(hub, session, channel->rule, channel_name(channel), "join");
    channel_pin(channel);
    session->n_questioned++;
    if (ruling->is_asked) {
        ruling_await(ruling, session, channel);
    } else {
        waiter_tell_member(hub, &(struct waiter){.session = session->id, .channel = channel},
                           ruling->is_allowed);
    }
}

void authorize_forget(struct hub *hub, struct str channel)
{
    struct ruling *ruling, *next;
    HASH_ITER(hh, hub->rulings, ruling, next)
    {
        if (channel.ptr && !channel_pattern_matches(channel, ruling_channel(ruling))) {
            continue;
        }
        ruling_void(hub, ruling);
        if (!ruling->is_asked) {
            free(ruling);
        }
    }
}

void authorize_release(struct hub *hub)
{
    struct ruling *ruling, *next;
    HASH_ITER(hh, hub->rulings, ruling, next)
    {
        while (ruling->waiters) {
            struct waiter *waiter = ruling->waiters;
            ruling->waiters = waiter->next;
            free(waiter);
        }
        ruling_free(hub, ruling);
    }
}
