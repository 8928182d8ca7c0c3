/* SPDX-License-Identifier: PostgreSQL */
/* The rest of the fake database: the owner's functions, the question who a token stands for, directives
 * and the table behind herald.presence. What the authorize functions say is one truth, which a test
 * can change; an answer is given by what is true when it is given, or was when it was asked. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "world_internal.h"

/* ---- functions ---- */

/* As core/hub/authorize.c writes an identity; written here once more, so that each checks the other. */
static enum world_who who_is(const struct world *world, struct str json)
{
    if (!json.ptr) {
        return WHO_ANYBODY;
    }
    for (unsigned who = WHO_ANYBODY + 1; who < WHO_COUNT; who++) {
        const struct identity *identity = world->identities[who];
        char text[200], row_id[40] = "null";
        if (identity->row_id.ptr) {
            snprintf(row_id, sizeof(row_id), "\"%.*s\"", (int)identity->row_id.len,
                     identity->row_id.ptr);
        }
        snprintf(text, sizeof(text), "{\"dbo_id\":%d,\"row_id\":%s,\"extras\":%.*s}",
                 (int)identity->dbo_id, row_id, (int)identity->extras.len, identity->extras.ptr);
        if (str_equals(json, str_of(text))) {
            return (enum world_who)who;
        }
    }
    abort(); /* somebody unknown */
}

static bool is_denied(const struct world *world, const struct world_call *call)
{
    char letter = call->function[strlen(call->function) - 1];
    assert(letter == 'a' || letter == 'b');
    return world->denied[letter - 'a'][call->channel][call->who];
}

void world_fake_call(void *ctx, const struct store_call *asked, store_verdict_fn *done, void *arg)
{
    struct world *world = ctx;
    world->calls =
        world_grow(world->calls, world->n_calls, &world->cap_calls, sizeof(*world->calls));
    struct world_call *call = &world->calls[world->n_calls++];
    *call = (struct world_call){.kind = asked->kind,
                                .queue = asked->queue,
                                .is_told = !done,
                                .channel = WORLD_CHANNELS,
                                .done = done,
                                .arg = arg};
    world_copy(call->function, sizeof(call->function), asked->function);
    world_copy(call->action, sizeof(call->action), asked->action);
    world_copy(call->client, sizeof(call->client), asked->client);
    world_copy(call->options, sizeof(call->options), asked->options);
    world_copy(call->payload, sizeof(call->payload), asked->payload);
    if (asked->channel.ptr) {
        call->channel = world_channel_index(asked->channel);
    }
    if (asked->kind == STORE_CALL_AUTHORIZE) {
        assert(done);
        call->who = who_is(world, asked->client);
        call->is_denied = is_denied(world, call);
    }
}

size_t world_calls(struct world *world, const struct world_call **calls)
{
    *calls = world->calls;
    return world->n_calls;
}

static bool is_same_session(struct session_id a, struct session_id b)
{
    return a.worker == b.worker && a.slot == b.slot && a.generation == b.generation;
}

static bool has_to_wait(const struct world *world, size_t i)
{
    for (size_t k = 0; world->calls[i].queue.generation && k < i; k++) {
        if (is_same_session(world->calls[k].queue, world->calls[i].queue)) {
            return true;
        }
    }
    return false;
}

static void answer_call(struct world *world, const struct world_call *call,
                        struct world_reply reply)
{
    struct store_verdict verdict = {.result = reply.result};
    if (reply.result == STORE_VERDICT_REFUSED) {
        verdict.reason = reply.reason ? reply.reason : "no";
    } else if (reply.result == STORE_VERDICT_DONE && call->kind == STORE_CALL_AUTHORIZE) {
        verdict.is_allowed = !(reply.is_early ? call->is_denied : is_denied(world, call));
    } else if (reply.result == STORE_VERDICT_DONE && !reply.drops) {
        verdict.payload = str_of(reply.payload ? reply.payload : call->payload);
    }
    if (!call->is_told) {
        call->done(call->arg, &verdict);
    }
}

bool world_reply(struct world *world, size_t nth, struct world_reply reply)
{
    size_t i = 0;
    while (i < world->n_calls && (has_to_wait(world, i) || nth-- > 0)) {
        i++;
    }
    if (i == world->n_calls) {
        return false;
    }
    struct world_call call = world->calls[i];
    memmove(world->calls + i, world->calls + i + 1, (--world->n_calls - i) * sizeof(call));
    answer_call(world, &call, reply);
    world_end_step(world);
    return true;
}

void world_deny(struct world *world, char function, unsigned channel, enum world_who who,
                bool is_denied_now)
{
    world->denied[function - 'a'][channel][who] = is_denied_now;
}

/* ---- tokens ---- */

void world_fake_check_token(void *ctx, struct str token, store_token_fn *done, void *arg)
{
    struct world *world = ctx;
    world->tokens =
        world_grow(world->tokens, world->n_tokens, &world->cap_tokens, sizeof(*world->tokens));
    struct token *asked = &world->tokens[world->n_tokens++];
    *asked = (struct token){.done = done, .arg = arg};
    assert(token.len == sizeof(asked->session)); /* as world_open_opaque wrote it */
    memcpy(&asked->session, token.ptr, token.len);
}

bool world_answer_token(struct world *world, enum world_who who, enum error_code error)
{
    if (world->n_tokens == 0) {
        return false;
    }
    struct token token = world->tokens[0];
    memmove(world->tokens, world->tokens + 1, --world->n_tokens * sizeof(token));
    token.done(token.arg,
               &(struct store_token){.identity = world->identities[who], .error = error});
    world_end_step(world);
    return true;
}

/* ---- directives ---- */

void world_forget(struct world *world, const char *channel)
{
    struct directive directive = {
        .kind = DIRECTIVE_FORGET, .version = ++world->version, .channel = str_of(channel)};
    world->sink.on_directive(world->sink.ctx, &directive);
    world_end_step(world);
}

void world_disconnect(struct world *world, struct directive directive)
{
    directive.kind = DIRECTIVE_DISCONNECT;
    if (directive.version == 0) {
        directive.version = ++world->version;
    } else {
        world->version = directive.version;
        world_tell_site(world);
    }
    world->sink.on_directive(world->sink.ctx, &directive);
    world_end_step(world);
}

/* ---- presence in SQL ---- */

static void remove_member(struct world *world, struct sql_member *row)
{
    HASH_DEL(world->sql, row);
    identity_unref(row->identity);
    free(row);
}

void world_release_sql(struct world *world)
{
    struct sql_member *row, *next;
    HASH_ITER(hh, world->sql, row, next)
    {
        remove_member(world, row);
    }
}

static struct identity *same_identity(struct world *world, const struct identity *identity)
{
    for (unsigned who = 0; who < WHO_COUNT; who++) {
        if (world_is_same(identity, world->identities[who])) {
            return identity_ref(world->identities[who]);
        }
    }
    abort(); /* somebody unknown */
}

static void write_member(struct world *world, const struct presence_news *member)
{
    char key[sizeof(((struct sql_member *)0)->key)];
    struct sql_member *row;
    snprintf(key, sizeof(key), "%.*s %.*s", (int)member->channel.len, member->channel.ptr,
             (int)member->socket_id.len, member->socket_id.ptr);
    HASH_FIND_STR(world->sql, key, row);
    if (row) {
        remove_member(world, row);
    }
    if (member->is_join) {
        row = mem_zalloc(sizeof(*row));
        memcpy(row->key, key, sizeof(key));
        row->channel = world_channel_index(member->channel);
        row->identity = same_identity(world, member->identity);
        row->since_ms = member->since_ms;
        HASH_ADD_STR(world->sql, key, row);
    }
}

void world_fake_presence(void *ctx, bool is_reset, const struct presence_news *members, size_t n)
{
    struct world *world = ctx;
    assert(world->is_up && (n > 0 || is_reset));
    world->stats.sql_calls++;
    world->stats.sql_rows += n;
    if (is_reset) {
        world_release_sql(world);
    }
    for (size_t i = 0; i < n; i++) {
        write_member(world, &members[i]);
    }
}

size_t world_sql_size(struct world *world, unsigned channel)
{
    size_t n = 0;
    const struct sql_member *row;
    for (row = world->sql; row; row = row->hh.next) {
        n += row->channel == channel;
    }
    return n;
}
