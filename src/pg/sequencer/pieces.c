/* SPDX-License-Identifier: PostgreSQL */
/* The log over the bus. After each commit a node tells the others what it has stored. Who hears it
 * applies what is next, in the order of the ids, each once:
 *
 *      last <= mine                  it was here already
 *      first <= mine + 1 <= last     the tail of it is next
 *      first > mine + 1              held, until what is before it came or was read (follow.c)
 *
 * A piece of another epoch or another term than ours is not applied: it only makes us ask our own
 * Postgres, which is the one that says what epoch and term there are. What a piece holds was
 * committed, so whatever is wrong with one costs a read of the log and nothing else. */
#include "pg/pieces/piece.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "pg/sequencer/internal.h"

/* ---- telling ---- */

/* What does not go out is missed by who hears the next piece, or the next beat. */
static void tell_piece(void *arg, struct str body)
{
    const struct sequencer *sequencer = arg;
    const struct bus *bus = sequencer->options.bus;
    (void)bus->send(bus->ctx, BUS_KIND_ROWS, NULL, body);
}

void sequencer_publish(struct sequencer *sequencer)
{
    sequencer->is_altered_untold |= sequencer->batch.is_altered;
    if (sequencer->batch.n == 0) {
        return;
    }
    struct piece_head head = {
        .term = sequencer->term,
        .epoch = str_of(sequencer->epoch),
        .is_altered = sequencer->is_altered_untold,
    };
    sequencer->is_altered_untold = false;
    piece_cut(&sequencer->batch, head, tell_piece, sequencer);
}

/* ---- applying ---- */

enum verdict { VERDICT_OLD, VERDICT_NEXT, VERDICT_EARLY, VERDICT_BAD };

/* EARLY: something has to be known first; shapes that are missing are wished for. */
static enum verdict judge_rows(struct sequencer *sequencer, const struct piece_head *head,
                               struct parcel rows)
{
    struct piece_row row;
    sequencer->piece_wish.n = 0;
    for (uint32_t i = 0; i < head->n_rows; i++) {
        if (!piece_read_row(&rows, head, &row)) {
            return VERDICT_BAD;
        }
        if (row.has_shape) {
            shapes_want(sequencer->options.shapes, row.shape, &sequencer->piece_wish);
        }
    }
    if (!parcel_is_done(&rows)) {
        return VERDICT_BAD;
    }
    return sequencer->piece_wish.n > 0 ? VERDICT_EARLY : VERDICT_NEXT;
}

static void deliver_rows(struct sequencer *sequencer, const struct piece_head *head,
                         struct parcel rows)
{
    struct piece_row row;
    for (uint64_t id = head->first; id <= head->last && piece_read_row(&rows, head, &row); id++) {
        if (id <= sequencer->delivered) {
            continue;
        }
        row.fields.id = id;
        row.fields.shape =
            row.has_shape ? shapes_find_logged(sequencer->options.shapes, row.shape) : NULL;
        struct event *event = rows_event(&row.fields, row.options);
        sequencer_deliver(sequencer, event, false);
        event_unref(event);
        metrics_count(sequencer->options.counts, METRIC_PIECE_ROWS);
    }
    sequencer->newest =
        sequencer->delivered > sequencer->newest ? sequencer->delivered : sequencer->newest;
}

/* One whose first row is at hand; nth: how many were heard before it. */
static enum verdict apply(struct sequencer *sequencer, const struct piece_head *head,
                          struct parcel rows, uint64_t nth)
{
    if (head->last <= sequencer->delivered) {
        return VERDICT_OLD;
    }
    if (head->first > sequencer->delivered + 1 || sequencer->is_catching_up ||
        sequencer_is_behind(sequencer) || (head->is_altered && nth >= sequencer->n_sited)) {
        return VERDICT_EARLY;
    }
    enum verdict verdict = judge_rows(sequencer, head, rows);
    if (verdict == VERDICT_NEXT) {
        deliver_rows(sequencer, head, rows);
    }
    return verdict;
}

void sequencer_apply_pieces(struct sequencer *sequencer)
{
    const struct held *held;
    while ((held = hold_first(sequencer->hold)) != NULL) {
        struct piece_head head;
        struct parcel rows;
        (void)piece_open((struct str){held->body, held->len}, &head, &rows);
        enum verdict verdict = apply(sequencer, &head, rows, held->nth);
        if (verdict == VERDICT_EARLY) {
            return;
        }
        hold_drop_first(sequencer->hold);
    }
}

static void on_piece_shapes(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (sequencer_answered(sequencer, result, "reading shapes")) {
        shapes_take(sequencer->options.shapes, &sequencer->wish, result->rows);
        sequencer_go_on(sequencer);
    }
}

bool sequencer_ask_for_pieces(struct sequencer *sequencer)
{
    const struct held *held = hold_first(sequencer->hold);
    struct piece_head head;
    struct parcel rows;
    if (!held || held->first > sequencer->delivered + 1) {
        return false;
    }
    (void)piece_open((struct str){held->body, held->len}, &head, &rows);
    if (head.is_altered && held->nth >= sequencer->n_sited) {
        sequencer_ask_version(sequencer, sequencer_go_on);
        return true;
    }
    if (judge_rows(sequencer, &head, rows) != VERDICT_EARLY) {
        return false;
    }
    /* Another piece may be judged before the answer comes, which says nothing of that one's. */
    struct shape_wish asked = sequencer->piece_wish;
    sequencer->piece_wish = sequencer->wish;
    sequencer->wish = asked;
    struct params params = {0};
    shape_wish_params(&sequencer->wish, &params);
    sequencer_ask(sequencer, SHAPES_QUERY, &params, on_piece_shapes);
    return true;
}

/* ---- hearing ---- */

static bool is_of_ours(const struct sequencer *sequencer, const struct piece_head *head)
{
    return sequencer->phase == SEQUENCER_PHASE_SERVING && head->term == sequencer->term &&
           str_equals(head->epoch, str_of(sequencer->epoch));
}

static void take_piece(struct sequencer *sequencer, struct str body)
{
    struct piece_head head;
    struct parcel rows;
    uint64_t nth = sequencer->n_heard++;
    if (!piece_open(body, &head, &rows)) {
        log_debug("a piece of the log that makes no sense was heard");
        return;
    }
    if (!is_of_ours(sequencer, &head) || head.n_rows == 0) {
        sequencer_hint(sequencer, head.last);
        return;
    }
    bool is_first = hold_first(sequencer->hold) == NULL;
    enum verdict verdict = is_first ? apply(sequencer, &head, rows, nth) : VERDICT_EARLY;
    if (verdict == VERDICT_EARLY && head.last > sequencer->delivered) {
        (void)hold_add(sequencer->hold, head.first, head.last, nth, body);
        sequencer_apply_pieces(sequencer);
    }
    /* What is before it, or it itself if it could not be kept: Postgres says whether it is there. */
    sequencer_hint(sequencer, head.last);
}

void sequencer_hear(struct sequencer *sequencer, struct str body)
{
    if (!sequencer->options.bus) {
        return;
    }
    sequencer->heard_ms = clock_ms();
    take_piece(sequencer, body);
    /* Only then: who leads pauses between two looks, which must not begin anew with each piece. */
    if (sequencer->is_stashed) {
        loop_timer_start(sequencer->soon_timer, 0, 0);
    }
}
