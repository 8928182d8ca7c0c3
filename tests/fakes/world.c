/* SPDX-License-Identifier: PostgreSQL */
/* The oracle is small on purpose: after a join's acknowledgement with head H, the durable events
 * that a session gets on that channel must be H+1, H+2, … without hole or repetition (a resumed
 * join first replays since+1 … H). Whatever the hub does wrong with holds, heads or reads breaks
 * that, and an assert fires at the very frame. */
#include "world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define MAX_SUBS 8

struct sub {
    uint32_t number;
    bool is_held;
    uint64_t skip_to;
    struct frame *waiting[256];
    size_t n_waiting;
};

struct peer { /* one session, with its worker's part and its oracle */
    struct session_id id;
    bool is_open;
    unsigned close_code;
    struct sub subs[MAX_SUBS];
    size_t n_subs;
    struct note *notes;
    size_t n_notes, cap_notes;
    bool is_member[WORLD_CHANNELS];
    uint64_t position[WORLD_CHANNELS];   /* newest offset the session knows */
    bool owes_history[WORLD_CHANNELS];   /* an answer skipped events: a history must follow */
    uint64_t replay_end[WORLD_CHANNELS]; /* head of a resumed join */
    uint64_t replay_at[WORLD_CHANNELS];  /* newest replayed offset, 0: none yet */
};

struct read {
    struct store_query query;
    char channel[16], epoch[16];
    size_t log_len; /* when it was asked */
    store_answer_fn *done;
    void *arg;
};

struct append {
    struct event *event;
    struct session_id sender;
};

struct world {
    struct hub *hub;
    struct store_sink sink;
    struct store store;
    struct transport transport;
    char epoch[16];
    struct peer peers[WORLD_WORKERS][WORLD_SLOTS];
    uint32_t generation;
    struct event *log[WORLD_MAX_LOG];
    struct session_id senders[WORLD_MAX_LOG]; /* generation 0: not a message */
    size_t n_log, n_delivered;
    uint64_t heads[WORLD_CHANNELS];
    struct read reads[1024];
    size_t n_reads;
    struct append appends[1024];
    size_t n_appends;
};

static unsigned channel_index(const char *name)
{
    return (unsigned)(name[strlen(name) - 1] - '0');
}

const char *world_channel_name(unsigned channel)
{
    static const char *const names[WORLD_CHANNELS] = {"room/0", "room/1", "room/2", "room/3"};
    return names[channel];
}

/* ---- protocol ---- */

static void copy_text(char *to, size_t size, struct str from)
{
    snprintf(to, size, "%.*s", (int)from.len, from.ptr ? from.ptr : "");
}

static struct frame *frame_of(struct note note, struct str channel)
{
    copy_text(note.channel, sizeof(note.channel), channel);
    struct frame *frame = frame_new(sizeof(note), NULL);
    memcpy(frame->bytes, &note, sizeof(note));
    return frame;
}

static void fake_client(struct str socket_id, const struct identity *identity, void *out)
{
    (void)identity;
    buf_str(out, socket_id);
}

static struct frame *fake_event(const struct event *event, bool is_replayed)
{
    struct note note = {
        .kind = event->f.action == EVENT_ACTION_EVENT ? NOTE_EVENT : NOTE_MESSAGE,
        .offset = event->f.offset,
        .is_replayed = is_replayed,
    };
    copy_text(note.payload, sizeof(note.payload), event->f.payload);
    struct frame *frame = frame_of(note, event->f.channel);
    frame->offset = event->f.offset;
    return frame;
}

static struct frame *fake_joined(const struct protocol_joined *joined)
{
    return frame_of((struct note){.kind = NOTE_JOINED,
                                  .offset = joined->offset,
                                  .is_resumed = joined->is_resumed,
                                  .is_gap = joined->is_gap},
                    joined->channel);
}

static struct frame *fake_left(struct str channel)
{
    return frame_of((struct note){.kind = NOTE_LEFT}, channel);
}

static struct frame *fake_history(struct str channel, struct event *const *events, size_t n)
{
    struct note note = {.kind = NOTE_HISTORY, .n = n};
    if (n > 0) {
        note.first = events[0]->f.offset;
        note.last = events[n - 1]->f.offset;
        assert(note.last - note.first + 1 == n);
    }
    return frame_of(note, channel);
}

static struct frame *fake_error(struct str channel, enum error_code code, const char *text)
{
    (void)text;
    return frame_of((struct note){.kind = NOTE_ERROR, .code = code}, channel);
}

static const struct protocol fake_protocol = {
    .name = "fake",
    .client = fake_client,
    .event = fake_event,
    .joined = fake_joined,
    .left = fake_left,
    .history = fake_history,
    .error = fake_error,
};

/* ---- workers ---- */

static struct peer *peer_of(struct world *world, struct session_id id)
{
    struct peer *peer = &world->peers[id.worker][id.slot];
    return peer->is_open && peer->id.generation == id.generation && !peer->close_code ? peer : NULL;
}

static void check_durable(struct peer *peer, const struct note *note)
{
    unsigned c = channel_index(note->channel);
    assert(peer->is_member[c]);
    if (note->is_replayed) {
        assert(peer->replay_at[c] == 0 || note->offset == peer->replay_at[c] + 1);
        assert(note->offset <= peer->replay_end[c]);
        peer->replay_at[c] = note->offset;
    } else {
        assert(peer->replay_at[c] == 0 || peer->replay_at[c] == peer->replay_end[c]);
        assert(note->offset == peer->position[c] + 1);
        peer->position[c] = note->offset;
    }
}

static void receive(struct peer *peer, const struct frame *frame)
{
    struct note note;
    memcpy(&note, frame->bytes, sizeof(note));
    if (peer->n_notes == peer->cap_notes) {
        peer->cap_notes = peer->cap_notes ? peer->cap_notes * 2 : 64;
        peer->notes = mem_array(peer->notes, peer->cap_notes, sizeof(note));
    }
    peer->notes[peer->n_notes++] = note;
    unsigned c = note.channel[0] ? channel_index(note.channel) : 0;
    if (peer->owes_history[c] && note.kind != NOTE_ERROR) {
        assert(note.kind == NOTE_HISTORY && note.last == peer->position[c]);
        peer->owes_history[c] = false;
    }
    assert(note.kind != NOTE_HISTORY || peer->is_member[c]);
    if (note.kind == NOTE_JOINED) {
        assert(!peer->is_member[c] || note.is_resumed || note.is_gap ||
               note.offset >= peer->position[c]);
        peer->owes_history[c] = peer->is_member[c] && !note.is_resumed && !note.is_gap &&
                                note.offset > peer->position[c];
        peer->is_member[c] = true;
        peer->position[c] = note.offset;
        peer->replay_end[c] = note.is_resumed ? note.offset : 0;
        peer->replay_at[c] = 0;
    } else if (note.kind == NOTE_ERROR && note.code == ERROR_CODE_REMOVED) {
        peer->is_member[c] = peer->owes_history[c] = false;
    } else if (note.kind == NOTE_LEFT) {
        peer->is_member[c] = false;
    } else if (note.offset > 0) {
        check_durable(peer, &note);
    }
}

static void fake_send(void *ctx, struct session_id to, struct frame *frame)
{
    struct peer *peer = peer_of(ctx, to);
    if (peer) {
        receive(peer, frame);
    }
}

static struct sub *find_sub(struct peer *peer, uint32_t number)
{
    for (size_t i = 0; i < peer->n_subs; i++) {
        if (peer->subs[i].number == number) {
            return &peer->subs[i];
        }
    }
    return NULL;
}

static void pass(struct peer *peer, struct sub *sub, struct frame *frame)
{
    if (frame->offset == 0 || frame->offset > sub->skip_to) {
        receive(peer, frame);
    }
}

static void fake_publish(void *ctx, uint32_t worker, uint32_t channel, struct frame *frame)
{
    struct world *world = ctx;
    for (unsigned slot = 0; slot < WORLD_SLOTS; slot++) {
        struct peer *peer = &world->peers[worker][slot];
        struct sub *sub = peer->is_open && !peer->close_code ? find_sub(peer, channel) : NULL;
        if (sub && sub->is_held) {
            assert(sub->n_waiting < sizeof(sub->waiting) / sizeof(sub->waiting[0]));
            sub->waiting[sub->n_waiting++] = frame_ref(frame);
        } else if (sub) {
            pass(peer, sub, frame);
        }
    }
}

static void fake_attach(void *ctx, struct session_id session, uint32_t channel, bool is_held)
{
    struct peer *peer = peer_of(ctx, session);
    if (peer) {
        assert(!find_sub(peer, channel) && peer->n_subs < MAX_SUBS);
        peer->subs[peer->n_subs++] = (struct sub){.number = channel, .is_held = is_held};
    }
}

static void drop_sub(struct peer *peer, struct sub *sub)
{
    for (size_t i = 0; i < sub->n_waiting; i++) {
        frame_unref(sub->waiting[i]);
    }
    *sub = peer->subs[--peer->n_subs];
}

static void fake_release(void *ctx, struct session_id session, uint32_t channel, uint64_t skip_to,
                         bool wants_presence)
{
    (void)wants_presence;
    struct peer *peer = peer_of(ctx, session);
    if (!peer) {
        return;
    }
    struct sub *sub = find_sub(peer, channel);
    assert(sub);
    if (!sub->is_held) {
        return;
    }
    sub->is_held = false;
    sub->skip_to = skip_to;
    for (size_t i = 0; i < sub->n_waiting; i++) {
        pass(peer, sub, sub->waiting[i]);
        frame_unref(sub->waiting[i]);
    }
    sub->n_waiting = 0;
}

static void fake_detach(void *ctx, struct session_id session, uint32_t channel)
{
    struct peer *peer = peer_of(ctx, session);
    if (peer) {
        struct sub *sub = find_sub(peer, channel);
        assert(sub);
        drop_sub(peer, sub);
    }
}

static void fake_close(void *ctx, struct session_id session, uint16_t code, const char *reason)
{
    (void)reason;
    struct peer *peer = peer_of(ctx, session);
    if (peer) {
        peer->close_code = code;
    }
}

static void fake_gate(void *ctx, struct site_gate *gate)
{
    (void)ctx, (void)gate;
}

static void fake_close_all(void *ctx, uint16_t code, const char *reason, uint32_t spread_ms)
{
    (void)reason, (void)spread_ms;
    struct world *world = ctx;
    for (unsigned i = 0; i < WORLD_WORKERS * WORLD_SLOTS; i++) {
        struct peer *peer = &world->peers[i / WORLD_SLOTS][i % WORLD_SLOTS];
        if (peer->is_open && !peer->close_code) {
            peer->close_code = code;
        }
    }
}

static void fake_flush(void *ctx)
{
    (void)ctx;
}

/* ---- store ---- */

static void fake_read(void *ctx, const struct store_query *query, store_answer_fn *done, void *arg)
{
    struct world *world = ctx;
    assert(world->n_reads < sizeof(world->reads) / sizeof(world->reads[0]));
    struct read *read = &world->reads[world->n_reads++];
    *read = (struct read){.query = *query, .log_len = world->n_log, .done = done, .arg = arg};
    copy_text(read->channel, sizeof(read->channel), query->channel);
    copy_text(read->epoch, sizeof(read->epoch), query->since_epoch);
}

static bool fake_append(void *ctx, struct event *message, struct session_id sender)
{
    struct world *world = ctx;
    if (world->n_appends == sizeof(world->appends) / sizeof(world->appends[0])) {
        return false;
    }
    world->appends[world->n_appends++] = (struct append){event_ref(message), sender};
    return true;
}

static void add_to_log(struct world *world, struct event_fields fields, struct session_id sender)
{
    if (world->n_log == WORLD_MAX_LOG) {
        return;
    }
    unsigned c = (unsigned)(fields.channel.ptr[fields.channel.len - 1] - '0');
    fields.id = world->n_log + 1;
    fields.offset = ++world->heads[c];
    fields.at = STR("2026-01-01T00:00:00.000Z");
    world->senders[world->n_log] = sender;
    world->log[world->n_log++] = event_new(&fields);
}

void world_commit(struct world *world, unsigned channel)
{
    add_to_log(world,
               (struct event_fields){.action = EVENT_ACTION_EVENT,
                                     .channel = str_of(world_channel_name(channel)),
                                     .payload = STR("{}")},
               (struct session_id){0});
}

static struct append take_append(struct world *world)
{
    struct append append = world->appends[0];
    memmove(world->appends, world->appends + 1, --world->n_appends * sizeof(append));
    return append;
}

bool world_sequence(struct world *world)
{
    if (world->n_appends == 0 || world->n_log == WORLD_MAX_LOG) {
        return false;
    }
    struct append append = take_append(world);
    add_to_log(world, append.event->f, append.sender);
    event_unref(append.event);
    return true;
}

bool world_refuse(struct world *world)
{
    /* Answers keep the sender's order: a refusal may not overtake a message that is sequenced but
     * not delivered. */
    if (world->n_appends == 0 || world->n_delivered < world->n_log) {
        return false;
    }
    struct append append = take_append(world);
    world->sink.on_append_failed(world->sink.ctx, append.sender, append.event->f.channel);
    event_unref(append.event);
    return true;
}

bool world_deliver(struct world *world)
{
    if (world->n_delivered == world->n_log) {
        return false;
    }
    size_t i = world->n_delivered++;
    world->sink.on_event(world->sink.ctx, world->log[i]);
    if (world->senders[i].generation) {
        world->sink.on_append_done(world->sink.ctx, world->senders[i]);
    }
    return true;
}

static void fill_answer(struct world *world, const struct read *read, size_t log_len,
                        struct store_answer *answer, struct event **rows)
{
    size_t n = 0;
    for (size_t i = 0; i < log_len; i++) {
        if (str_equals(world->log[i]->f.channel, str_of(read->channel))) {
            rows[n++] = world->log[i];
        }
    }
    answer->epoch = str_of(world->epoch);
    answer->head = n;
    answer->events = rows;
    if (read->query.kind == STORE_READ_LAST) {
        size_t keep = n < read->query.limit ? n : read->query.limit;
        answer->events = rows + (n - keep);
        answer->n_events = keep;
    } else if (read->query.kind == STORE_READ_SINCE) {
        answer->is_gap = strcmp(read->epoch, world->epoch) != 0 || read->query.since_offset > n;
        if (!answer->is_gap) {
            answer->events = rows + read->query.since_offset;
            answer->n_events = n - read->query.since_offset;
        }
    }
}

bool world_answer(struct world *world, bool is_early, bool is_failed)
{
    if (world->n_reads == 0) {
        return false;
    }
    struct read read = world->reads[0];
    memmove(world->reads, world->reads + 1, --world->n_reads * sizeof(read));
    struct store_answer answer = {.is_failed = is_failed};
    static struct event *rows[WORLD_MAX_LOG];
    if (!is_failed) {
        fill_answer(world, &read, is_early ? read.log_len : world->n_log, &answer, rows);
    }
    read.done(read.arg, &answer);
    return true;
}

void world_settle(struct world *world)
{
    while (world_sequence(world) || world_deliver(world) || world_answer(world, false, false)) {
    }
    hub_flush(world->hub);
}

/* ---- sessions ---- */

static struct command *command_of(struct world *world, unsigned worker, unsigned slot,
                                  enum command_type type)
{
    struct command *command = mem_zalloc(sizeof(*command));
    command->type = type;
    command->session = world->peers[worker][slot].id;
    return command;
}

bool world_is_open(struct world *world, unsigned worker, unsigned slot)
{
    return world->peers[worker][slot].is_open;
}

struct session_id world_open(struct world *world, unsigned worker, unsigned slot)
{
    struct peer *peer = &world->peers[worker][slot];
    assert(!peer->is_open);
    free(peer->notes);
    *peer = (struct peer){.is_open = true, .id = {worker, slot, ++world->generation}};
    hub_command(world->hub, command_of(world, worker, slot, COMMAND_OPEN));
    return peer->id;
}

void world_close(struct world *world, unsigned worker, unsigned slot)
{
    struct peer *peer = &world->peers[worker][slot];
    assert(peer->is_open);
    while (peer->n_subs > 0) {
        drop_sub(peer, &peer->subs[0]);
    }
    peer->is_open = false;
    hub_command(world->hub, command_of(world, worker, slot, COMMAND_CLOSE));
}

void world_join(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                struct world_join how)
{
    struct command *command = command_of(world, worker, slot, COMMAND_JOIN);
    command->channel = str_of(world_channel_name(channel));
    command->wants_history = how.history;
    command->has_since = how.has_since;
    command->since_offset = how.since;
    command->since_epoch = how.other_epoch ? STR("other") : str_of(world->epoch);
    hub_command(world->hub, command);
}

void world_leave(struct world *world, unsigned worker, unsigned slot, unsigned channel)
{
    struct command *command = command_of(world, worker, slot, COMMAND_LEAVE);
    command->channel = str_of(world_channel_name(channel));
    hub_command(world->hub, command);
}

void world_message(struct world *world, unsigned worker, unsigned slot, unsigned channel,
                   const char *payload)
{
    struct command *command = command_of(world, worker, slot, COMMAND_MESSAGE);
    command->channel = str_of(world_channel_name(channel));
    command->payload = str_of(payload);
    hub_command(world->hub, command);
}

void world_history(struct world *world, unsigned worker, unsigned slot, unsigned channel)
{
    struct command *command = command_of(world, worker, slot, COMMAND_HISTORY);
    command->channel = str_of(world_channel_name(channel));
    hub_command(world->hub, command);
}

void world_invalid(struct world *world, unsigned worker, unsigned slot)
{
    struct command *command = command_of(world, worker, slot, COMMAND_INVALID);
    command->error = ERROR_CODE_BAD_JSON;
    hub_command(world->hub, command);
}

size_t world_received(struct world *world, unsigned worker, unsigned slot,
                      const struct note **notes)
{
    *notes = world->peers[worker][slot].notes;
    return world->peers[worker][slot].n_notes;
}

void world_take(struct world *world, unsigned worker, unsigned slot)
{
    world->peers[worker][slot].n_notes = 0;
}

unsigned world_close_code(struct world *world, unsigned worker, unsigned slot)
{
    return world->peers[worker][slot].close_code;
}

uint64_t world_head(struct world *world, unsigned channel)
{
    return world->heads[channel];
}

void world_check_complete(struct world *world)
{
    for (unsigned i = 0; i < WORLD_WORKERS * WORLD_SLOTS; i++) {
        const struct peer *peer = &world->peers[i / WORLD_SLOTS][i % WORLD_SLOTS];
        for (unsigned c = 0; peer->is_open && !peer->close_code && c < WORLD_CHANNELS; c++) {
            assert(!peer->is_member[c] || peer->position[c] == world->heads[c]);
            assert(!peer->owes_history[c]);
        }
    }
}

/* ---- life ---- */

void world_site(struct world *world, uint32_t message_history, bool anonymous, bool messaging)
{
    struct site *site = mem_zalloc(sizeof(*site));
    site->is_enabled = true;
    site->n_rules = 1;
    site->rules = mem_zalloc(sizeof(*site->rules));
    site->rules[0] = (struct rule){
        .pattern = mem_strdup("room/*"),
        .anonymous_clients = anonymous,
        .public_messaging = messaging,
        .public_auth = !anonymous,
        .message_history = message_history,
    };
    world->sink.on_site(world->sink.ctx, site);
}

void world_up(struct world *world, const char *epoch)
{
    snprintf(world->epoch, sizeof(world->epoch), "%s", epoch);
    world->sink.on_up(world->sink.ctx, str_of(world->epoch));
}

struct world *world_new(void)
{
    struct world *world = mem_zalloc(sizeof(*world));
    world->transport = (struct transport){
        .ctx = world,
        .send = fake_send,
        .publish = fake_publish,
        .attach = fake_attach,
        .release = fake_release,
        .detach = fake_detach,
        .close = fake_close,
        .gate = fake_gate,
        .close_all = fake_close_all,
        .flush = fake_flush,
    };
    world->store = (struct store){.ctx = world, .read = fake_read, .append = fake_append};
    struct hub_options options = {
        .n_workers = WORLD_WORKERS,
        .protocol = &fake_protocol,
        .transport = &world->transport,
        .store = &world->store,
        .max_channels = 3,
        .max_held = 8,
        .max_held_bytes = 1 << 20,
        .max_invalid = 3,
    };
    world->hub = hub_new(&options);
    world->sink = hub_sink(world->hub);
    world_site(world, 100, true, true);
    world_up(world, "e1");
    return world;
}

struct hub *world_hub(struct world *world)
{
    return world->hub;
}

void world_free(struct world *world)
{
    for (unsigned i = 0; i < WORLD_WORKERS * WORLD_SLOTS; i++) {
        if (world->peers[i / WORLD_SLOTS][i % WORLD_SLOTS].is_open) {
            world_close(world, i / WORLD_SLOTS, i % WORLD_SLOTS);
        }
    }
    while (world_answer(world, false, true)) {
    }
    for (size_t i = 0; i < world->n_appends; i++) {
        event_unref(world->appends[i].event);
    }
    for (unsigned i = 0; i < WORLD_WORKERS * WORLD_SLOTS; i++) {
        free(world->peers[i / WORLD_SLOTS][i % WORLD_SLOTS].notes);
    }
    hub_free(world->hub);
    for (size_t i = 0; i < world->n_log; i++) {
        event_unref(world->log[i]);
    }
    free(world);
}
