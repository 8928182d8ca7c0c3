/* SPDX-License-Identifier: PostgreSQL */
/* A second judgement would drift from the first one. So there is none: the hub itself is asked, by
 * the seams that it has; what its store says is in answers.c. */
#include "cli/why/trial.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bus/local.h"
#include "cli/why/answers.h"
#include "cli/why/silence.h"
#include "cli/wire/line.h"
#include "core/hub/hub.h"
#include "core/json_walk.h"
#include "loop/loop.h"
#include "proto/rfc6455.h"
#include "proto/xano.h"

enum {
    PATIENCE_MS = 10000, /* besides what functions may take */
    MAX_HELD = 64,
    MAX_BYTES = 1024 * 1024, /* of a frame of one row, and of what is held */
};

static const struct session_id the_session = {.generation = 1};

struct trial {
    struct trial_options options;
    struct loop *loop;
    struct loop_timer *tick_timer, *end_timer;
    struct hub *hub;
    struct transport transport;
    struct answers *answers;
    struct trial_answer *answer; /* NULL: nobody waits */
    bool is_answered, is_waiting, wants_rows;
    size_t n_counted;
    bool has_counted;
};

static void end(struct trial *trial)
{
    trial->is_answered = true;
    if (trial->is_waiting) {
        loop_stop(trial->loop);
    }
}

static void on_allowed(void *arg)
{
    struct trial *trial = arg;
    if (trial->answer) {
        trial->answer->is_allowed = true;
        end(trial);
    }
}

/* ---- what the session is told ---- */

static size_t n_rows_of(struct str payload)
{
    struct json_walk walk = json_walk_open(told_member(payload, "rows"));
    struct str key, row;
    size_t n = 0;
    while (json_walk_next(&walk, &key, &row)) {
        n++;
    }
    return n;
}

static void take_told(struct trial *trial, const struct told *told)
{
    struct trial_answer *answer = trial->answer;
    if (str_equals(told->action, STR("error"))) {
        told_string(told_member(told->payload, "code"), &answer->code);
        told_string(told_member(told->payload, "message"), &answer->message);
        end(trial);
    } else if (str_equals(told->action, STR("snapshot"))) {
        answer->n_rows += n_rows_of(told->payload);
        answer->is_allowed = true;
        if (str_equals(told_member(told->payload, "last"), STR("true"))) {
            end(trial);
        }
    } else if (str_equals(told->action, STR("receipt")) ||
               (str_equals(told->action, STR("join")) && !trial->wants_rows)) {
        answer->is_allowed = true;
        end(trial);
    }
}

static void transport_send(void *ctx, struct session_id to, struct frame *frame)
{
    struct trial *trial = ctx;
    struct rfc6455_decoder decoder = {.is_of_server = true};
    struct rfc6455_input input = {frame->bytes, frame->len};
    struct rfc6455_item item;
    struct told told;
    (void)to;
    while (rfc6455_decode(&decoder, &input, UINT32_MAX / 2, &item)) {
        if (trial->answer && !trial->is_answered && item.type == RFC6455_ITEM_TEXT &&
            told_read(item.payload, &told)) {
            take_told(trial, &told);
        }
    }
    rfc6455_decoder_release(&decoder);
}

static void tell_drained(void *arg)
{
    const struct trial *trial = arg;
    struct command *drained = mem_zalloc(sizeof(*drained));
    drained->type = COMMAND_DRAINED;
    drained->session = the_session;
    hub_command(trial->hub, drained);
}

static void transport_await_drain(void *ctx, struct session_id session)
{
    struct trial *trial = ctx;
    (void)session;
    answers_later(trial->answers, tell_drained, trial);
}

/* ---- time ---- */

static void on_tick(void *arg)
{
    struct trial *trial = arg;
    hub_tick(trial->hub, clock_ms(), clock_wall_ms());
}

static void on_turn(void *arg)
{
    struct trial *trial = arg;
    hub_flush(trial->hub);
}

static void on_end(void *arg)
{
    struct trial *trial = arg;
    loop_stop(trial->loop);
}

/* Unless it was answered at once. */
static void trial_wait(struct trial *trial)
{
    uint32_t function_ms = trial->options.config->database.hook_timeout_ms;
    if (!trial->is_answered) {
        trial->is_waiting = true;
        loop_timer_start(trial->end_timer, PATIENCE_MS + 2 * (uint64_t)function_ms, 0);
        loop_run(trial->loop);
        loop_timer_stop(trial->end_timer);
        trial->is_waiting = false;
    }
}

/* ---- asking ---- */

void trial_ask(struct trial *trial, struct str frame, bool wants_rows, struct trial_answer *out)
{
    *out = (struct trial_answer){0};
    trial->answer = out;
    answers_note(trial->answers, out);
    trial->wants_rows = wants_rows;
    trial->is_answered = false;
    hub_command(trial->hub, xano_protocol.decode(frame, the_session));
    hub_flush(trial->hub);
    trial_wait(trial);
    out->is_late = !trial->is_answered;
    trial->answer = NULL;
    answers_note(trial->answers, NULL);
}

void trial_answer_release(struct trial_answer *answer)
{
    buf_release(&answer->code);
    buf_release(&answer->message);
    buf_release(&answer->problem);
}

static void on_counted(void *arg, const struct store_snapshot *answer)
{
    struct trial *trial = arg;
    trial->has_counted = !answer->is_failed && !answer->is_moved;
    trial->n_counted = trial->has_counted ? answer->n_rows : 0;
    end(trial);
}

bool trial_count_rows(struct trial *trial, const char *watch, struct str channel,
                      struct str conditions, size_t *n)
{
    struct store_snapshots seam = answers_store(trial->answers)->snapshots;
    const struct store_snapshot_query query = {
        .watch = str_of(watch), .channel = channel, .conditions = conditions, .max_rows = 2};
    trial->has_counted = false;
    trial->is_answered = false;
    seam.read(seam.ctx, &query, on_counted, trial);
    trial_wait(trial);
    *n = trial->n_counted;
    return trial->has_counted;
}

/* ---- life ---- */

static void make_hub(struct trial *trial)
{
    struct hub_options options = trial->options.config->hub;
    trial->transport = silence;
    trial->transport.ctx = trial;
    trial->transport.send = transport_send;
    trial->transport.await_drain = transport_await_drain;
    options.n_workers = 1;
    options.protocol = &xano_protocol;
    options.transport = &trial->transport;
    options.store = answers_store(trial->answers);
    options.bus = &bus_local;
    options.max_channels = MAX_HELD;
    options.max_held = MAX_HELD;
    options.max_held_bytes = MAX_BYTES;
    options.max_invalid = MAX_HELD;
    options.page_rows = HUB_PAGE_ROWS;
    options.page_bytes = HUB_PAGE_BYTES;
    options.max_reads = HUB_MAX_READS;
    options.max_waiting = HUB_MAX_WAITING;
    options.max_waiting_bytes = HUB_MAX_WAITING_BYTES;
    options.snapshot_reads = HUB_SNAPSHOT_READS;
    options.snapshot_queue = HUB_SNAPSHOT_QUEUE;
    trial->hub = hub_new(&options);
}

static void open_session(struct trial *trial, struct site *site)
{
    struct store_sink sink = hub_sink(trial->hub);
    struct command *open = mem_zalloc(sizeof(*open));
    hub_tick(trial->hub, clock_ms(), clock_wall_ms());
    sink.on_site(sink.ctx, site);
    sink.on_up(sink.ctx, STR(ANSWERS_EPOCH));
    open->type = COMMAND_OPEN;
    open->session = the_session;
    open->identity = identity_ref(trial->options.who);
    hub_command(trial->hub, open);
}

struct trial *trial_new(const struct trial_options *options, struct site *site)
{
    struct trial *trial = mem_zalloc(sizeof(*trial));
    trial->options = *options;
    trial->loop = loop_new();
    trial->tick_timer = loop_timer_new(trial->loop, on_tick, trial);
    trial->end_timer = loop_timer_new(trial->loop, on_end, trial);
    trial->answers = answers_new(trial->loop, options, on_allowed, trial);
    make_hub(trial);
    loop_timer_start(trial->tick_timer, HUB_TICK_MS, HUB_TICK_MS);
    loop_on_turn(trial->loop, on_turn, trial);
    open_session(trial, site);
    return trial;
}

void trial_free(struct trial *trial)
{
    if (!trial) {
        return;
    }
    answers_stop(trial->answers);
    hub_free(trial->hub);
    answers_free(trial->answers);
    loop_timer_free(trial->tick_timer);
    loop_timer_free(trial->end_timer);
    loop_free(trial->loop);
    free(trial);
}
