/* SPDX-License-Identifier: PostgreSQL */
/* How a snapshot meets what is live, without a lock:
 *
 *   1. Rows, the channel's head and the list of the transactions that were over are read in one
 *      moment. Equal questions that come before it is sent share it.
 *      Where the database has to judge them it is asked first.
 *   2. The log has all up to that head, but of a transaction that was over, and is in the rows, the
 *      event may come behind it. So the sequencer is asked for a look from after that moment: what
 *      it has told by then is all that may be in the rows already.
 *   3. The rows are sent. Then what came since, from the log or memory, without the events of this
 *      table whose transaction the snapshot saw. Then the last frame, with a position that everybody
 *      can resume from by offset alone.
 *
 * While rows are sent nothing waits in memory for the session: it is not at its worker. What it
 * misses then is what (3) reads. */
#include "core/hub/snapshot/snapshot.h"

#include <stdlib.h>

#include "base/mem.h"
#include "core/hub/ground/say.h"
#include "core/hub/live/view.h"
#include "core/hub/snapshot/budget.h"
#include "core/hub/snapshot/reading.h"
#include "core/hub/snapshot/sending.h"
#include "core/hub/snapshot/wish.h"

/* ---- asking ---- */

bool snapshot_may(struct hub *hub, struct channel *channel, const struct view *view,
                  enum error_code *code, struct buf *why)
{
    uint32_t n;
    struct buf order = {0};
    const struct watch *watch = view_table(hub, channel, &n);
    *code = ERROR_CODE_SNAPSHOT_OFF;
    if (n > 1) {
        buf_printf(why, "Rows of %u tables may come on this channel, so it gives no snapshots.", n);
    }
    if (!watch || !watch->has_snapshot || !watch->shape) {
        return false;
    }
    *code = ERROR_CODE_BAD_FILTER;
    uint32_t limit = wish_limit(view->wish);
    if (limit > watch->max_snapshot) {
        buf_printf(why, "snapshot.limit is at most %u here.", watch->max_snapshot);
        return false;
    }
    bool is_good = wish_put_order(view->wish, watch->shape, &order, why);
    buf_release(&order);
    return is_good;
}

/* Who belongs to another group by now asks anew; and all do if it was judged by what was to be seen
 * before the site changed. */
static void job_deliver(struct job *job)
{
    struct hub *hub = job->hub;
    bool is_good = job->frames.n > 0 && job->n_regrouped == job->channel->n_regrouped;
    job->refs++;
    job_unlist(job);
    for (size_t i = 0; i < job->n_askers; i++) {
        struct session *session = session_table_find(&hub->sessions, job->askers[i].session);
        if (!session || session->wait != SESSION_WAIT_SNAPSHOT) {
            continue;
        }
        const struct subscription *in = session_in_view(session, job->channel, job->view);
        if (!in || session->is_closing) {
            job_let_go(job, session);
        } else if (is_good && job_is_for(job, in)) {
            sending_begin(job, session, job->askers[i].is_gap);
        } else {
            snapshot_begin(hub, session, job->channel, job->view, job->askers[i].is_gap);
        }
    }
    job_unref(job);
}

void snapshot_begin(struct hub *hub, struct session *session, struct channel *channel,
                    struct view *view, bool is_gap)
{
    struct subscription *in = session_in_view(session, channel, view);
    struct job *job = job_find(hub, in);
    bool is_new = !job;
    in->version = 0;
    session->wait = SESSION_WAIT_SNAPSHOT;
    job = job ? job : job_new(hub, in, job_deliver);
    job_add(job, session, is_gap);
    if (is_new) {
        budget_read(job);
    } else {
        say_count(hub, METRIC_SNAPSHOTS_SHARED);
    }
}

/* ---- sending ---- */

void snapshot_drained(struct hub *hub, struct session *session)
{
    if (session->sending && !session->is_closing) {
        sending_step(hub, session);
    }
}

void snapshot_end(struct session *session)
{
    sending_end(session);
}

/* ---- life ---- */

struct snapshots *snapshots_new(void)
{
    return mem_zalloc(sizeof(struct snapshots));
}

void snapshots_free(struct hub *hub)
{
    while (hub->snapshots->jobs) {
        job_unlist(hub->snapshots->jobs);
    }
    free(hub->snapshots);
}

void snapshot_tick(struct hub *hub)
{
    budget_read_queued(hub);
    reading_tick(hub);
}
