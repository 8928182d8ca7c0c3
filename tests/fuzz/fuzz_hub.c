/* SPDX-License-Identifier: PostgreSQL */
/* The hub under a script: the first byte chooses the world, then each three bytes are one step of
 * sessions, database, rules, time or delivery, in any order that can happen. The fake world asserts
 * at every frame that nothing is lost, repeated, out of order or for somebody else, and that every
 * list of members is right; at the end, after all has come to rest, every member must have had
 * everything, every list must be the true one, every frame with a ref must have been answered, once, and
 * nobody may be where he may not be. Rows are among the events and filters among the joins, and who may
 * see the rows changes: each frame is judged anew. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "../fakes/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    MAX_SIZE = 1500, /* the fake log and its queues are bounded */
    GRACE_MS = 300,
    AT_ONCE = 2, /* with more members the changes of presence wait for a tick */
};

/* ---- sessions ---- */

static void open_step(struct world *world, uint8_t step, unsigned worker, unsigned slot)
{
    unsigned how = step % 8u;
    if (how < WHO_COUNT) {
        world_open_as(world, worker, slot, (enum world_who)how);
    } else if (how == WHO_COUNT) {
        world_open_opaque(world, worker, slot);
    } else {
        world_open_refused(world, worker, slot, ERROR_CODE_TOKEN_EXPIRED, "it is old");
    }
}

static void join_step(struct world *world, uint8_t step, unsigned worker, unsigned slot,
                      unsigned channel)
{
    struct world_join how = {
        .history = step & 16u,
        .presence = step & 32u,
        .state = (step & 36u) == 36u,
        .has_since = (step & 192u) == 64u,
        .other_epoch = step == 127u,
        .since = step & 3u,
        .filter = (enum world_filter)((step >> 2u) % WORLD_FILTERS),
    };
    uint64_t head = world_head(world, channel);
    if (step & 8u && head > how.since) {
        how.since = head - how.since;
    }
    world_join(world, worker, slot, channel, how);
}

static void private_step(struct world *world, uint8_t step, unsigned worker, unsigned slot,
                         unsigned channel)
{
    const char *socket_id = world_known_socket_id(world, step >> 7u, (step >> 4u) % WORLD_SLOTS);
    world_message_private(world, worker, slot, channel, socket_id ? socket_id : "nobody");
}

/* Nobody gets other extras: lists would show both, each for a while, and the world knows one text of
 * each client. */
static void renew_step(struct world *world, uint8_t step, unsigned worker, unsigned slot,
                       unsigned channel)
{
    enum world_who who = world_who_is(world, worker, slot);
    if (step > 230) {
        world_renew(world, worker, slot, who);
    } else if (step > 220 && (who == WHO_BEN || who == WHO_CLEO)) {
        world_renew_opaque(world, worker, slot);
    } else if (step > 210) {
        world_renew_refused(world, worker, slot, ERROR_CODE_TOKEN_EXPIRED, "it is old");
    } else {
        world_renew(world, worker, slot, channel & 1u ? WHO_BEN : WHO_CLEO);
    }
}

static void other_step(struct world *world, uint8_t step, unsigned worker, unsigned slot,
                       unsigned channel)
{
    static const char *const states[] = {"{\"a\":1}", "{\"b\":2}", "null"};
    if (step > 240) {
        world_invalid(world, worker, slot);
    } else if (step > 200) {
        renew_step(world, step, worker, slot, channel);
    } else if (step > 120) {
        world_set_state(world, worker, slot, channel, states[step / 12u % 3u]);
    } else if (step > 100) {
        world_ping(world, worker, slot);
    } else if (step > 40) {
        world_message_to(world, worker, slot, channel, step & 16u ? WHO_ANN : WHO_CLEO);
    } else {
        world_txid(world, worker, slot, 1 + channel);
    }
}

static void session_step(struct world *world, uint8_t step, uint8_t arg)
{
    unsigned worker = arg & 1u, slot = (arg >> 1u) % WORLD_SLOTS,
             channel = (arg >> 5u) % WORLD_CHANNELS;
    if (!world_is_open(world, worker, slot)) {
        open_step(world, step, worker, slot);
        return;
    }
    switch (step % 12u) {
    case 0:
    case 1:
    case 2:
    case 3:
        join_step(world, step, worker, slot, channel);
        break;
    case 4:
    case 5:
        world_leave_view(world, worker, slot, channel, (enum world_filter)(step >> 6u));
        break;
    case 6:
        world_message(world, worker, slot, channel, "1");
        break;
    case 7:
        world_message_authenticated(world, worker, slot, channel);
        break;
    case 8:
        private_step(world, step, worker, slot, channel);
        break;
    case 9:
        world_history_view(world, worker, slot, channel, (enum world_filter)(step >> 6u));
        break;
    case 10:
        world_close(world, worker, slot);
        break;
    default:
        other_step(world, step, worker, slot, channel);
        break;
    }
}

/* ---- the database ---- */

static struct rule rule_of(uint8_t bits, uint8_t more)
{
    return (struct rule){
        .anonymous_clients = bits & 1u,
        .public_messaging = bits & 2u,
        .public_auth = (bits & 6u) == 6u,
        .private_messaging = bits & 2u,
        .private_auth = bits & 4u,
        .auth_channel = bits & 4u,
        .presence = bits & 8u,
        .message_history = bits & 16u ? 20 : 0,
        .messages_per_minute = more & 8u ? 3 : 0,
        .authorize = bits & 32u ? (more & 1u ? "auth_a" : "auth_b") : NULL,
        .on_join = bits & 64u ? "hook" : NULL,
        .on_message = bits & 128u ? "hook" : NULL,
        .on_leave = more & 2u ? "hook" : NULL,
        .on_connect = more & 2u ? "hook" : NULL,
        .on_disconnect = more & 2u ? "hook" : NULL,
    };
}

static void rules_step(struct world *world, uint8_t bits, uint8_t more)
{
    struct rule rules[2] = {rule_of(bits, more), rule_of((uint8_t)(bits ^ (more << 3u)), more)};
    rules[1].pattern = "room/1";
    world_rules(world, rules, more > 13 ? 0 : more & 4u ? 2 : 1);
}

static struct world_row row_of(uint8_t bits)
{
    return (struct world_row){.id = 1 + (int)(bits & 3u),
                              .n = (int)(bits >> 2u & 3u),
                              .state = bits & 16u ? 'a' : 'b',
                              .owner = bits & 32u ? 34 : 35,
                              .name = (int)(bits >> 6u) % 3};
}

/* A row of a table that is watched; or what its watch says. */
static void row_step(struct world *world, uint8_t step, uint8_t arg)
{
    struct world_row old = row_of(arg), new = row_of((uint8_t)(arg ^ step));
    unsigned channel = (step >> 6u) & 1u;
    if ((step & 48u) == 48u && arg < 40) {
        world_watch(world, channel, (enum world_visible)(arg % WORLD_VISIBLES), arg > 30);
    } else if ((step & 48u) == 48u && arg < 44) {
        world_unwatch(world, channel);
    } else {
        world_commit_row(world, channel, step & 16u ? &old : NULL,
                         !(step & 16u) || step & 32u ? &new : NULL, arg > 200);
    }
}

static void commit_step(struct world *world, uint8_t arg)
{
    struct audience audience = {
        .kind = (enum audience_kind)(arg >> 5u) % (AUDIENCE_USER + 1u),
        .dbo_id = arg & 4u ? 12 : 13,
        .row_id = STR("34"),
    };
    world_commit_for(world, arg % WORLD_CHANNELS, audience);
}

static void reply_step(struct world *world, uint8_t step, uint8_t arg)
{
    static const enum store_verdict_result results[4] = {
        STORE_VERDICT_DONE, STORE_VERDICT_DONE, STORE_VERDICT_REFUSED, STORE_VERDICT_FAILED};
    world_reply(world, arg & 7u,
                (struct world_reply){.result = results[(arg >> 3u) % 4u],
                                     .is_early = arg & 32u,
                                     .drops = arg & 64u,
                                     .payload = step & 128u ? "2" : NULL});
}

/* What is true changes, and the database says so, as it must. */
static void truth_step(struct world *world, uint8_t step, uint8_t arg)
{
    unsigned channel = arg % WORLD_CHANNELS;
    world_deny(world, step & 16u ? 'a' : 'b', channel,
               (enum world_who)((arg >> 2u) % (unsigned)WHO_COUNT), arg & 128u);
    world_forget(world, step & 32u ? NULL : step & 64u ? "room/*" : world_channel_name(channel));
}

static void disconnect_step(struct world *world, uint8_t step, uint8_t arg)
{
    struct directive directive = {0};
    const char *socket_id = world_known_socket_id(world, arg & 1u, (arg >> 1u) % WORLD_SLOTS);
    if (step & 16u) {
        directive.channel = str_of(world_channel_name((arg >> 5u) % WORLD_CHANNELS));
    }
    if (step & 32u) {
        directive.has_dbo_id = true;
        directive.dbo_id = 12;
        directive.row_id = step & 64u ? STR("34") : (struct str){0};
    } else if (socket_id) {
        directive.socket_id = str_of(socket_id);
    } else {
        return;
    }
    world_disconnect(world, directive);
}

static void road_step(struct world *world, uint8_t arg)
{
    if (arg & 1u) {
        world_down(world);
    } else {
        world_up(world, arg > 250 ? "e2" : "e1");
    }
}

/* What was asked about: a token, or which transactions are over. */
static void answer_step(struct world *world, uint8_t arg)
{
    static const char *const snapshots[] = {"9:9:", "2:9:2,4", "1:1:", "3:5:3"};
    if (arg < 128 || !world_answer_settle(world, snapshots[arg % 4u])) {
        world_answer_token(world, (enum world_who)(arg % (unsigned)WHO_COUNT),
                           arg & 16u ? ERROR_CODE_TOKEN_INVALID : ERROR_CODE_UNAVAILABLE);
    }
}

static void database_step(struct world *world, uint8_t step, uint8_t arg)
{
    switch (step % 16u) {
    case 0:
        commit_step(world, arg);
        break;
    case 1:
        row_step(world, step, arg);
        break;
    case 2:
        world_sequence(world);
        break;
    case 3:
        world_deliver(world);
        break;
    case 4:
        world_answer(world, (arg & 1u) != 0, arg > 230);
        break;
    case 5:
    case 6:
        rules_step(world, arg, step >> 4u);
        break;
    case 7:
        if (arg > 200) {
            world_refuse(world);
        } else if (arg > 190 && world_head(world, arg % WORLD_CHANNELS) > 4) {
            world_trim(world, arg % WORLD_CHANNELS, world_head(world, arg % WORLD_CHANNELS) - 4);
        } else {
            world_drain(world);
        }
        break;
    case 8:
    case 9:
        reply_step(world, step, arg);
        break;
    case 10:
        answer_step(world, arg);
        break;
    case 11:
        world_tick(world, arg * 2u);
        break;
    case 12:
        truth_step(world, step, arg);
        break;
    case 13:
        disconnect_step(world, step, arg);
        break;
    case 14:
        road_step(world, arg);
        break;
    default:
        if (arg & 1u) {
            world_settle(world);
        } else {
            world_flush(world);
        }
        break;
    }
}

/* ---- a script ---- */

static struct world *make_world(uint8_t choice)
{
    struct world *world = world_new_with(&(struct world_options){
        .has_manual_turns = choice & 1u,
        .presence_grace_ms = choice & 2u ? GRACE_MS : 0,
        .authorize_cache_ms = choice & 4u ? 500 : 0,
        .rejects_invalid_tokens = choice & 8u,
        .presence_at_once = choice & 16u ? AT_ONCE : 0,
        .recent_rows = choice & 64u    ? 5
                       : choice & 128u ? 0
                                       : 1000,
        .page_rows = choice & 128u ? 2 : 0,
        .resume_max_rows = choice & 128u ? 7 : 0,
        .max_reads = choice & 64u ? 1 : 0,
    });
    world_rule(world, rule_of(choice & 32u ? 31 : 23, 0));
    world_watch(world, 0, WORLD_OWNER, false);
    world_watch(world, 1, WORLD_EVERYBODY, false);
    return world;
}

/* Each step has another one. */
static void refer(struct world *world, size_t nth)
{
    static char refs[MAX_SIZE][12];
    snprintf(refs[nth], sizeof(refs[nth]), "r%u", (unsigned)nth);
    world_refer(world, refs[nth]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > MAX_SIZE) {
        return 0;
    }
    struct world *world = make_world(data[0]);
    for (size_t i = 1; i + 2 < size; i += 3) {
        if (data[i] & 1u) {
            if (data[i] & 2u) {
                refer(world, i);
            }
            session_step(world, data[i + 1], data[i + 2]);
        } else {
            database_step(world, data[i + 1], data[i + 2]);
        }
    }
    world_up(world, "e1");
    world_rest(world);
    world_check_complete(world);
    world_check_presence(world);
    world_check_rights(world);
    world_check_refs(world);
    world_free(world);
    return 0;
}
