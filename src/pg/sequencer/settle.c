/* SPDX-License-Identifier: PostgreSQL */
/* Who wants to know that all is told that had been committed when he asked, waits for a look that was
 * sent later. A look shows what was committed before it; but one that goes on with a difference that
 * is taken in pieces shows what the look saw that began it. So the answer is in the look that leaves
 * nothing behind, if the one that began was sent later than the question.
 *
 * Who wants to know of which transactions that is true, is told what a snapshot sees that was taken
 * before that look. It is asked for by a query of its own: a look that finds nothing returns nothing,
 * and most looks interest nobody. */
#include <stdlib.h>

#include "base/mem.h"
#include "pg/sequencer/internal.h"

#define LOOK_UNKNOWN UINT64_MAX /* its snapshot has not come */

struct settling {
    struct settling *next;
    uint64_t look;  /* this one, or a later one */
    char *snapshot; /* NULL: it has not come, or nobody wants it */
    store_settled_fn *done;
    void *arg;
};

void sequencer_settle(struct sequencer *sequencer, bool wants_snapshot, store_settled_fn *done,
                      void *arg)
{
    struct settling *settling = mem_zalloc(sizeof(*settling));
    settling->next = sequencer->settling;
    settling->look = wants_snapshot ? LOOK_UNKNOWN : sequencer->n_looks + 1;
    settling->done = done;
    settling->arg = arg;
    sequencer->settling = settling;
    sequencer->wants_snapshot |= wants_snapshot;
    sequencer->wants_look = true;
    if (sequencer->phase == SEQUENCER_PHASE_SERVING && !sequencer->is_busy) {
        loop_timer_start(sequencer->soon_timer, 0, 0);
    }
}

static void on_snapshot(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "pg_current_snapshot")) {
        sequencer->wants_snapshot = true;
        return;
    }
    for (struct settling *settling = sequencer->settling; settling; settling = settling->next) {
        if (settling->look == LOOK_UNKNOWN) {
            settling->look = sequencer->n_looks + 1;
            settling->snapshot = mem_strdup(PQgetvalue(result->rows, 0, 0));
        }
    }
    sequencer->wants_look = true;
    sequencer_go_on(sequencer);
}

void sequencer_ask_snapshot(struct sequencer *sequencer)
{
    sequencer->wants_snapshot = false;
    sequencer_ask(sequencer, "SELECT pg_catalog.pg_current_snapshot()", NULL, on_snapshot);
}

static void settle_up_to(struct sequencer *sequencer, uint64_t look, bool is_settled)
{
    struct settling **at = &sequencer->settling;
    while (*at) {
        struct settling *settling = *at;
        if (settling->look > look) {
            at = &settling->next;
            continue;
        }
        *at = settling->next;
        settling->done(settling->arg, is_settled, str_of(settling->snapshot));
        free(settling->snapshot);
        free(settling);
        at = &sequencer->settling; /* it may have asked again */
    }
}

void sequencer_note_look(struct sequencer *sequencer, bool has_all)
{
    if (sequencer->is_fresh) {
        sequencer->begun_look = sequencer->n_looks;
    }
    sequencer->was_complete = has_all;
    if (has_all) {
        settle_up_to(sequencer, sequencer->begun_look, true);
    }
    sequencer->wants_look |= sequencer->settling != NULL;
}

void sequencer_unsettle(struct sequencer *sequencer)
{
    settle_up_to(sequencer, UINT64_MAX, false);
}
