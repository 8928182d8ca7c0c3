/* SPDX-License-Identifier: PostgreSQL */
/* When the sequencer looks into the outbox, and when it sleeps.
 *
 * A writer's trigger NOTIFYs only while the sequencer holds the doorbell's advisory locks, because
 * a NOTIFY serialises the commits of the whole cluster. So while events flow we do not hold them
 * and look again and again; when three looks, a millisecond apart, find nothing we try to take them:
 *
 *      awake ── looks find nothing ──▶ try_sleep ── refused: a writer is in the middle ──▶
 *        ▲                                 │                        wait 2, 4, … 50 ms, look
 *        │                                 │ got it
 *        │                                 ▼
 *        └── wake ◀── found again ── one look more ── nothing ──▶ asleep in poll, up to look_ms
 *
 * Once the locks are ours every writer that did not ring has committed visibly, which the one look
 * more finds; every later one rings. A ring leads to a look, still under the locks: a lone event
 * costs no wake, no try_sleep and no second look. Only when it has rung again meanwhile do we let go
 * of them: then it is a flow.
 *
 * If this process stands still while it sleeps (SIGSTOP, a paused machine), its session and its
 * locks live on, and every commit of every writer would be a NOTIFY to nobody. So one of the locks
 * is a lease of two to four seconds, which stay_asleep prolongs each second. When it says no, we
 * stood still and writers did not ring: wake, look, begin anew. The locks, and why no wake-up is
 * lost, are described in sql/0007_sequencer.sql.
 *
 * A client's message is looked for by nobody, it comes by itself: it is sent at once, asleep or
 * awake, unless a query is under way; then it waits for its answer, together with all that come
 * meanwhile. That is the batching. Under a dense flow of changes there is a pause of 1 to 5 ms
 * between two looks, for the writers' sake (sequence.c).
 *
 * What the workers have not sent yet lies in memory. So while there is too much of it nothing more
 * is taken from the database, where it keeps.
 *
 * The safety look (look_ms) bounds what a lost notification costs. Where writers never ring
 * (herald.doorbell_obstacle() says why) or where we would not hear it (a pooler), looking every
 * POLL_MS replaces sleeping. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "pg/sequencer/internal.h"

enum {
    BACKOFF_FIRST_MS = 2,
    BACKOFF_MAX_MS = 50,
    POLL_MS = 10,
    BEHIND_MS = 5,
    LEASE_MS = 1000,   /* half a slot of the lease: a server late by another second keeps it */
    REASON_SIZE = 180, /* a sentence that fits into /ready */
};

/* ---- asking ---- */

void sequencer_ask(struct sequencer *sequencer, const char *sql, struct params *params,
                   query_fn *done)
{
    sequencer_ask_framed(sequencer, (struct query_frame){0}, sql, params, done);
}

void sequencer_ask_framed(struct sequencer *sequencer, struct query_frame frame, const char *sql,
                          struct params *params, query_fn *done)
{
    assert(!sequencer->is_busy);
    sequencer->is_busy = true;
    connection_query_framed(sequencer->connection, frame, sql, params, done, sequencer);
}

void sequencer_give_up(struct sequencer *sequencer, const char *what,
                       const struct query_result *result)
{
    char reason[REASON_SIZE];
    snprintf(reason, sizeof(reason), "%s failed: %s", what,
             *result->message ? result->message : "no answer");
    connection_drop(sequencer->connection, reason);
}

bool sequencer_answered(struct sequencer *sequencer, const struct query_result *result,
                        const char *what)
{
    sequencer->is_busy = false;
    if (result->is_lost) {
        return false; /* on_lost follows */
    }
    if (!result->rows) {
        sequencer_give_up(sequencer, what, result);
        return false;
    }
    return true;
}

/* ---- the doorbell ---- */

static void on_wake(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (sequencer_answered(sequencer, result, "herald.wake")) {
        sequencer->is_holding = false;
        sequencer->wants_look = true;
        sequencer_go_on(sequencer);
    }
}

static void sequencer_wake(struct sequencer *sequencer)
{
    sequencer->wants_wake = false;
    struct params params = {0};
    params_int(&params, sequencer->lease);
    sequencer_ask(sequencer, "SELECT herald.wake($1)", &params, on_wake);
}

static void take_lease(struct sequencer *sequencer, const struct query_result *result)
{
    sequencer->is_holding = true;
    sequencer->lease = (int32_t)rows_u64(result->rows, 0, 0);
}

static void on_stay_asleep(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "herald.stay_asleep")) {
        return;
    }
    if (PQgetisnull(result->rows, 0, 0)) {
        log_debug("the doorbell's lease ran out: this server stood still");
        sequencer->wants_wake = true;
    } else {
        take_lease(sequencer, result);
    }
    sequencer_go_on(sequencer);
}

/* Until it rings, the lease is to be prolonged, or the safety look is due. */
static void sleep_on(struct sequencer *sequencer)
{
    uint64_t now_ms = clock_ms();
    uint64_t leased_ms = now_ms - sequencer->lease_ms;
    if (leased_ms < LEASE_MS) {
        uint64_t looked_ms = now_ms - sequencer->looked_ms;
        uint32_t look_ms = sequencer->options.look_ms;
        uint32_t wait_ms = looked_ms < look_ms ? look_ms - (uint32_t)looked_ms : 0;
        uint32_t rest_ms = LEASE_MS - (uint32_t)leased_ms;
        loop_timer_start(sequencer->wait_timer, wait_ms < rest_ms ? wait_ms : rest_ms, 0);
        return;
    }
    sequencer->lease_ms = now_ms;
    struct params params = {0};
    params_int(&params, sequencer->lease);
    sequencer_ask(sequencer, "SELECT herald.stay_asleep($1)", &params, on_stay_asleep);
}

static void on_try_sleep(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "herald.try_sleep")) {
        return;
    }
    if (!PQgetisnull(result->rows, 0, 0)) {
        take_lease(sequencer, result);
        sequencer->backoff_ms = 0;
        sequencer->wants_look = true;
        sequencer_go_on(sequencer);
        return;
    }
    uint32_t backoff_ms = sequencer->backoff_ms ? sequencer->backoff_ms : BACKOFF_FIRST_MS;
    sequencer->backoff_ms = backoff_ms * 2 < BACKOFF_MAX_MS ? backoff_ms * 2 : BACKOFF_MAX_MS;
    loop_timer_start(sequencer->wait_timer, backoff_ms, 0);
    if (sequencer->is_due || sequencer->messages.n > 0) {
        sequencer_go_on(sequencer);
    }
}

static void try_sleep(struct sequencer *sequencer)
{
    sequencer->lease_ms = clock_ms();
    sequencer_ask(sequencer, "SELECT herald.try_sleep()", NULL, on_try_sleep);
}

/* ---- what next ---- */

static bool is_drained(const struct sequencer *sequencer)
{
    return sequencer->is_draining && sequencer->messages.n == 0;
}

/* The end of a server waits for nobody who reads. */
bool sequencer_is_behind(const struct sequencer *sequencer)
{
    return !sequencer->is_draining && sequencer->options.is_behind(sequencer->options.arg);
}

static bool is_for_others(const struct sequencer *sequencer)
{
    return sequencer->options.bus && sequencer->is_leading;
}

bool sequencer_has_messages(const struct sequencer *sequencer)
{
    return sequencer->messages.n > 0 &&
           !(is_for_others(sequencer) && sequencer_is_behind(sequencer));
}

/* A leader among several goes on, for the others' sake: with rows, which it tells its own sessions
 * later, from the log. Messages wait, and who sends them does. */
void sequencer_look(struct sequencer *sequencer)
{
    if (!is_for_others(sequencer) && sequencer_is_behind(sequencer)) {
        sequencer->wants_look = true;
        loop_timer_start(sequencer->wait_timer, BEHIND_MS, 0);
        return;
    }
    sequencer->is_due = false;
    sequencer->wants_look = false;
    sequencer->looked_ms = clock_ms();
    sequencer->pause_ms = 0;
    sequencer_send_batch(sequencer);
}

/* Not while one is under way: how much it was asked for says whether it has all. */
static void take_options(struct sequencer *sequencer)
{
    if (!sequencer->is_changed) {
        return;
    }
    struct sequencer_options *options = &sequencer->options;
    const struct sequencer_options *wanted = &sequencer->wanted;
    sequencer->is_changed = false;
    options->look_ms = wanted->look_ms;
    options->batch_rows = wanted->batch_rows;
    options->batch_bytes = wanted->batch_bytes;
    options->append_max_bytes = wanted->append_max_bytes;
    options->grace_ms = wanted->grace_ms;
    connection_set_timeout(sequencer->connection, wanted->query_timeout_ms);
}

void sequencer_go_on(struct sequencer *sequencer)
{
    if (sequencer->phase != SEQUENCER_PHASE_SERVING || sequencer->is_busy) {
        return;
    }
    loop_timer_stop(sequencer->wait_timer);
    take_options(sequencer);
    uint32_t look_ms = sequencer->options.look_ms;
    if (is_drained(sequencer)) {
        sequencer->options.on_drained(sequencer->options.arg);
    } else if (sequencer->options.bus && sequencer_go_beside(sequencer)) {
        return;
    } else if (sequencer->wants_version || clock_ms() - sequencer->version_ms >= look_ms) {
        sequencer_ask_version(sequencer, sequencer_go_on);
    } else if (sequencer->wants_wake) {
        sequencer_wake(sequencer);
    } else if (sequencer->wants_snapshot) {
        sequencer_ask_snapshot(sequencer);
    } else if (sequencer->is_due || sequencer->wants_look || sequencer_has_messages(sequencer)) {
        sequencer_look(sequencer);
    } else if (sequencer->pause_ms > 0) {
        loop_timer_start(sequencer->wait_timer, sequencer->pause_ms, 0);
    } else if (!sequencer->can_sleep) {
        loop_timer_start(sequencer->wait_timer, look_ms < POLL_MS ? look_ms : POLL_MS, 0);
    } else if (sequencer->is_holding) {
        sleep_on(sequencer);
    } else {
        try_sleep(sequencer);
    }
}

static void on_wait_over(void *arg)
{
    struct sequencer *sequencer = arg;
    if (sequencer->phase == SEQUENCER_PHASE_SERVING) {
        /* Asleep only the lease may be what is due. */
        bool is_asleep = sequencer->is_holding && sequencer->pause_ms == 0;
        uint64_t looked_ms = clock_ms() - sequencer->looked_ms;
        sequencer->wants_look |= !is_asleep || looked_ms >= sequencer->options.look_ms;
        sequencer_go_on(sequencer);
    } else if (sequencer->phase == SEQUENCER_PHASE_OPENING && !sequencer->is_busy) {
        sequencer_lead(sequencer);
    }
}

static void on_soon(void *arg)
{
    struct sequencer *sequencer = arg;
    if (sequencer->is_url_bad && !sequencer->is_draining) {
        struct err err;
        (void)err_set(&err, EXIT_CODE_CONFIG,
                      "the database URL cannot be read: give postgresql://user@host/database, or "
                      "words as in \"host=… dbname=… user=…\"");
        sequencer->options.on_fatal(sequencer->options.arg, &err);
    } else if (sequencer->phase != SEQUENCER_PHASE_SERVING && is_drained(sequencer)) {
        sequencer->options.on_drained(sequencer->options.arg);
    } else {
        sequencer_go_on(sequencer);
    }
}

static void on_beside(void *arg)
{
    struct sequencer *sequencer = arg;
    if (sequencer->phase == SEQUENCER_PHASE_SERVING) {
        sequencer_go_on(sequencer);
    } else {
        sequencer_judge_away(sequencer);
    }
}

/* A change rings without a word. One that says something is a hint that the site changed or that
 * there are directives. */
static void on_notify(void *arg, bool says_something)
{
    struct sequencer *sequencer = arg;
    if (sequencer->probe) {
        sequencer_hear_probe(sequencer);
        return;
    }
    sequencer->is_due = true;
    sequencer->wants_version |= says_something;
    sequencer_go_on(sequencer);
}

/* ---- the connection ---- */

static void on_open(void *arg)
{
    struct sequencer *sequencer = arg;
    sequencer->phase = SEQUENCER_PHASE_OPENING;
    sequencer->is_holding = sequencer->is_entered = false;
    sequencer_begin_opening(sequencer);
}

void sequencer_tell_down(struct sequencer *sequencer, const char *reason)
{
    bool is_news =
        sequencer->is_up || !sequencer->down_reason || strcmp(sequencer->down_reason, reason) != 0;
    bool was_up = sequencer->is_up;
    sequencer->is_up = false;
    if (is_news) {
        free(sequencer->down_reason);
        sequencer->down_reason = mem_strdup(reason);
        log_warn("not ready: %s; trying again", reason);
        sequencer->sink.on_down(sequencer->sink.ctx, reason);
    }
    if (was_up) {
        sequencer->options.on_away(sequencer->options.arg);
    }
}

static void close_up(struct sequencer *sequencer)
{
    sequencer->phase = SEQUENCER_PHASE_AWAY;
    sequencer_note_away(sequencer);
    sequencer->is_busy = false;
    loop_timer_stop(sequencer->wait_timer);
    sequencer_end_probe(sequencer);
    sequencer_forget_batch(sequencer);
    sequencer->was_complete = false;
}

static void on_lost(void *arg, const char *reason)
{
    struct sequencer *sequencer = arg;
    sequencer_note_lost_batch(sequencer, reason);
    close_up(sequencer);
    sequencer_tell_down(sequencer, reason);
}

/* ---- life ---- */

void sequencer_set_options(struct sequencer *sequencer, const struct sequencer_options *options)
{
    sequencer->wanted = *options;
    sequencer->is_changed = true;
    loop_timer_start(sequencer->soon_timer, 0, 0);
}

struct sequencer *sequencer_new(struct loop *loop, const struct sequencer_options *options)
{
    struct sequencer *sequencer = mem_zalloc(sizeof(*sequencer));
    sequencer->loop = loop;
    sequencer->options = *options;
    sequencer->is_url_bad = !connection_is_url_valid(options->url);
    id_text(sequencer->base);
    struct connection_options connection_options = {
        .name = "main",
        .url = options->url,
        .query_timeout_ms = options->query_timeout_ms,
        .is_pipelined = true, /* for framed queries: there is never more than one */
        .arg = sequencer,
        .on_open = on_open,
        .on_lost = on_lost,
        .on_notify = on_notify,
    };
    sequencer->connection = connection_new(loop, &connection_options);
    sequencer->wait_timer = loop_timer_new(loop, on_wait_over, sequencer);
    sequencer->soon_timer = loop_timer_new(loop, on_soon, sequencer);
    sequencer->beside_timer = loop_timer_new(loop, on_beside, sequencer);
    sequencer->node = mem_strdup(options->node ? options->node : "");
    sequencer->node_name = mem_strdup(options->node_name ? options->node_name : sequencer->node);
    sequencer->hold = options->bus ? mem_zalloc(sizeof(*sequencer->hold)) : NULL;
    return sequencer;
}

void sequencer_start(struct sequencer *sequencer, struct store_sink sink)
{
    sequencer->sink = sink;
    if (sequencer->is_url_bad) {
        loop_timer_start(sequencer->soon_timer, 0, 0);
    } else {
        connection_start(sequencer->connection);
    }
}

bool sequencer_append(struct sequencer *sequencer, const struct store_append *append)
{
    size_t cost = messages_cost(append);
    bool is_full = sequencer->messages.n > 0 &&
                   sequencer->messages.bytes + cost > sequencer->options.append_max_bytes;
    if (sequencer->is_stopped || sequencer->is_superseded || is_full) {
        return false;
    }
    messages_push(&sequencer->messages, append);
    loop_timer_start(sequencer->soon_timer, 0, 0);
    return true;
}

uint64_t sequencer_lag(const struct sequencer *sequencer)
{
    uint64_t newest = sequencer->newest > sequencer->told ? sequencer->newest : sequencer->told;
    return sequencer->epoch && newest > sequencer->delivered ? newest - sequencer->delivered : 0;
}

bool sequencer_is_leading(const struct sequencer *sequencer)
{
    return sequencer->is_leading;
}

void sequencer_measure(struct sequencer *sequencer)
{
    metrics_set(sequencer->options.counts, METRIC_APPENDS, sequencer->messages.n);
    metrics_set(sequencer->options.counts, METRIC_APPEND_BYTES, sequencer->messages.bytes);
    metrics_set(sequencer->options.counts, METRIC_LEADING, sequencer->is_leading);
    metrics_set(sequencer->options.counts, METRIC_TERM, sequencer->term);
    metrics_set(sequencer->options.counts, METRIC_LOG_LAG, sequencer_lag(sequencer));
}

void sequencer_drain(struct sequencer *sequencer)
{
    sequencer->is_draining = true;
    loop_timer_start(sequencer->soon_timer, 0, 0);
}

void sequencer_stop(struct sequencer *sequencer)
{
    if (sequencer->is_stopped) {
        return;
    }
    sequencer->is_stopped = true;
    connection_stop(sequencer->connection);
    close_up(sequencer);
    loop_timer_stop(sequencer->soon_timer);
    loop_timer_stop(sequencer->beside_timer);
    if (sequencer->messages.n > 0) {
        log_warn("%zu messages could not be stored before the end", sequencer->messages.n);
    }
    sequencer_unsettle(sequencer);
    while (sequencer->messages.n > 0) {
        struct message message = messages_pop(&sequencer->messages);
        sequencer->sink.on_append_failed(sequencer->sink.ctx, message.sender,
                                         message.event->f.channel, ticket_ref(message.ticket));
        message_release(&message);
    }
    sequencer->n_flight = 0;
}

void sequencer_free(struct sequencer *sequencer)
{
    if (!sequencer) {
        return;
    }
    sequencer_stop(sequencer);
    connection_free(sequencer->connection);
    loop_timer_free(sequencer->wait_timer);
    loop_timer_free(sequencer->soon_timer);
    loop_timer_free(sequencer->beside_timer);
    free(sequencer->hold);
    free(sequencer->node);
    free(sequencer->node_name);
    free(sequencer->sight);
    messages_release(&sequencer->messages);
    batch_release(&sequencer->batch);
    sequencer_drop_site(sequencer);
    free(sequencer->watches_version);
    shape_wish_release(&sequencer->wish);
    shape_wish_release(&sequencer->piece_wish);
    emptied_clear(&sequencer->emptied);
    free(sequencer->down_reason);
    free(sequencer->epoch);
    free(sequencer);
}
