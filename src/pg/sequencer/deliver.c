/* SPDX-License-Identifier: PostgreSQL */
/* Telling the sink what has been committed, in the order of the log.
 *
 * Numbers are dense over the whole log, so a batch that does not begin right behind the last
 * delivered number means that there is something in between (another server's batch); it is read
 * from the log first.
 *
 * A connection that is lost while a batch is under way leaves a doubt: it may have committed. Its
 * messages stay where they are, at the front of the queue, and its name is kept. The next connection
 * asks for that name. If it is there, the log has the rows: catching up delivers them, and our
 * messages among them are known by their content (the sender's socket id, which is ours alone, is
 * in each, and they are in our order). If it is not there, it did not commit, or so many batches
 * of another server followed that its name is forgotten: so they are looked for as well, and those
 * that do not turn up go with the next batch. Neither lost nor doubled. */
#include "base/log.h"
#include "pg/sequencer/internal.h"

/* ---- delivering ---- */

static void message_left(struct sequencer *sequencer)
{
    sequencer->n_flight--;
    if (sequencer->n_alone > 0) {
        sequencer->n_alone--;
    }
}

static void tell_receipt(struct sequencer *sequencer, const struct message *message,
                         struct store_receipt receipt)
{
    receipt.ref = ticket_ref(message->ticket);
    if (receipt.ref.ptr) {
        receipt.sender = message->sender;
        receipt.channel = message->event->f.channel;
        sequencer->sink.on_receipt(sequencer->sink.ctx, &receipt);
    }
}

/* The oldest message has been stored, and its event was told. */
static void complete_oldest(struct sequencer *sequencer)
{
    struct message message = messages_pop(&sequencer->messages);
    message_left(sequencer);
    sequencer->sink.on_append_done(sequencer->sink.ctx, message.sender);
    message_release(&message);
}

void sequencer_complete_duplicate(struct sequencer *sequencer, size_t i, struct str epoch,
                                  uint64_t offset)
{
    struct message message = messages_take(&sequencer->messages, i);
    struct store_receipt receipt = {.epoch = epoch, .offset = offset, .is_duplicate = true};
    message_left(sequencer);
    tell_receipt(sequencer, &message, receipt);
    sequencer->sink.on_append_done(sequencer->sink.ctx, message.sender);
    message_release(&message);
}

void sequencer_refuse_oldest(struct sequencer *sequencer)
{
    struct message message = messages_pop(&sequencer->messages);
    sequencer->n_flight--;
    sequencer->n_alone--;
    sequencer->sink.on_append_failed(sequencer->sink.ctx, message.sender, message.event->f.channel,
                                     ticket_ref(message.ticket));
    message_release(&message);
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

/* What others have stored; our own batch's heads are known before it is told. */
static void note_head(struct sequencer *sequencer, const struct event *event)
{
    struct head *head;
    if (event->f.id != sequencer->heads_id + 1) {
        return;
    }
    sequencer->heads_id++;
    HASH_FIND(hh, sequencer->heads.by_name, event->f.channel.ptr, event->f.channel.len, head);
    if (head && head->is_known && event->f.offset > head->offset) {
        head->offset = event->f.offset;
    }
}

void sequencer_deliver(struct sequencer *sequencer, struct event *event, bool is_ours)
{
    if (event->f.id != sequencer->delivered + 1) {
        log_error(
            "events %llu to %llu left the log before they could be delivered: sessions start anew",
            (unsigned long long)sequencer->delivered + 1, (unsigned long long)event->f.id - 1);
        sequencer_void_positions(sequencer);
    }
    sequencer->delivered = event->f.id;
    note_head(sequencer, event);
    if (is_ours) {
        tell_receipt(
            sequencer, messages_at(&sequencer->messages, 0),
            (struct store_receipt){.epoch = str_of(sequencer->epoch), .offset = event->f.offset});
    }
    sequencer->sink.on_event(sequencer->sink.ctx, event);
    if (is_ours) {
        complete_oldest(sequencer);
    }
}

/* ---- catching up from the log ---- */

static void continue_catching_up(struct sequencer *sequencer);

static bool is_in_doubt(const struct sequencer *sequencer, const struct event *event)
{
    return sequencer->has_doubt && sequencer->n_flight > 0 && event->f.id <= sequencer->found &&
           is_same_message(event, messages_at(&sequencer->messages, 0)->event);
}

static void deliver_log(struct sequencer *sequencer, const PGresult *rows)
{
    uint64_t before = sequencer->delivered;
    metrics_add(sequencer->options.counts, METRIC_LOG_READ_ROWS, (uint64_t)PQntuples(rows));
    for (int i = 0; i < PQntuples(rows); i++) {
        struct event *event = rows_log_event(rows, i, sequencer->options.shapes);
        if (event->f.id > sequencer->delivered && event->f.id <= sequencer->target) {
            sequencer_deliver(sequencer, event, is_in_doubt(sequencer, event));
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

static void on_log_shapes(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    PGresult *rows = sequencer->log;
    sequencer->log = NULL;
    if (sequencer_answered(sequencer, result, "reading shapes")) {
        shapes_take(sequencer->options.shapes, &sequencer->wish, result->rows);
        deliver_log(sequencer, rows);
    }
    PQclear(rows);
}

static void ask_log_shapes(struct sequencer *sequencer)
{
    sequencer->wish.n = 0;
    shapes_want_column(sequencer->options.shapes, sequencer->log, LOG_COLUMN_SHAPE,
                       &sequencer->wish);
    if (sequencer->wish.n == 0) {
        PGresult *rows = sequencer->log;
        sequencer->log = NULL;
        deliver_log(sequencer, rows);
        PQclear(rows);
        return;
    }
    struct params params = {0};
    shape_wish_params(&sequencer->wish, &params);
    sequencer_ask(sequencer, SHAPES_QUERY, &params, on_log_shapes);
}

static void on_log(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "herald.read_log")) {
        return;
    }
    sequencer->log = query_take_rows(result);
    /* Among these rows there may be those before which a watch was altered: only who sequenced them
     * has seen it. */
    if (sequencer->options.bus && sequencer->phase == SEQUENCER_PHASE_SERVING) {
        sequencer_ask_version(sequencer, ask_log_shapes);
    } else {
        ask_log_shapes(sequencer);
    }
}

static void read_log(struct sequencer *sequencer)
{
    metrics_count(sequencer->options.counts, METRIC_LOG_READS);
    struct params params = {0};
    params_bigint(&params, (int64_t)sequencer->delivered);
    params_int(&params, (int32_t)sequencer->options.batch_rows);
    params_int(&params, (int32_t)sequencer->options.batch_bytes);
    sequencer_ask(sequencer,
                  "SELECT id, channel, channel_offset, at, action, client, options, payload, xid,"
                  " shape, kept FROM herald.read_log($1, $2, $3)",
                  &params, on_log);
}

static void settle_doubt(struct sequencer *sequencer)
{
    /* What is stored, but could not be delivered from the log: of another epoch, or trimmed. */
    while (sequencer->is_found && sequencer->n_flight > 0) {
        tell_receipt(sequencer, messages_at(&sequencer->messages, 0), (struct store_receipt){0});
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
    bool is_waiting = sequencer->options.bus && sequencer->phase == SEQUENCER_PHASE_SERVING &&
                      !sequencer->is_stashed && sequencer_is_behind(sequencer);
    if (sequencer->delivered < sequencer->target && !is_waiting) {
        read_log(sequencer);
        return;
    }
    sequencer->is_catching_up = false;
    if (sequencer->has_doubt) {
        settle_doubt(sequencer);
    }
    sequencer->phase = SEQUENCER_PHASE_SERVING;
    sequencer_deliver_stash(sequencer);
    sequencer_go_on(sequencer);
}

void sequencer_catch_up(struct sequencer *sequencer, uint64_t target)
{
    sequencer->target = target;
    sequencer->is_catching_up = true;
    continue_catching_up(sequencer);
}

/* ---- a batch ---- */

static void batch_end(struct sequencer *sequencer, bool has_all)
{
    struct batch *batch = &sequencer->batch;
    if (batch->n_rows > 0) {
        sequencer->options.on_batch(sequencer->options.arg);
    }
    for (size_t i = 0; i < batch->n_blemishes; i++) {
        sequencer->options.on_blemish(sequencer->options.arg, &batch->blemishes[i]);
    }
    if (!sequencer->is_without_rows) {
        sequencer_note_look(sequencer, has_all);
    }
    batch_clear(batch);
}

static void batch_deliver(struct sequencer *sequencer)
{
    struct batch *batch = &sequencer->batch;
    size_t n_rows = batch->n - batch->n_messages;
    sequencer->is_stashed = false;
    for (size_t i = 0; i < batch->n; i++) {
        sequencer_deliver(sequencer, batch->places[i].event, i >= n_rows);
    }
    batch_end(sequencer, batch->is_all);
}

/* What is before it was told meanwhile. */
void sequencer_deliver_stash(struct sequencer *sequencer)
{
    if (sequencer->is_stashed && sequencer->delivered >= batch_newest(&sequencer->batch)) {
        batch_deliver(sequencer);
    }
}

void sequencer_deliver_batch(struct sequencer *sequencer, uint64_t newest)
{
    bool is_shared = sequencer->options.bus != NULL;
    if (is_shared && sequencer->batch.n_messages == 0 && sequencer_is_behind(sequencer)) {
        batch_end(sequencer, false); /* our own sessions get it from the log, later */
        sequencer_go_on(sequencer);
    } else if (newest <= sequencer->delivered) {
        batch_deliver(sequencer);
        sequencer_go_on(sequencer);
    } else if (is_shared) {
        sequencer->is_stashed = true; /* others are about to tell us what is before it */
        sequencer_go_on(sequencer);
    } else {
        sequencer->is_stashed = true;
        sequencer_catch_up(sequencer, newest);
    }
}

void sequencer_forget_batch(struct sequencer *sequencer)
{
    sequencer->is_stashed = sequencer->is_catching_up = false;
    PQclear(sequencer->log);
    sequencer->log = NULL;
    batch_clear(&sequencer->batch);
    heads_clear(&sequencer->heads);
    emptied_clear(&sequencer->emptied);
}
