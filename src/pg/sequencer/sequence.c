/* SPDX-License-Identifier: PostgreSQL */
/* One batch is one transaction:
 *
 *   BEGIN, take       outbox rows and where the log stands; from here on we have the fence
 *   shapes            only if rows have a shape that is not known
 *   emptied           only for a TRUNCATE: the channels of its template
 *   find_sent         only if messages have keys: those that are there already are answered and leave
 *   heads             only if there are channels whose newest offset is not known
 *   store, COMMIT     events with their numbers
 *
 * so two round trips as a rule; behind them, if a watch has changed, one for the site: who has rows from before hears of that
 * first. The sink hears of a batch when COMMIT has answered COMMIT, never
 * earlier. Numbers are made here, in memory: what fails, for whatever reason, forgets all heads,
 * and so does a position that is not the one behind our last batch.
 *
 * A message that Postgres cannot store (bytes that are no text in the database's encoding) fails
 * its whole batch. Then those messages go one by one, each without a row of the outbox, and who
 * fails alone is refused. The outbox has every other batch, for itself.
 *
 * If the outbox is the reason, the batch is halved until the row is alone. It is skipped, counted
 * and logged: nothing that anybody writes there can wedge the sequencer. The same if the session was
 * lost three times over the same rows, and they are large: what takes longer than Postgres, or
 * another node, waits for us takes as long the next time. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "pg/sequencer/internal.h"

enum {
    PAUSE_ROWS_PER_MS = 4,
    PAUSE_MAX_MS = 5,
    FLOW_BATCHES = 8,
    MISSES_MAX = 3,
    LARGE_BYTES = 8 << 20, /* of rows: less than that is no reason to lose a session */
    LOST_MAX = 3,
    SLOW_LOOK_MS = 20,
};

/* ---- when it has failed ---- */

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

/* The batch under way is one message that may be at fault. */
static bool is_alone(const struct sequencer *sequencer)
{
    return sequencer->n_alone > 0 && sequencer->n_flight > 0;
}

static void batch_isolate(struct sequencer *sequencer, const struct query_result *result)
{
    if (is_alone(sequencer)) {
        log_warn("a client's message is refused by the database: %s %s", result->sqlstate,
                 result->message);
        sequencer_refuse_oldest(sequencer);
    } else {
        sequencer->n_alone = sequencer->n_flight;
    }
    sequencer->n_flight = 0;
    sequencer->is_outbox_next = true;
    sequencer->wants_look = true;
}

/* Half of the rows, until it is one: that one it is. */
static void batch_halve(struct sequencer *sequencer, const char *sqlstate, const char *message)
{
    const struct batch *batch = &sequencer->batch;
    if (batch->last_row == 1) {
        sequencer->poison_id = batch_row_id(batch, 1);
        log_error("row %llu of the outbox cannot be stored and is skipped: %s %s",
                  (unsigned long long)sequencer->poison_id, sqlstate, message);
    }
    sequencer->few_rows = (size_t)(batch->last_row + 1) / 2;
    sequencer->wants_look = true;
}

void sequencer_note_lost_batch(struct sequencer *sequencer, const char *reason)
{
    const struct batch *batch = &sequencer->batch;
    if (batch->last_row == 0 || batch->row_bytes < LARGE_BYTES || sequencer->is_stashed) {
        return;
    }
    uint64_t id = batch_largest_id(batch);
    sequencer->n_lost = id == sequencer->lost_id ? sequencer->n_lost + 1 : 1;
    sequencer->lost_id = id;
    if (sequencer->n_lost >= LOST_MAX) {
        batch_halve(sequencer, "too large,", reason);
    }
}

static void on_rolled_back(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "ROLLBACK")) {
        return;
    }
    if (sequencer->is_overtaken) {
        sequencer->is_overtaken = false;
        sequencer_open(sequencer); /* which finds out that this batch does not exist */
    } else {
        sequencer_go_on(sequencer);
    }
}

/* True: the answer can be used. */
static bool batch_answered(struct sequencer *sequencer, const struct query_result *result,
                           const char *what)
{
    bool is_error = !result->is_lost && !result->rows;
    bool is_overtaken = is_error && strcmp(result->sqlstate, "55000") == 0;
    bool is_data = is_error && is_data_error(result->sqlstate);
    bool is_isolated = is_data && sequencer->n_flight > 0;
    bool is_halved = is_data && !is_isolated && sequencer->batch.last_row > 0;
    if (!is_overtaken && !is_isolated && !is_halved) {
        return sequencer_answered(sequencer, result, what);
    }
    sequencer->is_busy = false;
    sequencer->is_overtaken = is_overtaken;
    if (is_isolated) {
        batch_isolate(sequencer, result);
    } else if (is_halved) {
        batch_halve(sequencer, result->sqlstate, result->message);
    }
    sequencer_forget_batch(sequencer);
    sequencer_ask(sequencer, "ROLLBACK", NULL, on_rolled_back);
    return false;
}

/* ---- when it is committed ---- */

/* A batch costs the machine half a millisecond even if it is small. Under a flow of single rows,
 * batches without a pause took one of two cores from the writers; so the pause grows with the flow,
 * as the last batches show it, until they are so large that their rows are what they cost. A flow
 * that brings one or two rows a batch is not held up. Neither is a backlog, which fills them by rows or
 * by bytes. */
static uint32_t pause_after(struct sequencer *sequencer, const struct batch *batch)
{
    uint32_t n_rows = (uint32_t)batch->n_rows, pause_ms;
    sequencer->flow_rows += n_rows - sequencer->flow_rows / FLOW_BATCHES;
    pause_ms = sequencer->flow_rows / FLOW_BATCHES / PAUSE_ROWS_PER_MS;
    if (!batch->is_all || n_rows >= sequencer->options.batch_rows / 4 ||
        batch->row_bytes >= sequencer->options.batch_bytes / 4) {
        return 0;
    }
    return pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
}

/* Whether to look again at once, and whether it is time to let go of the doorbell, or to take it
 * (sequencer.c). A lone change is no flow: whoever comes behind it rings. And one look that finds
 * nothing is no end of one: whoever goes to sleep in it makes the next writer ring, and wakes again. */
static void batch_judge(struct sequencer *sequencer)
{
    const struct batch *batch = &sequencer->batch;
    if (sequencer->is_without_rows) {
        sequencer->wants_look = true;
        return;
    }
    if (batch->n_rows == 0 && batch->is_all) {
        sequencer->n_misses++;
        sequencer->pause_ms = sequencer->n_misses < MISSES_MAX && !sequencer->is_holding ? 1 : 0;
        return;
    }
    bool is_lone = sequencer->is_holding && batch->is_all && !sequencer->is_due;
    sequencer->n_misses = 0;
    sequencer->backoff_ms = 0;
    sequencer->pause_ms = is_lone ? 0 : pause_after(sequencer, batch);
    sequencer->wants_look = !is_lone && sequencer->pause_ms == 0;
    sequencer->wants_wake = sequencer->is_holding && !is_lone;
}

static void batch_count(struct sequencer *sequencer, bool has_found)
{
    connection_settle(sequencer->connection);
    metrics_count(sequencer->options.counts, METRIC_BATCHES);
    metrics_add(sequencer->options.counts, METRIC_BATCH_ROWS, sequencer->batch.n);
    sequencer->is_outbox_next = is_alone(sequencer);
    size_t max_rows = sequencer->options.batch_rows;
    sequencer->few_rows = sequencer->few_rows * 2 < max_rows ? sequencer->few_rows * 2 : 0;
    sequencer->poison_id = 0;
    batch_judge(sequencer);
    if (sequencer->options.on_looked) {
        sequencer->options.on_looked(sequencer->options.arg, has_found);
    }
}

static void deliver_stored(struct sequencer *sequencer)
{
    sequencer_deliver_batch(sequencer, batch_newest(&sequencer->batch));
}

static void on_stored(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!batch_answered(sequencer, result, "herald.store")) {
        return;
    }
    if (strcmp(result->tag, "COMMIT") != 0) {
        connection_drop(sequencer->connection, "a batch was rolled back by the database");
        return;
    }
    sequencer->position = batch_position(&sequencer->batch) + 1;
    sequencer->is_slow = false;
    batch_count(sequencer, true);
    sequencer_note_stored(sequencer);
    if (sequencer->batch.is_altered) {
        sequencer_ask_version(sequencer, deliver_stored);
    } else {
        deliver_stored(sequencer);
    }
}

/* An idle look leaves the cursor where it is, so each one walks over all that was written since by somebody
 * who is still in progress. One that took long for it is followed by one that moves the cursor: those
 * behind it pass over him. */
static void on_nothing(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (sequencer_answered(sequencer, result, "COMMIT")) {
        sequencer->is_slow = clock_ms() - sequencer->looked_ms >= SLOW_LOOK_MS;
        sequencer->batch.is_all = true;
        sequencer->is_fresh = true; /* there is no difference that it could go on with */
        batch_count(sequencer, false);
        sequencer_note_look(sequencer,
                            !sequencer->options.bus || sequencer->delivered >= sequencer->newest);
        sequencer_go_on(sequencer);
    }
}

/* ---- the transaction ---- */

static void batch_store(struct sequencer *sequencer)
{
    static const char *const commit[] = {"COMMIT", NULL};
    struct params params = {0};
    batch_number(&sequencer->batch);
    batch_params(&sequencer->batch, &params);
    sequencer_ask_framed(sequencer, (struct query_frame){.behind = commit},
                         "SELECT herald.store($1, $2, $3, $4::pg_catalog.pg_snapshot, $5, $6, $7,"
                         " $8::pg_catalog.timestamptz, $9, $10, $11, $12, $13, $14, $15, $16, $17,"
                         " $18, $19)",
                         &params, on_stored);
}

static void on_heads(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    const struct batch *batch = &sequencer->batch;
    if (!batch_answered(sequencer, result, "herald.heads")) {
        return;
    }
    if ((size_t)PQntuples(result->rows) != batch->n_unknown) {
        connection_drop(sequencer->connection, "herald.heads did not answer for each channel");
        return;
    }
    for (size_t i = 0; i < batch->n_unknown; i++) {
        batch->unknown[i]->offset = rows_u64(result->rows, (int)i, 0);
    }
    batch_store(sequencer);
}

static void batch_ask_heads(struct sequencer *sequencer)
{
    const struct batch *batch = &sequencer->batch;
    struct params params = {0};
    params_array_begin(&params, batch->n_unknown);
    for (size_t i = 0; i < batch->n_unknown; i++) {
        params_array_add(&params, head_name(batch->unknown[i]));
    }
    params_array_end(&params);
    sequencer_ask(sequencer, "SELECT * FROM herald.heads($1)", &params, on_heads);
}

static struct batch_source batch_source(struct sequencer *sequencer)
{
    return (struct batch_source){
        .heads = &sequencer->heads,
        .shapes = sequencer->options.shapes,
        .emptied = &sequencer->emptied,
        .max_rows = sequencer->options.batch_rows,
        .max_bytes = sequencer->options.batch_bytes,
        .few_rows = sequencer->few_rows,
        .poison_id = sequencer->poison_id,
        .is_without_rows = sequencer->is_without_rows,
    };
}

static void batch_fill_up(struct sequencer *sequencer)
{
    struct batch *batch = &sequencer->batch;
    struct batch_source source = batch_source(sequencer);
    batch_fill(batch, &source);
    batch_add_messages(batch, &sequencer->heads, &sequencer->messages, sequencer->n_flight);
    if (batch->n_unknown > 0) {
        batch_ask_heads(sequencer);
    } else {
        batch_store(sequencer);
    }
}

/* From the last one to the first, so that places stay what they were. What is in the log was
 * committed, whatever becomes of this batch. */
static void on_sent_found(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!batch_answered(sequencer, result, "herald.find_sent")) {
        return;
    }
    for (int row = 0; row < PQntuples(result->rows); row++) {
        uint64_t nth = rows_u64(result->rows, row, 0);
        if (nth > 0 && nth <= sequencer->n_flight) {
            sequencer_complete_duplicate(sequencer, (size_t)nth - 1,
                                         rows_text(result->rows, row, 1),
                                         rows_u64(result->rows, row, 2));
        }
    }
    batch_fill_up(sequencer);
}

typedef struct str message_part(const struct message *message);

static struct str message_by(const struct message *message)
{
    return ticket_by(message->ticket);
}

static struct str message_key(const struct message *message)
{
    return ticket_key(message->ticket);
}

static struct str message_channel(const struct message *message)
{
    return message->event->f.channel;
}

static void add_parts(const struct sequencer *sequencer, struct params *params, message_part *part)
{
    params_array_begin(params, sequencer->n_flight);
    for (size_t i = 0; i < sequencer->n_flight; i++) {
        params_array_add(params, part(messages_at(&sequencer->messages, i)));
    }
    params_array_end(params);
}

static void batch_make(struct sequencer *sequencer)
{
    struct params params = {0};
    if (sequencer->n_keyed == 0) {
        batch_fill_up(sequencer);
        return;
    }
    add_parts(sequencer, &params, message_by);
    add_parts(sequencer, &params, message_key);
    add_parts(sequencer, &params, message_channel);
    params_text(&params, str_of(sequencer->epoch));
    sequencer_ask(sequencer,
                  "SELECT nth, epoch, channel_offset FROM herald.find_sent($1, $2, $3, $4)",
                  &params, on_sent_found);
}

static void on_emptied(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (batch_answered(sequencer, result, "herald.emptied")) {
        sequencer->batch.emptied = query_take_rows(result);
        batch_make(sequencer);
    }
}

static void batch_ask_emptied(struct sequencer *sequencer)
{
    struct batch_source source = batch_source(sequencer);
    struct buf template = {0};
    struct str after;
    if (!batch_wants_emptied(&sequencer->batch, &source, &template, &after)) {
        batch_make(sequencer);
        return;
    }
    struct params params = {0};
    params_text(&params, buf_span(&template));
    params_text(&params, after);
    params_int(&params, (int32_t)sequencer->options.batch_rows);
    buf_release(&template);
    sequencer_ask(sequencer, "SELECT * FROM herald.emptied($1, $2, $3)", &params, on_emptied);
}

static void on_shapes(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (batch_answered(sequencer, result, "reading shapes")) {
        shapes_take(sequencer->options.shapes, &sequencer->wish, result->rows);
        batch_ask_emptied(sequencer);
    }
}

/* Who leads has opened another one: what would be stored now, and told with the old one's name, means
 * nothing to sessions that know the old one. */
static void leave_epoch(struct sequencer *sequencer)
{
    sequencer->is_overtaken = true;
    sequencer_forget_batch(sequencer);
    sequencer_ask(sequencer, "ROLLBACK", NULL, on_rolled_back);
}

static void batch_begin(struct sequencer *sequencer)
{
    const struct batch *batch = &sequencer->batch;
    if (!str_equals(batch_epoch(batch), str_of(sequencer->epoch))) {
        leave_epoch(sequencer);
        return;
    }
    if (batch_newest(batch) < sequencer->delivered) {
        connection_drop(sequencer->connection, "the numbers of the log went back");
        return;
    }
    if (batch_position(batch) != sequencer->position) {
        emptied_clear(&sequencer->emptied);
    }
    if (batch_newest(batch) != sequencer->heads_id) {
        heads_clear(&sequencer->heads);
    }
    sequencer->wish.n = 0;
    batch_want_shapes(batch, sequencer->options.shapes, &sequencer->wish);
    if (sequencer->wish.n == 0) {
        batch_ask_emptied(sequencer);
        return;
    }
    struct params params = {0};
    shape_wish_params(&sequencer->wish, &params);
    sequencer_ask(sequencer, SHAPES_QUERY, &params, on_shapes);
}

static void on_taken(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!batch_answered(sequencer, result, "herald.take")) {
        return;
    }
    if (PQntuples(result->rows) == 0) {
        sequencer_ask(sequencer, "COMMIT", NULL, on_nothing);
        return;
    }
    sequencer->batch.rows = query_take_rows(result);
    batch_begin(sequencer);
}

static size_t batch_size(const struct sequencer *sequencer)
{
    if (!sequencer_has_messages(sequencer)) {
        return 0;
    }
    if (sequencer->n_alone > 0) {
        return sequencer->is_outbox_next && sequencer->is_leading ? 0 : 1;
    }
    return messages_fit(&sequencer->messages, sequencer->options.batch_rows,
                        sequencer->options.batch_bytes);
}

static void add_look(const struct sequencer *sequencer, struct params *params)
{
    bool is_without_rows = sequencer->is_without_rows;
    params_int(params, is_without_rows ? 0 : (int32_t)sequencer->options.batch_rows);
    params_int(params, (int32_t)sequencer->options.batch_bytes);
    params_bool(params, sequencer->n_flight > 0 || sequencer->is_slow);
    if (sequencer->options.bus && !is_without_rows) {
        params_bigint(params, (int64_t)sequencer->term);
    } else {
        params_null_bigint(params);
    }
}

void sequencer_send_batch(struct sequencer *sequencer)
{
    static const char *const begin[] = {"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", NULL};
    assert(sequencer->n_flight == 0 && !sequencer->is_stashed);
    sequencer->n_flight =
        messages_defer_repeats(&sequencer->messages, batch_size(sequencer), &sequencer->n_keyed);
    /* Also if that one turns out to be there already: what rows need is asked for before that. */
    sequencer->is_without_rows = is_alone(sequencer) || !sequencer->is_leading;
    if (!sequencer->is_without_rows) {
        sequencer->n_looks++;
        sequencer->is_fresh = sequencer->was_complete;
    }
    batch_clear(&sequencer->batch);
    heads_bound(&sequencer->heads);
    shapes_bound(sequencer->options.shapes);
    snprintf(sequencer->batch.name, sizeof(sequencer->batch.name), "%s-%llu", sequencer->base,
             (unsigned long long)++sequencer->n_batches);
    struct params params = {0};
    add_look(sequencer, &params);
    sequencer_ask_framed(sequencer, (struct query_frame){.before = begin},
                         "SELECT * FROM herald.take($1, $2, $3, $4)", &params, on_taken);
}
