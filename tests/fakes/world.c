/* SPDX-License-Identifier: PostgreSQL */
/* The fake world's life, its sessions and their commands, its rules and its time. */
#include "world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bus/local.h"
#include "world_internal.h"

/* ---- small things ---- */

struct peer *world_peer(struct world *world, unsigned worker, unsigned slot)
{
    assert(worker < WORLD_WORKERS && slot < world->options.slots);
    return &world->peers[worker * world->options.slots + slot];
}

struct peer *world_peer_of(struct world *world, struct session_id id)
{
    struct peer *peer = world_peer(world, id.worker, id.slot);
    return peer->is_open && peer->id.generation == id.generation && !peer->close_code ? peer : NULL;
}

unsigned world_channel_index(struct str name)
{
    if (str_equals(name, EVENT_REREAD_CHANNEL)) {
        return WORLD_CHANNELS;
    }
    assert(name.len == sizeof("room/0") - 1);
    return (unsigned)(name.ptr[name.len - 1] - '0');
}

const char *world_channel_name(unsigned channel)
{
    static const char *const names[WORLD_CHANNELS] = {"room/0", "room/1", "room/2", "room/3"};
    return names[channel];
}

void world_copy(char *to, size_t size, struct str from)
{
    snprintf(to, size, "%.*s", (int)from.len, from.ptr ? from.ptr : "");
}

void *world_grow(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) {
        return array;
    }
    *cap = *cap ? *cap * 2 : 16;
    return mem_array(array, *cap, size);
}

bool world_is_same(const struct identity *a, const struct identity *b)
{
    if (!a || !b) {
        return a == b;
    }
    return a->dbo_id == b->dbo_id && (a->row_id.ptr != NULL) == (b->row_id.ptr != NULL) &&
           str_equals(a->row_id, b->row_id) && str_equals(a->extras, b->extras);
}

bool bits_has(const struct bits *bits, uint32_t i)
{
    return i / 64 < bits->n && (bits->words[i / 64] >> (i % 64) & 1);
}

void bits_set(struct bits *bits, uint32_t i, bool is_in)
{
    if (i / 64 >= bits->n) {
        size_t n = (i / 64 + 1) * 2;
        bits->words = mem_array(bits->words, n, sizeof(*bits->words));
        memset(bits->words + bits->n, 0, (n - bits->n) * sizeof(*bits->words));
        bits->n = n;
    }
    uint64_t bit = UINT64_C(1) << (i % 64);
    bits->words[i / 64] = is_in ? bits->words[i / 64] | bit : bits->words[i / 64] & ~bit;
}

void bits_copy(struct bits *to, const struct bits *from)
{
    to->words = mem_array(to->words, from->n, sizeof(*to->words));
    memcpy(to->words, from->words, from->n * sizeof(*to->words));
    to->n = from->n;
}

bool bits_equal(const struct bits *a, const struct bits *b)
{
    for (size_t i = 0; i < a->n || i < b->n; i++) {
        if ((i < a->n ? a->words[i] : 0) != (i < b->n ? b->words[i] : 0)) {
            return false;
        }
    }
    return true;
}

size_t bits_count(const struct bits *bits)
{
    size_t n = 0;
    for (size_t i = 0; i < bits->n; i++) {
        n += (size_t)__builtin_popcountll(bits->words[i]);
    }
    return n;
}

void bits_release(struct bits *bits)
{
    free(bits->words);
    *bits = (struct bits){0};
}

/* ---- turns and time ---- */

void world_flush(struct world *world)
{
    hub_flush(world->hub);
}

void world_end_step(struct world *world)
{
    if (!world->options.has_manual_turns) {
        world_flush(world);
    }
}

static void tick(struct world *world, uint32_t ms)
{
    world->now_ms += ms;
    hub_tick(world->hub, world->now_ms, UINT64_C(1700000000000) + world->now_ms);
}

void world_tick(struct world *world, uint32_t ms)
{
    tick(world, ms);
    world_end_step(world);
}

void world_settle(struct world *world)
{
    do {
        world_flush(world);
    } while (world_sequence(world) || world_deliver(world) || world_answer(world, false, false) ||
             world_drain(world) || world_answer_token(world, WHO_ANN, ERROR_CODE_TOKEN_INVALID) ||
             world_judge(world, 0, WORLD_JUDGES) ||
             world_reply(world, 0, (struct world_reply){0}) || world_answer_look(world));
}

void world_close_told(struct world *world)
{
    for (uint32_t i = 0; i < world->n_peers; i++) {
        const struct peer *peer = &world->peers[i];
        if (peer->is_open && peer->close_code) {
            world_close(world, peer->id.worker, peer->id.slot);
        }
    }
}

void world_rest(struct world *world)
{
    world_settle(world);
    world_close_told(world);
    /* Leaving lets others go on, who may come to a large channel, whose next news take a while. */
    for (int i = 0; i < 12; i++) {
        world_tick(world, 1000 + world->options.presence_grace_ms);
        world_settle(world);
        world_answer_settle(world, "9999:9999:");
        world_close_told(world);
    }
    world_tick(world, 1000);
}

/* ---- sessions ---- */

static struct command *command_of(struct world *world, unsigned worker, unsigned slot,
                                  enum command_type type, size_t more)
{
    struct command *command = mem_zalloc(sizeof(*command) + more);
    command->type = type;
    command->session = world_peer(world, worker, slot)->id;
    return command;
}

static struct command *command_in(struct world *world, unsigned worker, unsigned slot,
                                  enum command_type type, unsigned channel)
{
    struct command *command = command_of(world, worker, slot, type, 0);
    command->channel = str_of(world_channel_name(channel));
    return command;
}

void world_refer(struct world *world, const char *ref)
{
    world->ref = ref;
}

void world_key(struct world *world, const char *key, const char *by)
{
    world->key = key;
    world->by = by;
}

static void give(struct world *world, struct command *command)
{
    world_note_ref(world, command);
    command->id_key = str_of(world->key);
    command->by = str_of(world->by);
    world->ref = world->key = world->by = NULL;
    hub_command(world->hub, command);
    world_end_step(world);
}

bool world_is_open(struct world *world, unsigned worker, unsigned slot)
{
    return world_peer(world, worker, slot)->is_open;
}

enum world_who world_who_is(struct world *world, unsigned worker, unsigned slot)
{
    return world_peer(world, worker, slot)->who;
}

struct identity *world_identity(struct world *world, enum world_who who)
{
    return world->identities[who];
}

static struct peer *open_peer(struct world *world, unsigned worker, unsigned slot,
                              enum world_who who)
{
    struct peer *peer = world_peer(world, worker, slot);
    assert(!peer->is_open);
    free(peer->notes);
    free(peer->asked);
    *peer = (struct peer){.is_open = true, .who = who, .id = {worker, slot, ++world->generation}};
    peer->on_worker = identity_ref(world->identities[who]);
    return peer;
}

struct session_id world_open_as(struct world *world, unsigned worker, unsigned slot,
                                enum world_who who)
{
    struct peer *peer = open_peer(world, worker, slot, who);
    struct command *command = command_of(world, worker, slot, COMMAND_OPEN, 0);
    command->identity = identity_ref(world->identities[who]);
    give(world, command);
    return peer->id;
}

struct session_id world_open(struct world *world, unsigned worker, unsigned slot)
{
    return world_open_as(world, worker, slot, WHO_ANYBODY);
}

void world_open_refused(struct world *world, unsigned worker, unsigned slot, enum error_code error,
                        const char *why)
{
    open_peer(world, worker, slot, WHO_ANYBODY);
    struct command *command = command_of(world, worker, slot, COMMAND_OPEN, 0);
    command->error = error;
    command->why = why;
    give(world, command);
}

static void refer_else(struct world *world, const char *ref)
{
    world->ref = world->ref ? world->ref : ref;
}

void world_txid(struct world *world, unsigned worker, unsigned slot, uint64_t xid)
{
    struct command *command = command_of(world, worker, slot, COMMAND_TXID, 0);
    refer_else(world, "x");
    command->xid = xid;
    give(world, command);
}

void world_renew(struct world *world, unsigned worker, unsigned slot, enum world_who who)
{
    struct command *command = command_of(world, worker, slot, COMMAND_TOKEN, 0);
    refer_else(world, "t");
    command->identity = identity_ref(world->identities[who]);
    give(world, command);
}

void world_renew_refused(struct world *world, unsigned worker, unsigned slot, enum error_code error,
                         const char *why)
{
    struct command *command = command_of(world, worker, slot, COMMAND_TOKEN, 0);
    refer_else(world, "t");
    command->error = error;
    command->why = why;
    give(world, command);
}

void world_renew_opaque(struct world *world, unsigned worker, unsigned slot)
{
    struct session_id id = world_peer(world, worker, slot)->id;
    struct command *command = command_of(world, worker, slot, COMMAND_TOKEN, sizeof(id));
    refer_else(world, "t");
    memcpy(command->data, &id, sizeof(id));
    command->payload = (struct str){command->data, sizeof(id)};
    give(world, command);
}

void world_open_opaque(struct world *world, unsigned worker, unsigned slot)
{
    struct peer *peer = open_peer(world, worker, slot, WHO_ANYBODY);
    struct command *command = command_of(world, worker, slot, COMMAND_OPEN, sizeof(peer->id));
    memcpy(command->data, &peer->id, sizeof(peer->id));
    command->payload = (struct str){command->data, sizeof(peer->id)};
    give(world, command);
}

void world_close(struct world *world, unsigned worker, unsigned slot)
{
    struct peer *peer = world_peer(world, worker, slot);
    assert(peer->is_open);
    world_drop_peer(peer);
    give(world, command_of(world, worker, slot, COMMAND_CLOSE, 0));
}

void world_join(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                struct world_join how)
{
    struct command *command = command_in(world, worker, slot, COMMAND_JOIN, channel);
    command->wants_history = how.history;
    command->wants_presence = how.presence || how.state;
    command->wants_state = how.state;
    command->has_since = how.has_since;
    command->since_offset = how.since;
    if (how.filter == WORLD_ROWS) {
        command->snapshot = STR("true");
    } else {
        command->filter = str_of(world_filter_text(how.filter));
    }
    unsigned place = channel + WORLD_CHANNELS * (unsigned)how.filter;
    if (how.has_since && how.since < WORLD_MAX_LOG) {
        world_peer(world, worker, slot)->places[place].sinces[how.since / 64] |= UINT64_C(1)
                                                                                 << how.since % 64;
    }
    command->since_epoch = how.other_epoch ? STR("other") : str_of(world->epoch);
    give(world, command);
}

bool world_drain(struct world *world)
{
    for (uint32_t i = 0; i < world->n_peers; i++) {
        struct peer *peer = &world->peers[i];
        if (peer->is_open && peer->owes_drain) {
            peer->owes_drain = false;
            give(world, command_of(world, peer->id.worker, peer->id.slot, COMMAND_DRAINED, 0));
            return true;
        }
    }
    return false;
}

void world_leave(struct world *world, unsigned worker, unsigned slot, unsigned channel)
{
    give(world, command_in(world, worker, slot, COMMAND_LEAVE, channel));
}

void world_set_state(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                     const char *state)
{
    struct command *command = command_in(world, worker, slot, COMMAND_PRESENCE, channel);
    command->payload = str_of(state);
    give(world, command);
}

static void give_in_view(struct world *world, struct command *command, enum world_filter filter)
{
    command->view = filter == WORLD_PLAIN ? (struct str){0} : str_of(world->view_names[filter]);
    give(world, command);
}

void world_leave_view(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                      enum world_filter filter)
{
    give_in_view(world, command_in(world, worker, slot, COMMAND_LEAVE, channel), filter);
}

void world_history_view(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                        enum world_filter filter)
{
    give_in_view(world, command_in(world, worker, slot, COMMAND_HISTORY, channel), filter);
}

void world_message(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                   const char *payload)
{
    struct command *command = command_in(world, worker, slot, COMMAND_MESSAGE, channel);
    command->payload = str_of(payload);
    give(world, command);
}

void world_message_authenticated(struct world *world, unsigned worker, unsigned slot,
                                 unsigned channel)
{
    struct command *command = command_in(world, worker, slot, COMMAND_MESSAGE, channel);
    command->payload = STR("A");
    command->is_authenticated = true;
    give(world, command);
}

void world_message_private(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                           const char *socket_id)
{
    struct command *command = command_of(world, worker, slot, COMMAND_MESSAGE, strlen(socket_id));
    command->channel = str_of(world_channel_name(channel));
    command->payload = STR("\"psst\"");
    memcpy(command->data, socket_id, strlen(socket_id));
    command->socket_id = (struct str){command->data, strlen(socket_id)};
    give(world, command);
}

void world_message_to(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                      enum world_who who)
{
    const struct identity *identity = world->identities[who];
    struct command *command = command_in(world, worker, slot, COMMAND_MESSAGE, channel);
    command->payload = STR("\"psst\"");
    command->has_to = true;
    command->to_dbo_id = identity->dbo_id;
    command->to_row_id = identity->row_id;
    give(world, command);
}

void world_history(struct world *world, unsigned worker, unsigned slot, unsigned channel)
{
    give(world, command_in(world, worker, slot, COMMAND_HISTORY, channel));
}

void world_history_of(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                      const char *socket_id)
{
    struct command *command = command_in(world, worker, slot, COMMAND_HISTORY, channel);
    command->socket_id = str_of(socket_id);
    give(world, command);
}

void world_ping(struct world *world, unsigned worker, unsigned slot)
{
    give(world, command_of(world, worker, slot, COMMAND_PING, 0));
}

void world_invalid(struct world *world, unsigned worker, unsigned slot)
{
    struct command *command = command_of(world, worker, slot, COMMAND_INVALID, 0);
    command->error = ERROR_CODE_BAD_JSON;
    give(world, command);
}

/* ---- what came of it ---- */

size_t world_received(struct world *world, unsigned worker, unsigned slot,
                      const struct note **notes)
{
    const struct peer *peer = world_peer(world, worker, slot);
    *notes = peer->notes;
    return peer->n_notes;
}

void world_take(struct world *world, unsigned worker, unsigned slot)
{
    world_peer(world, worker, slot)->n_notes = 0;
}

const char *world_kinds(struct world *world, unsigned worker, unsigned slot)
{
    static const char letters[] = "JLEMHOFURPXTS";
    const struct peer *peer = world_peer(world, worker, slot);
    size_t n = 0;
    for (; n < peer->n_notes && n + 1 < sizeof(world->kinds); n++) {
        world->kinds[n] = letters[peer->notes[n].kind];
    }
    world->kinds[n] = '\0';
    return world->kinds;
}

struct note world_last(struct world *world, unsigned worker, unsigned slot)
{
    const struct peer *peer = world_peer(world, worker, slot);
    assert(peer->n_notes > 0);
    return peer->notes[peer->n_notes - 1];
}

const char *world_socket_id(struct world *world, unsigned worker, unsigned slot)
{
    const struct peer *peer = world_peer(world, worker, slot);
    assert(peer->self);
    return peer->self->socket;
}

const char *world_known_socket_id(struct world *world, unsigned worker, unsigned slot)
{
    const struct peer *peer = world_peer(world, worker, slot);
    return peer->is_open && peer->self ? peer->self->socket : NULL;
}

unsigned world_close_code(struct world *world, unsigned worker, unsigned slot)
{
    return world_peer(world, worker, slot)->close_code;
}

const struct world_stats *world_stats(struct world *world)
{
    return &world->stats;
}

/* ---- the site ---- */

static struct site *copy_site(struct world *world, const struct rule *rules, size_t n)
{
    struct site *site = mem_zalloc(sizeof(*site));
    site->version = world->version;
    site->is_enabled = true;
    site->n_rules = n;
    site->rules = mem_array(NULL, n, sizeof(*site->rules));
    for (size_t i = 0; i < n; i++) {
        struct rule *rule = &site->rules[i];
        *rule = rules[i];
        rule->pattern = mem_strdup(rules[i].pattern ? rules[i].pattern : "room/*");
        rule->authorize = mem_strdup(rules[i].authorize);
        rule->on_join = mem_strdup(rules[i].on_join);
        rule->on_message = mem_strdup(rules[i].on_message);
        rule->on_leave = mem_strdup(rules[i].on_leave);
        rule->on_connect = mem_strdup(rules[i].on_connect);
        rule->on_disconnect = mem_strdup(rules[i].on_disconnect);
    }
    world_fill_watches(world, site);
    return site;
}

void world_tell_site(struct world *world)
{
    world->sink.on_site(world->sink.ctx,
                        copy_site(world, world->site->rules, world->site->n_rules));
    world_end_step(world);
}

/* A list that was sent while the rule listed members is void once it does not. */
static void void_lists(struct world *world)
{
    for (unsigned c = 0; c < WORLD_CHANNELS; c++) {
        const struct rule *rule = site_rule(world->site, str_of(world_channel_name(c)));
        for (uint32_t i = 0; i < world->n_peers && !(rule && rule->presence); i++) {
            world->peers[i].places[c].has_list = false;
        }
    }
}

void world_rules(struct world *world, const struct rule *rules, size_t n)
{
    site_free(world->site);
    world->site = copy_site(world, rules, n);
    world->sink.on_site(world->sink.ctx, copy_site(world, rules, n));
    void_lists(world);
    world_end_step(world);
}

void world_switch_off(struct world *world)
{
    struct site *site = copy_site(world, world->site->rules, world->site->n_rules);
    site->is_enabled = false;
    world->sink.on_site(world->sink.ctx, site);
    world_end_step(world);
}

void world_rule(struct world *world, struct rule rule)
{
    world_rules(world, &rule, 1);
}

void world_site(struct world *world, uint32_t message_history, bool anonymous, bool messaging)
{
    world_rule(world, (struct rule){.anonymous_clients = anonymous,
                                    .public_messaging = messaging,
                                    .public_auth = !anonymous,
                                    .message_history = message_history});
}

void world_up(struct world *world, const char *epoch)
{
    snprintf(world->epoch, sizeof(world->epoch), "%s", epoch);
    world->is_up = true;
    world->sink.on_up(world->sink.ctx, str_of(world->epoch));
    world_end_step(world);
}

void world_down(struct world *world)
{
    world->is_up = false;
    world_release_sql(world); /* an unlogged table, after a crash */
    world->sink.on_down(world->sink.ctx, "it is away");
}

/* ---- life ---- */

static void make_identities(struct world *world)
{
    world->identities[WHO_ANN] = identity_new(12, STR("34"), STR("{\"name\":\"Ann\"}"), 0);
    world->identities[WHO_BEN] = identity_new(12, STR("35"), (struct str){0}, 0);
    world->identities[WHO_CLEO] = identity_new(13, STR("34"), (struct str){0}, 0);
    world->identities[WHO_TABLE] = identity_new(12, (struct str){0}, (struct str){0}, 0);
    world->identities[WHO_ANN_NEW] = identity_new(12, STR("34"), STR("{\"name\":\"Anna\"}"), 0);
}

static void set_defaults(struct world_options *options)
{
    options->slots = options->slots ? options->slots : WORLD_SLOTS;
    options->max_channels = options->max_channels ? options->max_channels : 3;
    options->max_held = options->max_held ? options->max_held : 8;
    options->page_rows = options->page_rows ? options->page_rows : WORLD_MAX_LOG;
    options->resume_max_rows = options->resume_max_rows ? options->resume_max_rows : WORLD_MAX_LOG;
    options->max_reads = options->max_reads ? options->max_reads : 1000;
    options->max_waiting = options->max_waiting ? options->max_waiting : WORLD_MAX_LOG;
    options->max_waiting_bytes =
        options->max_waiting_bytes ? options->max_waiting_bytes : HUB_MAX_WAITING_BYTES;
    options->snapshot_reads =
        options->snapshot_reads ? options->snapshot_reads : HUB_SNAPSHOT_READS;
    options->snapshot_queue =
        options->snapshot_queue ? options->snapshot_queue : HUB_SNAPSHOT_QUEUE;
    options->presence_at_once =
        options->presence_at_once ? options->presence_at_once : HUB_PRESENCE_AT_ONCE;
}

static struct hub *make_hub(struct world *world)
{
    world->transport = world_transport(world);
    world->store = (struct store){
        .log = {.ctx = world,
                .read = world_fake_read,
                .append = world_fake_append,
                .settle = world_fake_settle},
        .functions = {world, world_fake_call, world_fake_check_token},
        .presence = {world, world_fake_presence},
        .judges = {world, world_fake_judge},
        .snapshots = {world, world_fake_read_rows},
    };
    struct hub_options options = {
        .n_workers = WORLD_WORKERS,
        .protocol = &world_protocol,
        .transport = &world->transport,
        .store = &world->store,
        .bus = world->options.bus ? world_bus_enter(world->options.bus, world, &world->node)
                                  : &bus_local,
        .counts = metrics_block(world->metrics, 0),
        .node_id = world_bus_id(world->node),
        .max_channels = world->options.max_channels,
        .max_held = world->options.max_held,
        .max_held_bytes = 1 << 20,
        .max_invalid = 3,
        .anonymous_role = "anybody",
        .rejects_invalid_tokens = world->options.rejects_invalid_tokens,
        .authorize_cache_ms = world->options.authorize_cache_ms,
        .presence_grace_ms = world->options.presence_grace_ms,
        .presence_at_once = world->options.presence_at_once,
        .max_user_sessions = world->options.max_user_sessions,
        .max_channel_members = world->options.max_channel_members,
        .max_open_channels = world->options.max_open_channels,
        .max_held_total_bytes = world->options.max_held_total_bytes,
        .channel_messages = {.n = world->options.channel_messages,
                             .period_ms = 1000,
                             .burst = world->options.channel_messages},
        .recent_bytes = UINT32_MAX,
        .recent_rows = world->options.recent_rows,
        .resume_max_rows = world->options.resume_max_rows,
        .page_rows = world->options.page_rows,
        .page_bytes = UINT32_MAX,
        .max_reads = world->options.max_reads,
        .max_waiting = world->options.max_waiting,
        .max_waiting_bytes = world->options.max_waiting_bytes,
        .snapshot_reads = world->options.snapshot_reads,
        .snapshot_queue = world->options.snapshot_queue,
    };
    world->hub_options = options;
    return hub_new(&options);
}

struct world *world_new_with(const struct world_options *options)
{
    struct world *world = mem_zalloc(sizeof(*world));
    world->options = *options;
    set_defaults(&world->options);
    world->n_peers = WORLD_WORKERS * world->options.slots;
    world->peers = mem_zalloc(world->n_peers * sizeof(*world->peers));
    make_identities(world);
    world_start_rows(world);
    world->metrics = metrics_new(1);
    world->hub = make_hub(world);
    world->sink = hub_sink(world->hub);
    if (world->options.bus) {
        world_bus_open(world->options.bus, world->node, hub_bus_sink(world->hub));
    }
    tick(world, 1000);
    world_site(world, 100, true, true);
    world_up(world, "e1");
    return world;
}

struct world *world_new(void)
{
    return world_new_with(&(struct world_options){0});
}

uint64_t world_count(const struct world *world, unsigned cell)
{
    return atomic_load(&metrics_block(world->metrics, 0)->cells[cell]);
}

struct hub *world_hub(struct world *world)
{
    return world->hub;
}

void world_set_grace(struct world *world, uint32_t presence_grace_ms)
{
    world->hub_options.presence_grace_ms = presence_grace_ms;
    hub_set_options(world->hub, &world->hub_options);
}

/* As a store that stops: whatever is asked is answered, as failed. */
static void fail_all(struct world *world)
{
    while (world_answer(world, false, true) ||
           world_answer_token(world, WHO_ANYBODY, ERROR_CODE_UNAVAILABLE) ||
           world_judge(world, 0, WORLD_FAILS) || world_answer_settle(world, NULL) ||
           world_reply(world, 0, (struct world_reply){.result = STORE_VERDICT_FAILED})) {
    }
    world_end_snapshots(world);
    for (size_t i = 0; i < world->n_appends; i++) {
        event_unref(world->appends[i].event);
    }
}

static void free_entries(struct world *world)
{
    HASH_CLEAR(hh, world->entries);
    for (uint32_t i = 0; i < world->n_entries; i++) {
        free(world->by_number[i]);
    }
    free(world->by_number);
}

void world_free(struct world *world)
{
    for (uint32_t i = 0; i < world->n_peers; i++) {
        if (world->peers[i].is_open) {
            world_close(world, world->peers[i].id.worker, world->peers[i].id.slot);
        }
        free(world->peers[i].notes);
        free(world->peers[i].asked);
    }
    fail_all(world);
    hub_free(world->hub);
    metrics_free(world->metrics);
    if (world->options.bus) {
        world_bus_leave(world->options.bus, world->node);
    }
    for (size_t i = 0; i < world->n_log; i++) {
        event_unref(world->log[i]);
    }
    for (unsigned who = 0; who < WHO_COUNT; who++) {
        identity_unref(world->identities[who]);
    }
    free_entries(world);
    frame_unref(world->newest_full);
    bits_release(&world->newest_list);
    world_release_sql(world);
    site_free(world->site);
    world_release_rows(world);
    world_release_judgings(world);
    free(world->reads);
    free(world->calls);
    free(world->tokens);
    free(world->peers);
    free(world);
}
