/* SPDX-License-Identifier: PostgreSQL */
/* A second judgement would drift from the first one. So there is none: the hub itself is asked, by
 * the seams that it has. Whoever answers it never does so from inside: answers of our own wait in a
 * list for the next turn of the loop. */
#include "cli/why/trial.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bus/local.h"
#include "cli/admin.h"
#include "cli/why/silence.h"
#include "cli/wire/line.h"
#include "core/hub/hub.h"
#include "core/json_walk.h"
#include "loop/loop.h"
#include "pg/functions/functions.h"
#include "pg/pool/judges.h"
#include "pg/pool/pool.h"
#include "pg/pool/snapshots.h"
#include "proto/rfc6455.h"
#include "proto/xano.h"

enum {
    PATIENCE_MS = 10000, /* besides what functions may take */
    MAX_HELD = 64,
    MAX_BYTES = 1024 * 1024, /* of a frame of one row, and of what is held */
    QUERY_MS = 10000,
};

#define EPOCH "trial"
static const struct session_id the_session = {.generation = 1};

enum later_kind {
    LATER_READ,
    LATER_SETTLED,
    LATER_PASSED,
    LATER_UNASKED,
    LATER_UNJUDGED,
    LATER_DRAINED
};

struct later { /* an answer of ours */
    struct later *next;
    enum later_kind kind;
    store_answer_fn *on_read;
    store_settled_fn *on_settled;
    store_verdict_fn *on_passed;
    void *arg;
    char *payload; /* PASSED */
};

struct asked_function { /* a call of an authorize function */
    struct trial *trial;
    store_verdict_fn *done;
    void *arg;
};

struct asked_judges {
    struct trial *trial;
    size_t n_parties;
    store_judge_fn *done;
    void *arg;
};

struct asked_rows {
    store_snapshot_fn *done;
    void *arg;
};

struct trial {
    struct trial_options options;
    struct loop *loop;
    struct loop_timer *tick_timer, *soon_timer, *end_timer;
    struct hub *hub;
    struct transport transport;
    struct store store;
    struct functions *functions;
    struct pg_judges *judges;
    struct pg_snapshots *snapshots;
    struct store_functions real_functions;
    struct store_judges real_judges;
    struct later *first, **last;
    struct trial_answer *answer; /* NULL: nobody waits */
    bool is_answered, is_waiting, wants_rows;
    size_t n_counted;
    bool has_counted;
};

/* ---- answers of our own ---- */

static struct later *later_add(struct trial *trial, enum later_kind kind, void *arg)
{
    struct later *later = mem_zalloc(sizeof(*later));
    later->kind = kind;
    later->arg = arg;
    *trial->last = later;
    trial->last = &later->next;
    loop_timer_start(trial->soon_timer, 0, 0);
    return later;
}

static void on_authorized(void *arg, const struct store_verdict *verdict);
static void on_judged(void *arg, const struct store_verdicts *verdicts);

static void later_tell(struct trial *trial, struct later *later)
{
    const struct store_answer empty = {.epoch = STR(EPOCH)};
    const struct store_verdict passed = {.result = STORE_VERDICT_DONE,
                                         .payload = str_of(later->payload)};
    struct command *drained;
    switch (later->kind) {
    case LATER_READ:
        later->on_read(later->arg, &empty);
        break;
    case LATER_SETTLED:
        later->on_settled(later->arg, true, STR("1:1:"));
        break;
    case LATER_PASSED:
        later->on_passed(later->arg, &passed);
        break;
    case LATER_UNASKED:
        on_authorized(later->arg, &(struct store_verdict){.result = STORE_VERDICT_FAILED});
        break;
    case LATER_UNJUDGED:
        on_judged(later->arg, &(struct store_verdicts){.is_failed = true});
        break;
    case LATER_DRAINED:
        drained = mem_zalloc(sizeof(*drained));
        drained->type = COMMAND_DRAINED;
        drained->session = the_session;
        hub_command(trial->hub, drained);
        break;
    }
}

static struct later *later_take(struct trial *trial)
{
    struct later *later = trial->first;
    if (later) {
        trial->first = later->next;
        trial->last = trial->first ? trial->last : &trial->first;
    }
    return later;
}

static void later_free(struct later *later)
{
    free(later->payload);
    free(later);
}

static void on_soon(void *arg)
{
    struct trial *trial = arg;
    struct later *later = later_take(trial);
    if (later) {
        later_tell(trial, later);
        later_free(later);
    }
    if (trial->first) {
        loop_timer_start(trial->soon_timer, 0, 0);
    }
}

static void end(struct trial *trial)
{
    trial->is_answered = true;
    if (trial->is_waiting) {
        loop_stop(trial->loop);
    }
}

/* ---- the store ---- */

static void log_read(void *ctx, const struct store_query *query, store_answer_fn *done, void *arg)
{
    (void)query;
    later_add(ctx, LATER_READ, arg)->on_read = done;
}

static void log_settle(void *ctx, bool wants_snapshot, store_settled_fn *done, void *arg)
{
    (void)wants_snapshot;
    later_add(ctx, LATER_SETTLED, arg)->on_settled = done;
}

/* It was allowed to; and that is all. */
static bool log_append(void *ctx, const struct store_append *append)
{
    struct trial *trial = ctx;
    (void)append;
    if (trial->answer) {
        trial->answer->is_allowed = true;
        end(trial);
    }
    return true;
}

static void presence_tell(void *ctx, bool is_reset, const struct presence_news *news, size_t n)
{
    (void)ctx, (void)is_reset, (void)news, (void)n;
}

/* The role that functions or judgements run as may not get in from here. That says nothing about a
 * server, and to wait for it as a server does would take seconds. */
static bool gets_in(struct trial *trial, const char *url, const char *role)
{
    struct admin *admin = NULL;
    struct err why;
    const char *server_url = trial->options.config->database.url;
    if (admin_open_as(url ? url : server_url, url ? NULL : role, &admin, &why) == STATUS_OK) {
        admin_close(admin);
        return true;
    }
    if (trial->answer) {
        trial->answer->locked_out = role;
        buf_clear(&trial->answer->problem);
        buf_literal(&trial->answer->problem, why.text);
    }
    return false;
}

static void on_authorized(void *arg, const struct store_verdict *verdict)
{
    struct asked_function *asked = arg;
    struct trial_answer *answer = asked->trial->answer;
    if (answer) {
        answer->was_asked = true;
        answer->is_refused = verdict->result != STORE_VERDICT_DONE || !verdict->is_allowed;
        buf_str(&answer->problem, str_of(verdict->problem));
    }
    asked->done(asked->arg, verdict);
    free(asked);
}

static void functions_call(void *ctx, const struct store_call *call, store_verdict_fn *done,
                           void *arg)
{
    struct trial *trial = ctx;
    if (call->kind == STORE_CALL_AUTHORIZE) {
        struct asked_function *asked = mem_alloc(sizeof(*asked));
        *asked = (struct asked_function){trial, done, arg};
        if (!gets_in(trial, trial->options.config->database.hook_url, "herald_hook")) {
            later_add(trial, LATER_UNASKED, asked);
            return;
        }
        trial->real_functions.call(trial->real_functions.ctx, call, on_authorized, asked);
    } else if (done) {
        struct later *later = later_add(trial, LATER_PASSED, arg);
        later->on_passed = done;
        later->payload = str_dup(call->payload);
    }
}

static void on_judged(void *arg, const struct store_verdicts *verdicts)
{
    struct asked_judges *asked = arg;
    bool is_broken = verdicts->is_failed;
    for (size_t i = 0; i < asked->n_parties && !is_broken; i++) {
        is_broken = verdicts->judgements[i].has_problem;
    }
    if (asked->trial->answer && is_broken) {
        asked->trial->answer->is_unjudged = true;
    }
    asked->done(asked->arg, verdicts);
    free(asked);
}

static void judges_judge(void *ctx, const struct store_case *what, store_judge_fn *done, void *arg)
{
    struct trial *trial = ctx;
    struct asked_judges *asked = mem_alloc(sizeof(*asked));
    *asked = (struct asked_judges){trial, what->n_parties, done, arg};
    if (!gets_in(trial, trial->options.config->database.judge_url, "herald_judge")) {
        later_add(trial, LATER_UNJUDGED, asked);
        return;
    }
    trial->real_judges.judge(trial->real_judges.ctx, what, on_judged, asked);
}

/* The rows are the database's, the epoch and the head are those of the log that there is here. */
static void on_read_rows(void *arg, const struct store_snapshot *answer)
{
    struct asked_rows *asked = arg;
    struct store_snapshot own = *answer;
    own.epoch = STR(EPOCH);
    own.head = 0;
    asked->done(asked->arg, &own);
    free(asked);
}

static void snapshots_read(void *ctx, const struct store_snapshot_query *query,
                           store_snapshot_fn *done, void *arg)
{
    const struct trial *trial = ctx;
    struct store_snapshots real = pg_snapshots_seam(trial->snapshots);
    struct asked_rows *asked = mem_alloc(sizeof(*asked));
    *asked = (struct asked_rows){done, arg};
    real.read(real.ctx, query, on_read_rows, asked);
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

static void transport_await_drain(void *ctx, struct session_id session)
{
    (void)session;
    (void)later_add(ctx, LATER_DRAINED, NULL);
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
    trial->wants_rows = wants_rows;
    trial->is_answered = false;
    hub_command(trial->hub, xano_protocol.decode(frame, the_session));
    hub_flush(trial->hub);
    trial_wait(trial);
    out->is_late = !trial->is_answered;
    trial->answer = NULL;
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
    struct store_snapshots seam = pg_snapshots_seam(trial->snapshots);
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

static void make_store(struct trial *trial)
{
    const struct database_options *database = &trial->options.config->database;
    const struct functions_options functions = {
        .url = database->hook_url ? database->hook_url : database->url,
        .user = database->hook_url ? NULL : "herald_hook",
        .timeout_ms = database->hook_timeout_ms,
        .n_connections = 1,
        .is_trial = true,
    };
    const struct pg_judges_options judges = {
        .url = database->judge_url ? database->judge_url : database->url,
        .user = database->judge_url ? NULL : "herald_judge",
        .timeout_ms = database->hook_timeout_ms,
    };
    const struct pg_snapshots_options snapshots = {
        .url = database->url, .query_timeout_ms = QUERY_MS, .shapes = trial->options.shapes};
    trial->functions = functions_new(trial->loop, &functions);
    trial->judges = pg_judges_new(trial->loop, &judges);
    trial->snapshots = pg_snapshots_new(trial->loop, &snapshots);
    trial->real_functions = functions_seam(trial->functions);
    trial->real_judges = pg_judges_seam(trial->judges);
    trial->store = (struct store){
        .log = {.ctx = trial, .read = log_read, .settle = log_settle, .append = log_append},
        .functions = {.ctx = trial, .call = functions_call},
        .presence = {.ctx = trial, .tell = presence_tell},
        .snapshots = {.ctx = trial, .read = snapshots_read},
        .judges = {.ctx = trial, .judge = judges_judge},
    };
    functions_start(trial->functions);
    functions_set_key(trial->functions, trial->options.key);
    pool_start(pg_snapshots_pool(trial->snapshots));
    pool_start(pg_judges_pool(trial->judges));
}

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
    options.store = &trial->store;
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
    sink.on_up(sink.ctx, STR(EPOCH));
    open->type = COMMAND_OPEN;
    open->session = the_session;
    open->identity = identity_ref(trial->options.who);
    hub_command(trial->hub, open);
}

struct trial *trial_new(const struct trial_options *options, struct site *site)
{
    struct trial *trial = mem_zalloc(sizeof(*trial));
    trial->options = *options;
    trial->last = &trial->first;
    trial->loop = loop_new();
    trial->tick_timer = loop_timer_new(trial->loop, on_tick, trial);
    trial->soon_timer = loop_timer_new(trial->loop, on_soon, trial);
    trial->end_timer = loop_timer_new(trial->loop, on_end, trial);
    make_store(trial);
    make_hub(trial);
    loop_timer_start(trial->tick_timer, HUB_TICK_MS, HUB_TICK_MS);
    loop_on_turn(trial->loop, on_turn, trial);
    open_session(trial, site);
    return trial;
}

static void drop_later(struct trial *trial)
{
    struct later *later;
    while ((later = later_take(trial)) != NULL) {
        later_tell(trial, later); /* whoever asked frees what is his */
        later_free(later);
    }
}

void trial_free(struct trial *trial)
{
    if (!trial) {
        return;
    }
    pool_stop(pg_snapshots_pool(trial->snapshots));
    pool_stop(pg_judges_pool(trial->judges));
    functions_stop(trial->functions);
    drop_later(trial);
    hub_free(trial->hub);
    functions_free(trial->functions);
    pg_judges_free(trial->judges);
    pg_snapshots_free(trial->snapshots);
    loop_timer_free(trial->tick_timer);
    loop_timer_free(trial->soon_timer);
    loop_timer_free(trial->end_timer);
    loop_free(trial->loop);
    free(trial);
}
