/* SPDX-License-Identifier: PostgreSQL */
/* Who wants to know that all is told that had been committed when he asked, waits for a look that was
 * sent later. A look shows what was committed before it; but one that goes on with a difference that
 * is taken in pieces shows what the look saw that began it. So the answer is in the look that leaves
 * nothing behind, if the one that began was sent later than the question.
 *
 * Who wants to know of which transactions that is true, is told what a snapshot sees that was taken
 * before that look. It is asked for by a query of its own: a look that finds nothing returns nothing,
 * and most looks interest nobody.
 *
 * A node that does not lead does not look. It takes a snapshot, and asks the database whether all that
 * this one sees is in the log by now, and up to which id; when it has told that much, that is the
 * answer. Those who ask meanwhile are of the next snapshot. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pg/sequencer/internal.h"

#define LOOK_UNKNOWN UINT64_MAX     /* its snapshot has not come */
#define LOOK_ASKED (UINT64_MAX - 1) /* the same, and it was asked for */

enum { PAUSE_FIRST_MS = 5, PAUSE_MAX_MS = 50 };

struct settling {
    struct settling *next;
    uint64_t look;  /* this one, or a later one */
    char *snapshot; /* NULL: it has not come, or nobody wants it */
    bool wants_snapshot;
    bool is_in_log; /* not leading: up to `up_to` */
    uint64_t up_to;
    store_settled_fn *done;
    void *arg;
};

void sequencer_settle(struct sequencer *sequencer, bool wants_snapshot, store_settled_fn *done,
                      void *arg)
{
    struct settling *settling = mem_zalloc(sizeof(*settling));
    settling->next = sequencer->settling;
    settling->look = wants_snapshot ? LOOK_UNKNOWN : sequencer->n_looks + 1;
    settling->wants_snapshot = wants_snapshot;
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

/* ---- not leading ---- */

void sequencer_settle_anew(struct sequencer *sequencer)
{
    for (struct settling *settling = sequencer->settling; settling; settling = settling->next) {
        free(settling->snapshot);
        settling->snapshot = NULL;
        settling->is_in_log = false;
        settling->look = settling->wants_snapshot ? LOOK_UNKNOWN : sequencer->n_looks + 1;
        sequencer->wants_snapshot |= settling->wants_snapshot;
    }
    sequencer->settle_pause_ms = 0;
    sequencer->settle_ms = 0;
}

static void settle_told(struct sequencer *sequencer)
{
    struct settling **at = &sequencer->settling;
    while (*at) {
        struct settling *settling = *at;
        if (!settling->is_in_log || settling->up_to > sequencer->delivered) {
            at = &settling->next;
            continue;
        }
        *at = settling->next;
        settling->done(settling->arg, true,
                       settling->wants_snapshot ? str_of(settling->snapshot) : (struct str){0});
        free(settling->snapshot);
        free(settling);
        at = &sequencer->settling; /* it may have asked again */
    }
}

static void on_sequenced(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    if (!sequencer_answered(sequencer, result, "herald.sequenced")) {
        return;
    }
    struct str snapshot = rows_text(result->rows, 0, 0);
    bool is_in_log = !PQgetisnull(result->rows, 0, 1);
    uint64_t up_to = rows_u64(result->rows, 0, 1);
    for (struct settling *settling = sequencer->settling; settling; settling = settling->next) {
        if (str_equals(str_of(settling->snapshot), snapshot)) {
            settling->is_in_log = is_in_log;
            settling->up_to = up_to;
        }
    }
    uint32_t pause_ms = sequencer->settle_pause_ms * 2;
    sequencer->settle_pause_ms = is_in_log                   ? 0
                                 : pause_ms < PAUSE_FIRST_MS ? PAUSE_FIRST_MS
                                 : pause_ms > PAUSE_MAX_MS   ? PAUSE_MAX_MS
                                                             : pause_ms;
    sequencer->settle_ms = clock_ms();
    if (is_in_log && up_to > sequencer->newest) {
        sequencer->newest = up_to;
    }
    sequencer_go_on(sequencer);
}

static void on_first_sequenced(void *arg, const struct query_result *result)
{
    struct sequencer *sequencer = arg;
    for (struct settling *settling = sequencer->settling; settling && result->rows;
         settling = settling->next) {
        if (settling->look == LOOK_ASKED && !settling->snapshot) {
            settling->snapshot = str_dup(rows_text(result->rows, 0, 0));
        }
    }
    on_sequenced(arg, result);
}

/* Whose snapshot is asked about; NULL: nobody has one. */
static struct settling *settling_asked(const struct sequencer *sequencer, bool *has_new)
{
    struct settling *asked = NULL;
    for (struct settling *at = sequencer->settling; at; at = at->next) {
        asked = at->snapshot && !at->is_in_log ? at : asked;
        *has_new |= !at->snapshot;
    }
    return asked;
}

bool sequencer_ask_sequenced(struct sequencer *sequencer)
{
    bool has_new = false;
    settle_told(sequencer);
    const struct settling *asked = settling_asked(sequencer, &has_new);
    if ((!asked && !has_new) ||
        (asked && clock_ms() - sequencer->settle_ms < sequencer->settle_pause_ms)) {
        return false;
    }
    if (asked) {
        struct params params = {0};
        params_text(&params, str_of(asked->snapshot));
        sequencer_ask(sequencer, "SELECT $1, herald.sequenced($1::pg_catalog.pg_snapshot)", &params,
                      on_sequenced);
        return true;
    }
    for (struct settling *at = sequencer->settling; at; at = at->next) {
        at->look = at->snapshot ? at->look : LOOK_ASKED;
    }
    sequencer_ask(sequencer,
                  "SELECT s, herald.sequenced(s) FROM pg_catalog.pg_current_snapshot() s", NULL,
                  on_first_sequenced);
    return true;
}

void sequencer_unsettle(struct sequencer *sequencer)
{
    settle_up_to(sequencer, UINT64_MAX, false);
}
