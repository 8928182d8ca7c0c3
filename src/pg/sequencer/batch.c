/* SPDX-License-Identifier: PostgreSQL */
/* Batches: one call of herald.sequence each, one transaction each.
 *
 * The sink hears of a batch when its transaction has ended, never when its rows arrive: Postgres
 * sends the rows, then commits, then says ReadyForQuery, and a crash between the first two leaves
 * rows that never were. Numbers are dense over the whole log, so a batch that does not begin right
 * behind the last delivered number means that there is something in between (another server's
 * batch); it is read from the log first.
 *
 * A connection that is lost while a batch is under way leaves a doubt: it may have committed. Its
 * messages stay where they are, at the front of the queue, and its id is kept. The next connection
 * asks for that id. If it is there, the log has the rows: catching up delivers them, and our
 * messages among them are known by their content (the sender's socket id, which is ours alone, is
 * in each, and they are in our order). If it is not there, it did not commit, or so many batches
 * of another server followed that its id is forgotten: so they are looked for as well, and those
 * that do not turn up go with the next batch. Neither lost nor doubled.
 *
 * A message that Postgres cannot store (bytes that are no text in the database's encoding) fails
 * its whole batch. Then one batch goes without messages, to see that the outbox is not the reason,
 * and the messages go one by one; who fails alone, right after the outbox went well, is refused. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "pg/sequencer/internal.h"

enum { PAUSE_ROWS_PER_MS = 4, PAUSE_MAX_MS = 5 };

/* ---- delivering ---- */

/* The oldest message has been stored. */
static void complete_oldest(struct sequencer *sequencer)
{
    struct message message = messages_pop(&sequencer->messages);
    sequencer->n_flight--;
    if (sequencer->n_alone > 0) {
        sequencer->n_alone--;
    }
    sequencer->sink.on_append_done(sequencer->sink.ctx, message.sender);
    event_unref(message.event);
}

static void refuse_oldest(struct sequencer *sequencer)
{
    struct message message = messages_pop(&sequencer->messages);
    sequencer->n_flight--;
    sequencer->n_alone--;
    sequencer->sink.on_append_failed(sequencer->sink.ctx, message.sender, message.event->f.channel);
    event_unref(message.event);
}

/* What sessions know of offsets no longer holds although the epoch does: events are gone that they
 * should have got. To the sink that is what an epoch means, so it gets another one for a moment:
 * sessions are closed, come back, and are answered with a gap. */
void sequencer_void_positions(struct sequencer *sequencer)
{
    sequencer->is_void = !sequencer->is_up; /* then it is told with the next on_up */
    if (sequencer->is_up) {
        sequencer->sink.on_up(sequencer->sink.ctx, STR(""));
        sequencer->sink.on_up(sequencer->sink.ctx, str_of(sequencer->epoch));
    }
}

static bool is_same_message(const struct event *a, const struct event *b)
{
    return a->f.action == b->f.action && a->f.audience.kind == b->f.audience.kind &&
           str_equals(a->f.channel, b->f.channel) && str_equals(a->f.client, b->f.client) &&
           str_equals(a->f.payload, b->f.payload);
}

/* is_ours: this row is the oldest of our messages in flight. */
static void event_deliver(struct sequencer *sequencer, struct event *event, bool is_ours)
{
    if (event->f.id != sequencer->delivered + 1) {
        log_error(
            "events %llu to %llu left the log before they could be delivered: sessions start anew",
            (unsigned long long)sequencer->delivered + 1, (unsigned long long)event->f.id - 1);
        sequencer_void_positions(sequencer);
    }
    sequencer->delivered = event->f.id;
    sequencer->sink.on_event(sequencer->sink.ctx, event);
    if (is_ours) {
        complete_oldest(sequencer);
    }
}

/* ---- catching up from the log ---- */

static void continue_catching_up(struct sequencer *sequencer);
static void deliver_batch(struct sequencer *sequencer, const PGresult *rows);

static bool is_in_doubt(const struct sequencer *sequencer, const struct event *event)
{
    return sequencer->has_doubt && sequencer->n_flight > 0 && event->f.id <= sequencer->found &&
           is_same_message(event, messages_at(&sequencer->messages, 0)->event);
}

static void on_log(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "herald.read_log")) {
        return;
    }
    uint64_t before = sequencer->delivered;
    for (int i = 0; i < PQntuples(result->rows); i++) {
        struct event *event = rows_log_event(result->rows, i);
        if (event->f.id > sequencer->delivered && event->f.id <= sequencer->target) {
            event_deliver(sequencer, event, is_in_doubt(sequencer, event));
        }
        event_unref(event);
    }
    if (sequencer->delivered == before) {
        log_error(
            "events %llu to %llu left the log before they could be delivered: sessions start anew",
            (unsigned long long)before + 1, (unsigned long long)sequencer->target);
        sequencer_void_positions(sequencer);
        sequencer->delivered = sequencer->target;
    }
    continue_catching_up(sequencer);
}

static void read_log(struct sequencer *sequencer)
{
    struct params params = {0};
    params_bigint(&params, (int64_t)sequencer->delivered);
    params_int(&params, (int32_t)sequencer->options.batch_rows);
    params_int(&params, (int32_t)sequencer->options.batch_bytes);
    sequencer_ask(
        sequencer,
        "SELECT id, channel, channel_offset, at, action, client, options, payload, message"
        " FROM herald.read_log($1, $2, $3)",
        &params, on_log);
}

static void settle_doubt(struct sequencer *sequencer)
{
    /* What is stored, but could not be delivered from the log: of another epoch, or trimmed. */
    while (sequencer->is_found && sequencer->n_flight > 0) {
        complete_oldest(sequencer);
    }
    if (sequencer->n_flight > 0) {
        log_info("%zu messages were in a batch that did not commit; they are sent again",
                 sequencer->n_flight);
        sequencer->n_flight = 0;
    }
    sequencer->has_doubt = false;
}

static void continue_catching_up(struct sequencer *sequencer)
{
    if (sequencer->delivered < sequencer->target) {
        read_log(sequencer);
        return;
    }
    if (sequencer->has_doubt) {
        settle_doubt(sequencer);
    }
    sequencer->phase = SEQUENCER_PHASE_SERVING;
    if (sequencer->stash) {
        PGresult *rows = sequencer->stash;
        sequencer->stash = NULL;
        deliver_batch(sequencer, rows);
        PQclear(rows);
    }
    sequencer_go_on(sequencer);
}

void sequencer_catch_up(struct sequencer *sequencer, uint64_t target)
{
    sequencer->target = target;
    continue_catching_up(sequencer);
}

void sequencer_forget_batch(struct sequencer *sequencer)
{
    PQclear(sequencer->stash);
    sequencer->stash = NULL;
}

/* ---- the answer of a batch ---- */

/* How the trigger functions end a change that is announced by key only (sql/0004). A publish may
 * end so, too: it is a hint. */
static bool is_reduced(struct str payload)
{
    static const char end[] = ",\"truncated_to_key\":true},\"dbo_id\":0,\"row_id\":0}";
    size_t len = sizeof(end) - 1;
    return payload.len >= len && memcmp(payload.ptr + payload.len - len, end, len) == 0;
}

static void deliver_batch(struct sequencer *sequencer, const PGresult *rows)
{
    bool has_changes = false, has_reduced = false;
    for (int i = 0; i < PQntuples(rows); i++) {
        bool is_message = !PQgetisnull(rows, i, LOG_COLUMN_MESSAGE);
        has_changes |= !is_message;
        has_reduced |= !is_message && is_reduced(rows_text(rows, i, LOG_COLUMN_PAYLOAD));
        struct event *event = rows_log_event(rows, i);
        event_deliver(sequencer, event, is_message && sequencer->n_flight > 0);
        event_unref(event);
    }
    while (sequencer->n_flight > 0) {
        log_error("herald.sequence has committed a batch without one of its messages");
        refuse_oldest(sequencer);
    }
    if (has_changes) {
        sequencer->options.on_batch(sequencer->options.arg, has_reduced);
    }
}

/* A batch costs the machine half a millisecond even if it is small. Under a flow of single rows,
 * batches without a pause took one of two cores from the writers; so the pause grows with the flow,
 * until the batches are so large that their rows are what they cost. A backlog, which fills them by
 * rows or by bytes, is taken without any. */
static uint32_t pause_after(const struct sequencer *sequencer, uint32_t n_changes, size_t bytes)
{
    uint32_t pause_ms = n_changes / PAUSE_ROWS_PER_MS;
    if (n_changes >= sequencer->options.batch_rows / 4 ||
        bytes >= sequencer->options.batch_bytes / 4) {
        return 0;
    }
    return pause_ms < 1 ? 1 : pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
}

/* Whether to look again at once, and whether it is time to let go of the doorbell (sequencer.c). */
static void batch_judge(struct sequencer *sequencer, const PGresult *rows)
{
    uint32_t n_changes = 0;
    size_t bytes = 0;
    for (int i = 0; i < PQntuples(rows); i++) {
        if (PQgetisnull(rows, i, LOG_COLUMN_MESSAGE)) {
            n_changes++;
            bytes += (size_t)PQgetlength(rows, i, LOG_COLUMN_PAYLOAD);
        }
    }
    if (n_changes == 0) {
        sequencer->n_hits = 0;
        return;
    }
    sequencer->n_hits++;
    sequencer->pause_ms = pause_after(sequencer, n_changes, bytes);
    sequencer->wants_look = sequencer->pause_ms == 0;
    sequencer->backoff_ms = 0;
    sequencer->wants_wake = sequencer->is_holding && (sequencer->is_due || sequencer->n_hits > 1);
}

static void take_batch(struct sequencer *sequencer, const struct query_result *result)
{
    const PGresult *rows = result->rows;
    connection_settle(sequencer->connection);
    metrics_count(sequencer->options.counts, METRIC_BATCHES);
    metrics_add(sequencer->options.counts, METRIC_BATCH_ROWS, (uint64_t)PQntuples(rows));
    if (sequencer->n_flight == 0) {
        sequencer->is_probed = true;
    }
    batch_judge(sequencer, rows);
    if (sequencer->options.on_looked) {
        sequencer->options.on_looked(sequencer->options.arg, PQntuples(rows) > 0);
    }
    uint64_t first = PQntuples(rows) > 0 ? rows_u64(rows, 0, LOG_COLUMN_ID) : 0;
    if (first == 0) { /* nothing was pending, or only what reached no channel */
        sequencer_go_on(sequencer);
    } else if (first <= sequencer->delivered) {
        connection_drop(sequencer->connection, "the numbers of the log went back");
    } else if (first > sequencer->delivered + 1) {
        sequencer->stash = query_take_rows(result);
        sequencer_catch_up(sequencer, first - 1);
    } else {
        deliver_batch(sequencer, rows);
        sequencer_go_on(sequencer);
    }
}

/* Errors that the data of a message can be the reason of: cardinality, data, constraint, limit,
 * raised. */
static bool is_data_error(const char *sqlstate)
{
    static const char *const classes[] = {"21", "22", "23", "54", "P0"};
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++) {
        if (strncmp(sqlstate, classes[i], 2) == 0) {
            return true;
        }
    }
    return false;
}

static void batch_isolate(struct sequencer *sequencer, const struct query_result *result)
{
    if (sequencer->n_flight == 1 && sequencer->n_alone > 0 && sequencer->is_probed) {
        log_warn("a client's message is refused by the database: %s %s", result->sqlstate,
                 result->message);
        refuse_oldest(sequencer);
    } else if (sequencer->n_flight > sequencer->n_alone) {
        sequencer->n_alone = sequencer->n_flight;
    }
    sequencer->n_flight = 0;
    sequencer->is_probed = false;
    sequencer->wants_look = true;
    sequencer_go_on(sequencer);
}

static void on_batch(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    bool is_error = !result->is_lost && !result->rows;
    if (is_error && strcmp(result->sqlstate, "55000") == 0) {
        sequencer->is_busy = false;
        sequencer_open(sequencer); /* which finds out that this batch does not exist */
    } else if (is_error && sequencer->n_flight > 0 && is_data_error(result->sqlstate)) {
        sequencer->is_busy = false;
        batch_isolate(sequencer, result);
    } else if (sequencer_answered(sequencer, result, "herald.sequence")) {
        take_batch(sequencer, result);
    }
}

/* ---- sending ---- */

static void add_messages(const struct sequencer *sequencer, struct params *params,
                         struct str (*part)(const struct event *))
{
    params_array_begin(params, sequencer->n_flight);
    for (size_t i = 0; i < sequencer->n_flight; i++) {
        params_array_add(params, part(messages_at(&sequencer->messages, i)->event));
    }
    params_array_end(params);
}

static struct str event_channel(const struct event *event)
{
    return event->f.channel;
}

static struct str event_client(const struct event *event)
{
    return event->f.client;
}

static struct str event_payload(const struct event *event)
{
    return event->f.payload;
}

static size_t batch_size(const struct sequencer *sequencer)
{
    if (sequencer->n_alone > 0) {
        return sequencer->is_probed ? 1 : 0;
    }
    return messages_fit(&sequencer->messages, sequencer->options.batch_rows,
                        sequencer->options.batch_bytes);
}

void sequencer_send_batch(struct sequencer *sequencer)
{
    assert(sequencer->n_flight == 0);
    sequencer->n_flight = batch_size(sequencer);
    snprintf(sequencer->batch, sizeof(sequencer->batch), "%s-%llu", sequencer->base,
             (unsigned long long)++sequencer->n_batches);
    struct params params = {0};
    params_text(&params, str_of(sequencer->batch));
    params_int(&params, (int32_t)sequencer->options.batch_rows);
    params_int(&params, (int32_t)sequencer->options.batch_bytes);
    add_messages(sequencer, &params, event_channel);
    add_messages(sequencer, &params, event_client);
    add_messages(sequencer, &params, rows_options);
    add_messages(sequencer, &params, event_payload);
    sequencer_ask(
        sequencer,
        "SELECT id, channel, channel_offset, at, action, client, options, payload, message"
        " FROM herald.sequence($1, $2, $3, $4, $5, $6, $7)",
        &params, on_batch);
}
