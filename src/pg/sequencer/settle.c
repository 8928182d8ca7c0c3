/* SPDX-License-Identifier: PostgreSQL */
/* Who wants to know that all is told that had been committed when he asked, waits for a look that was
 * sent later. A look shows what was committed before it, unless it goes on with a difference that is
 * taken in pieces: that one was seen earlier. So it must be fresh, and leave nothing behind. */
#include <stdlib.h>

#include "base/mem.h"
#include "pg/sequencer/internal.h"

struct settling {
    struct settling *next;
    uint64_t look; /* this one, or a later one */
    store_settled_fn *done;
    void *arg;
};

void sequencer_settle(struct sequencer *sequencer, store_settled_fn *done, void *arg)
{
    struct settling *settling = mem_alloc(sizeof(*settling));
    *settling = (struct settling){sequencer->settling, sequencer->n_looks + 1, done, arg};
    sequencer->settling = settling;
    sequencer->wants_look = true;
    if (sequencer->phase == SEQUENCER_PHASE_SERVING && !sequencer->is_busy) {
        loop_timer_start(sequencer->soon_timer, 0, 0);
    }
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
        settling->done(settling->arg, is_settled);
        free(settling);
        at = &sequencer->settling; /* it may have asked again */
    }
}

void sequencer_note_look(struct sequencer *sequencer, bool has_all)
{
    bool is_answer = has_all && sequencer->is_fresh;
    sequencer->was_complete = has_all;
    if (is_answer) {
        settle_up_to(sequencer, sequencer->n_looks, true);
    }
    sequencer->wants_look |= sequencer->settling != NULL;
}

void sequencer_unsettle(struct sequencer *sequencer)
{
    settle_up_to(sequencer, UINT64_MAX, false);
}
