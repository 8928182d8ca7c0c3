/* SPDX-License-Identifier: PostgreSQL */
/* Fan-out without a machine's moods: decoder, hub, encoder, subscribers, out-queues and bursts as they
 * are in the server, on one thread, with a script; only the last call, lws_write, is ours and takes
 * everything at once. Under callgrind the instructions are the same at each run (to a few per
 * thousand: hash keys are random), so a change that makes a delivery dearer is seen where a time
 * would not show it. The kernel's work is not in it, nor are the hub's mailbox and the wake-ups,
 * which cost per turn and not per delivery.
 *
 *   instructions CASE     prints the deliveries made inside of measured(), which callgrind counts
 *
 * It checks what it measures: every byte that should have been written was, and no more. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "bus/local.h"
#include "core/hub/hub.h"
#include "net/session/session.h"
#include "net/socket/output.h"
#include "net/socket/socket.h"
#include "net/worker/orders.h"
#include "net/worker/worker.h"
#include "proto/xano.h"

struct rig {
    struct net_shared shared;
    struct net_settings settings;
    struct worker worker;
    struct transport transport;
    struct store store;
    struct hub *hub;
    struct store_sink sink;
    struct socket **sockets;
    char (*names)[16], (*texts)[128]; /* per channel: its name, and what its sender says */
    store_answer_fn *read_done;       /* a read under way */
    void *read_arg;
    uint64_t next_id;
};

struct script {
    const char *name;
    uint32_t channels, members; /* per channel */
    uint32_t turns, per_turn;   /* messages per channel and turn */
    bool is_durable;            /* events from the log, not messages of the first member */
    bool is_by_channel;         /* a turn has all of one channel, then all of the next */
};

static const struct script scripts[] = {
    {.name = "lone", .channels = 1, .members = 1000, .turns = 100, .per_turn = 1},
    {.name = "burst", .channels = 1, .members = 1000, .turns = 10, .per_turn = 32},
    {.name = "rooms", .channels = 1000, .members = 10, .turns = 4, .per_turn = 2},
    /* The runs of net/worker/orders.c: 305 instead of 243 if the channels took turns. */
    {.name = "sorted",
     .channels = 10,
     .members = 100,
     .turns = 10,
     .per_turn = 32,
     .is_by_channel = true},
    {.name = "durable",
     .channels = 1,
     .members = 1000,
     .turns = 10,
     .per_turn = 32,
     .is_durable = true},
};

static uint64_t bytes_written;

/* ---- what the kernel would do ---- */

static enum stream_state stream_write(struct socket *socket, uint8_t *data, size_t len,
                                      size_t *taken)
{
    (void)socket, (void)data;
    bytes_written += len;
    *taken = len;
    return STREAM_STATE_OPEN;
}

/* ---- the transport: orders into the worker's inbox ---- */

static struct socket *socket_of(struct rig *rig, struct session_id id)
{
    return slots_find(&rig->worker.slots, id.slot, id.generation);
}

static void put(struct rig *rig, struct order order)
{
    mailbox_put(rig->worker.inbox, &order, 1);
}

static void transport_send(void *ctx, struct session_id to, struct frame *frame)
{
    put(ctx, (struct order){.type = ORDER_SEND,
                            .slot = to.slot,
                            .generation = to.generation,
                            .frame = frame_ref(frame)});
}

static void transport_publish(void *ctx, uint32_t worker, uint32_t roster, struct frame *frame)
{
    (void)worker;
    put(ctx, (struct order){.type = ORDER_PUBLISH, .roster = roster, .frame = frame_ref(frame)});
}

static void transport_attach(void *ctx, struct session_id id, uint32_t roster, bool is_held)
{
    session_attach(socket_of(ctx, id), roster, is_held);
}

static void transport_resume_live(void *ctx, struct session_id id, uint32_t roster,
                                  uint64_t skip_to, enum presence_wish wish)
{
    session_resume_live(socket_of(ctx, id), roster, skip_to, wish);
}

static void transport_gate(void *ctx, struct site_gate *gate)
{
    (void)ctx, (void)gate;
}

/* The end of a worker's turn (worker/thread.c). */
static void end_turn(struct rig *rig)
{
    bool is_all;
    do {
        is_all = orders_carry_out(&rig->worker);
        output_flush(&rig->worker);
    } while (!is_all);
}

static void transport_flush(void *ctx)
{
    (void)ctx;
}

/* ---- the store: empty ---- */

static void store_read(void *ctx, const struct store_query *query, store_answer_fn *done, void *arg)
{
    struct rig *rig = ctx;
    (void)query;
    rig->read_done = done;
    rig->read_arg = arg;
}

static void store_presence(void *ctx, bool is_reset, const struct presence_news *members, size_t n)
{
    (void)ctx, (void)is_reset, (void)members, (void)n;
}

static void answer_read(struct rig *rig)
{
    if (rig->read_done) {
        store_answer_fn *done = rig->read_done;
        rig->read_done = NULL;
        done(rig->read_arg, &(struct store_answer){.epoch = STR("epoch")});
    }
}

static void submit(void *ctx, struct command *command)
{
    struct rig *rig = ctx;
    hub_command(rig->hub, command);
    answer_read(rig);
}

static void wake_hub(void *ctx)
{
    (void)ctx;
}

/* ---- setting up ---- */

static struct site *one_rule(void)
{
    struct site *site = mem_zalloc(sizeof(*site));
    site->version = 1;
    site->is_enabled = true;
    site->rules = mem_zalloc(sizeof(*site->rules));
    site->rules[0] = (struct rule){
        .pattern = mem_strdup("*"), .anonymous_clients = true, .public_messaging = true};
    site->n_rules = 1;
    return site;
}

static void rig_init(struct rig *rig)
{
    rig->settings.options = (struct net_options){.max_frame_bytes = 65536,
                                                 .outqueue_bytes = 8 << 20,
                                                 .protocol = &xano_protocol,
                                                 .submit = submit,
                                                 .wake_hub = wake_hub,
                                                 .submit_ctx = rig};
    struct metrics *metrics = metrics_new(2);
    rig->worker.shared = &rig->shared;
    rig->worker.settings = &rig->settings;
    rig->worker.outqueue_bytes = rig->settings.options.outqueue_bytes;
    rig->worker.counts = metrics_block(metrics, 1);
    rig->worker.inbox = mailbox_new(sizeof(struct order));
    rig->worker.burst.bytes = mem_alloc(WORKER_BURST_BYTES);
    rig->transport = (struct transport){.ctx = rig,
                                        .send = transport_send,
                                        .publish = transport_publish,
                                        .attach = transport_attach,
                                        .resume_live = transport_resume_live,
                                        .gate = transport_gate,
                                        .flush = transport_flush};
    rig->store =
        (struct store){.log = {rig, .read = store_read}, .presence = {rig, store_presence}};
    struct hub_options options = {.n_workers = 1,
                                  .protocol = &xano_protocol,
                                  .transport = &rig->transport,
                                  .store = &rig->store,
                                  .bus = &bus_local,
                                  .max_channels = 100,
                                  .max_held = 1000,
                                  .max_held_bytes = 1 << 20,
                                  .max_invalid = 10,
                                  .recent_bytes = 32 << 20,
                                  .recent_rows = 100000,
                                  .resume_max_rows = 100000,
                                  .page_rows = HUB_PAGE_ROWS,
                                  .page_bytes = HUB_PAGE_BYTES,
                                  .max_reads = HUB_MAX_READS,
                                  .counts = metrics_block(metrics, 0)};
    rig->hub = hub_new(&options);
    rig->sink = hub_sink(rig->hub);
    rig->sink.on_site(rig->sink.ctx, one_rule());
    rig->sink.on_up(rig->sink.ctx, STR("epoch"));
}

/* A text of the client reaches the session as from the network: masked (with zero, which changes
 * nothing and costs the decoder the same). */
static void client_says(struct socket *socket, const char *text)
{
    uint8_t bytes[512] = {0x81, 0x80 | 126};
    size_t len = strlen(text);
    assert(len > 125 ? len < sizeof(bytes) - 8 : len > 0);
    size_t head = len > 125 ? 8 : 6;
    bytes[1] = (uint8_t)(len > 125 ? 0x80 | 126 : 0x80 | len);
    if (len > 125) {
        bytes[2] = (uint8_t)(len >> 8);
        bytes[3] = (uint8_t)len;
    }
    memcpy(bytes + head, text, len);
    session_read(socket, bytes, head + len);
}

static void open_member(struct rig *rig, uint32_t index, uint32_t channel)
{
    static const struct stream stream = {.write = stream_write};
    char text[128];
    struct socket *socket = mem_zalloc(sizeof(*socket));
    struct command *open = mem_zalloc(sizeof(*open));
    open->type = COMMAND_OPEN;
    socket->worker = &rig->worker;
    socket->stream = &stream;
    rig->sockets[index] = socket;
    session_open(socket, open);
    snprintf(text, sizeof(text),
             "{\"action\":\"join\",\"options\":{\"channel\":\"room/%u\"},\"payload\":{}}", channel);
    client_says(socket, text);
    end_turn(rig);
}

static void write_texts(struct rig *rig, uint32_t n_channels)
{
    rig->names = mem_array(NULL, n_channels, sizeof(*rig->names));
    rig->texts = mem_array(NULL, n_channels, sizeof(*rig->texts));
    for (uint32_t i = 0; i < n_channels; i++) {
        snprintf(rig->names[i], sizeof(rig->names[i]), "room/%u", i);
        snprintf(rig->texts[i], sizeof(rig->texts[i]),
                 "{\"action\":\"message\",\"options\":{\"channel\":\"%s\"},"
                 "\"payload\":\"a message of a usual length\"}",
                 rig->names[i]);
    }
}

/* ---- what is measured ---- */

static void publish_event(struct rig *rig, const char *channel)
{
    struct event_fields fields = {
        .action = EVENT_ACTION_EVENT,
        .id = ++rig->next_id,
        .offset = rig->next_id,
        .channel = str_of(channel),
        .at = STR("2026-01-01T00:00:00.000Z"),
        .payload =
            STR("{\"data\":{\"action\":\"insert\",\"schema\":\"public\",\"table\":\"orders\","
                "\"new\":{\"id\":\"1\",\"name\":\"some name\"},\"old\":null},\"dbo_id\":0,"
                "\"row_id\":0}"),
    };
    struct event *event = event_new(&fields);
    rig->sink.on_event(rig->sink.ctx, event);
    event_unref(event);
}

static void run_script(struct rig *rig, const struct script *script)
{
    for (uint32_t turn = 0; turn < script->turns; turn++) {
        for (uint32_t i = 0; i < script->channels * script->per_turn; i++) {
            uint32_t number = script->is_by_channel ? i / script->per_turn : i % script->channels;
            if (script->is_durable) {
                publish_event(rig, rig->names[number]);
            } else {
                client_says(rig->sockets[number * script->members], rig->texts[number]);
            }
        }
        end_turn(rig);
    }
}

/* Callgrind counts what happens in here. */
__attribute__((noipa)) static void measured(struct rig *rig, const struct script *script)
{
    run_script(rig, script);
    atomic_signal_fence(memory_order_seq_cst); /* so that it is a call, and not the last jump */
}

int main(int argc, char **argv)
{
    static struct rig rig;
    const struct script *script = NULL;
    for (size_t i = 0; argc == 2 && i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        if (strcmp(argv[1], scripts[i].name) == 0) {
            script = &scripts[i];
        }
    }
    if (!script) {
        return 64;
    }
    rig_init(&rig);
    write_texts(&rig, script->channels);
    uint32_t n = script->channels * script->members;
    rig.sockets = mem_array(NULL, n, sizeof(*rig.sockets));
    for (uint32_t i = 0; i < n; i++) {
        open_member(&rig, i, i / script->members);
    }
    uint64_t before = bytes_written;
    struct script once = *script;
    once.turns = 1;
    run_script(&rig, &once); /* arrays grow only once */
    uint64_t bytes = bytes_written - before;
    if (bytes < (uint64_t)n * script->per_turn) {
        fprintf(stderr, "the messages do not reach the members\n");
        return 1;
    }
    before = bytes_written;
    measured(&rig, script);
    uint64_t expected = bytes * script->turns;
    /* An offset's digits are the only thing that grows. */
    if (bytes_written - before < expected || bytes_written - before > expected + expected / 20) {
        fprintf(stderr, "%llu bytes were written, not %llu\n",
                (unsigned long long)(bytes_written - before), (unsigned long long)expected);
        return 1;
    }
    printf("%llu\n", (unsigned long long)n * script->turns * script->per_turn);
    return 0;
}
