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

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/hub/ground/say.h"
#include "core/hub/live/hearing.h"
#include "core/hub/live/place.h"
#include "core/hub/live/tell.h"
#include "core/hub/live/version.h"
#include "core/hub/live/view.h"
#include "core/hub/resume/replay.h"
#include "core/hub/snapshot/rows.h"
#include "core/hub/snapshot/wish.h"
#include "core/live/txid.h"

enum {
    MAX_TRIES = 3,
    SETTLE_MS = 10000, /* for the look */
    RETRY_MS = 2000,
    SLACK_ROWS = 5000, /* read beyond what is wanted, where the database cannot judge all */
};

enum job_stage { JOB_QUEUED, JOB_READING, JOB_HEARING, JOB_SETTLING, JOB_DONE, JOB_FAILED };

struct job { /* one read, for all who asked the same */
    struct job *next;
    unsigned refs;
    struct hub *hub;
    enum job_stage stage;
    struct channel *channel;
    struct view *view;
    char *claims; /* of the group */
    size_t claims_len;
    char *watch;
    uint32_t max; /* rows */
    bool is_limited;
    unsigned n_tries;
    uint32_t n_epoch;
    uint64_t settle_ms; /* since when */
    struct asking {
        struct session_id session;
        bool is_gap;
    } * askers;
    size_t n_askers, cap;
    /* What was read, while the database is asked who may see it. */
    struct store_snapshot found;
    struct buf texts;     /* of its rows */
    uint32_t n_regrouped; /* the channel's when they were judged, or are: then it is done anew */
    /* What is to be sent. */
    struct row_frames frames;
    struct txid_snapshot seen;
    uint64_t head;
    uint64_t version; /* of the table, by what was read */
    uint64_t as_of;   /* the log's newest id before that */
};

struct sending { /* to one session */
    struct job *job;
    size_t next; /* frame */
};

struct snapshots {
    struct job *jobs, **end; /* that are not done, oldest first; end: valid if there are any */
    uint32_t n_queued;
    struct bucket budget;
};

/* ---- jobs ---- */

static void job_drop_found(struct job *job)
{
    free(job->found.rows);
    shape_unref(job->found.shape);
    buf_release(&job->texts);
    job->found = (struct store_snapshot){0};
}

/* The answer is gone when the database has judged its rows. */
static void job_keep_found(struct job *job, const struct store_snapshot *found)
{
    struct buf *texts = &job->texts;
    struct store_row *rows = mem_array(NULL, found->n_rows + 1, sizeof(*rows));
    for (size_t i = 0; i < found->n_rows; i++) {
        buf_str(texts, found->rows[i].text);
    }
    for (size_t i = 0, at = 0; i < found->n_rows; at += rows[i++].text.len) {
        rows[i] = found->rows[i];
        rows[i].text.ptr = found->rows[i].text.ptr ? texts->data + at : NULL;
    }
    job->found = (struct store_snapshot){
        .head = found->head,
        .changed = found->changed,
        .shape = shape_ref(found->shape),
        .rows = rows,
        .n_rows = found->n_rows,
    };
}

static void job_unref(struct job *job)
{
    if (--job->refs > 0) {
        return;
    }
    channel_unpin_view(job->channel, job->view);
    channel_unpin(&job->hub->channels, job->channel);
    row_frames_release(&job->frames);
    job_drop_found(job);
    txid_snapshot_release(&job->seen);
    free(job->claims);
    free(job->watch);
    free(job->askers);
    free(job);
}

static void job_unlist(struct job *job)
{
    struct job **at = &job->hub->snapshots->jobs;
    while (*at && *at != job) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = job->next;
        job->hub->snapshots->end = job->next ? job->hub->snapshots->end : at;
        job_unref(job);
    }
}

static bool job_is_for(const struct job *job, const struct subscription *in)
{
    return job->channel == in->channel && job->view == in->view &&
           str_equals(in->group->claims, (struct str){job->claims, job->claims_len});
}

/* The asker, if it is still there and may still be told; NULL: not any more. */
static struct session *job_asker(const struct job *job, struct session_id id)
{
    struct session *session = session_table_find(&job->hub->sessions, id);
    bool is_there =
        session && !session->is_closing && session_in_view(session, job->channel, job->view);
    return is_there ? session : NULL;
}

static void asker_leave(struct hub *hub, struct session *session, struct channel *channel,
                        struct view *view)
{
    struct subscription *found = session_in_view(session, channel, view);
    if (found) {
        struct subscription in = *found;
        session_remove(session, found);
        place_detach(hub, session, &in);
        place_leave(hub, session, &in);
    }
}

static void job_refuse(struct job *job, const struct protocol_error *error)
{
    struct hub *hub = job->hub;
    job->stage = JOB_FAILED;
    for (size_t i = 0; i < job->n_askers; i++) {
        struct session *session = session_table_find(&hub->sessions, job->askers[i].session);
        if (!session || session->wait != SESSION_WAIT_SNAPSHOT) {
            continue;
        }
        if (job_asker(job, session->id)) {
            say_count(hub, METRIC_SNAPSHOTS_FAILED);
            struct protocol_error own = *error;
            own.channel = channel_name(job->channel);
            own.ref = say_ref(hub, session);
            say_late_refusal(hub, session, &own);
            asker_leave(hub, session, job->channel, job->view);
        }
        session_end_wait(&hub->sessions, session);
    }
    job_unlist(job);
}

/* What is not to be had now is worth another try. */
static void job_fail(struct job *job, enum error_code code, const char *why)
{
    job_refuse(job, &(struct protocol_error){.code = code,
                                             .text = why,
                                             .retry_after_ms =
                                                 code == ERROR_CODE_UNAVAILABLE ? RETRY_MS : 0});
}

/* ---- reading ---- */

static void job_read(struct job *job);

/* One of those who asked, as whom the rows are judged; NULL: nobody is left, or all are of another
 * group now. */
static struct group *job_group(const struct job *job)
{
    for (size_t i = 0; i < job->n_askers; i++) {
        const struct session *session = job_asker(job, job->askers[i].session);
        const struct subscription *in =
            session ? session_in_view(session, job->channel, job->view) : NULL;
        if (in && job_is_for(job, in)) {
            return in->group;
        }
    }
    return NULL;
}

static void job_deliver(struct job *job);

static void on_settled(void *arg, bool is_settled, struct str snapshot)
{
    struct job *job = arg;
    (void)snapshot;
    if (job->stage == JOB_SETTLING && !is_settled) {
        job_fail(job, ERROR_CODE_UNAVAILABLE, NULL);
    } else if (job->stage == JOB_SETTLING) {
        job->stage = JOB_DONE;
        job_deliver(job);
    }
    job_unref(job);
}

static void job_begin_anew(struct job *job)
{
    job->stage = JOB_DONE;
    job_deliver(job); /* without frames: who is left asks again */
}

static void job_make(struct job *job, struct group *group, const struct store_snapshot *found)
{
    struct hub *hub = job->hub;
    char why[120];
    job->n_regrouped = job->channel->n_regrouped;
    job->head = found->head;
    job->version = version_of(found->changed);
    metrics_add(hub->options.counts, METRIC_SNAPSHOT_ROWS, found->n_rows);
    row_frames_make(&job->frames, hub, job->channel, group, found, job->max);
    bool is_cut = found->n_rows >= (size_t)job->max + SLACK_ROWS;
    if (!job->is_limited && (job->frames.is_over || is_cut)) {
        snprintf(why, sizeof(why),
                 "More than %u rows: ask for fewer by a filter, or for the first ones by a limit.",
                 job->max);
        job_fail(job, ERROR_CODE_TOO_LARGE, why);
        return;
    }
    job->frames.is_over |= is_cut;
    job->stage = JOB_SETTLING;
    job->settle_ms = hub->now_ms;
    job->refs++;
    hub->store->log.settle(hub->store->log.ctx, false, on_settled, job);
}

static void on_heard(void *arg, struct hearing *hearing)
{
    struct job *job = arg;
    struct group *group = job_group(job);
    bool is_same = group && job->n_regrouped == job->channel->n_regrouped;
    if (job->stage != JOB_HEARING) {
        /* Failed meanwhile: who asked was told. */
    } else if (!is_same) {
        job_begin_anew(job);
    } else if (hearing_outcome(hearing, group) == HEARING_FAILED) {
        job_fail(job, ERROR_CODE_HOOK_FAILED, NULL);
    } else {
        tell_by(job->hub, hearing);
        job_make(job, group, &job->found);
        tell_by(job->hub, NULL);
    }
    hearing_free(hearing);
    job_drop_found(job);
    job_unref(job);
}

static void job_take(struct job *job, const struct store_snapshot *found)
{
    struct group *group = job_group(job);
    if (!group) {
        job_begin_anew(job);
        return;
    }
    if (!txid_snapshot_parse(found->snapshot, &job->seen)) {
        job_fail(job, ERROR_CODE_UNAVAILABLE, NULL);
        return;
    }
    struct hearing *hearing = row_frames_hear(job->hub, job->channel, group, found);
    if (!hearing) {
        job_make(job, group, found);
        return;
    }
    job->stage = JOB_HEARING;
    job->n_regrouped = job->channel->n_regrouped;
    job_keep_found(job, found);
    job->refs++;
    hearing_begin(hearing, STORE_JUDGE_PAST, on_heard, job);
}

static void on_snapshot(void *arg, const struct store_snapshot *found)
{
    struct job *job = arg;
    const struct hub *hub = job->hub;
    bool is_other = job->n_epoch != hub->n_epoch ||
                    (!found->is_failed && !str_equals(found->epoch, str_of(hub->epoch)));
    if (job->stage != JOB_READING) {
        /* Failed meanwhile: who asked was told. */
    } else if (found->is_failed || is_other) {
        job_fail(job, is_other ? ERROR_CODE_UNAVAILABLE : found->code, NULL);
    } else if (found->is_moved && ++job->n_tries < MAX_TRIES) {
        job_read(job);
    } else if (found->is_moved) {
        job_fail(job, ERROR_CODE_UNAVAILABLE, "The table is being altered; try again.");
    } else {
        job_take(job, found);
    }
    job_unref(job);
}

/* The database is told what it can help with: an order, and what narrows. */
static void job_read(struct job *job)
{
    struct hub *hub = job->hub;
    const struct group *group = job_group(job);
    struct buf conditions = {0}, order = {0}, why = {0};
    uint32_t n;
    const struct watch *watch = view_table(hub, job->channel, &n);
    job->stage = JOB_READING;
    if (!group || !watch || !watch->shape) {
        job_fail(job, ERROR_CODE_UNAVAILABLE, NULL);
        return;
    }
    struct buf narrow = {0};
    view_narrow(hub, job->channel, group, &narrow);
    buf_char(&conditions, '[');
    buf_str(&conditions, buf_span(&narrow));
    buf_char(&conditions, ']');
    (void)wish_put_order(job->view->wish, watch->shape, &order, &why);
    struct store_snapshot_query query = {
        .watch = str_of(watch->key),
        .channel = channel_name(job->channel),
        .conditions = buf_span(&conditions),
        .order = order.len > 0     ? buf_span(&order)
                 : job->is_limited ? STR("[]")
                                   : (struct str){0},
        .max_rows = job->max + SLACK_ROWS,
    };
    job->refs++;
    job->n_epoch = hub->n_epoch;
    job->as_of = hub->log_id;
    say_count(hub, METRIC_SNAPSHOT_READS);
    hub->store->snapshots.read(hub->store->snapshots.ctx, &query, on_snapshot, job);
    buf_release(&narrow);
    buf_release(&conditions);
    buf_release(&order);
    buf_release(&why);
}

/* ---- how many in a second ---- */

static bool snapshots_may_read(struct hub *hub)
{
    struct bucket_rate rate = {
        .n = hub->options.snapshot_reads, .period_ms = 1000, .burst = hub->options.snapshot_reads};
    return bucket_take(&hub->snapshots->budget, &rate, 1, hub->now_ms);
}

static void job_enqueue(struct job *job)
{
    struct hub *hub = job->hub;
    uint32_t *n = &hub->snapshots->n_queued;
    if (*n < hub->options.snapshot_queue) {
        job->stage = JOB_QUEUED;
        ++*n;
        return;
    }
    say_count(hub, METRIC_SNAPSHOTS_REFUSED);
    job_refuse(job, &(struct protocol_error){
                        .code = ERROR_CODE_UNAVAILABLE,
                        .text = "Too many others are reading rows; try again.",
                        .retry_after_ms = RETRY_MS + *n * 1000 / hub->options.snapshot_reads});
}

/* In the order in which they came. */
static void snapshots_read_queued(struct hub *hub)
{
    struct job *job = hub->snapshots->jobs, *next;
    for (; job && hub->snapshots->n_queued > 0; job = next) {
        next = job->next;
        if (job->stage == JOB_QUEUED && !snapshots_may_read(hub)) {
            break;
        }
        if (job->stage == JOB_QUEUED) {
            hub->snapshots->n_queued--;
            job_read(job);
        }
    }
    metrics_set(hub->options.counts, METRIC_SNAPSHOTS_QUEUED, hub->snapshots->n_queued);
}

/* Not before those that wait already. */
static void job_begin(struct job *job)
{
    if (job->hub->snapshots->n_queued == 0 && snapshots_may_read(job->hub)) {
        job_read(job);
    } else {
        job_enqueue(job);
    }
}

/* ---- sending ---- */

static void sending_end(struct session *session)
{
    struct sending *sending = session->sending;
    session->sending = NULL;
    if (sending) {
        job_unref(sending->job);
        free(sending);
    }
}

void snapshot_end(struct session *session)
{
    sending_end(session);
}

/* What the snapshot saw is in its rows. */
static bool rule_passes(const void *arg, const struct event_fields *event)
{
    const struct job *job = arg;
    return !event->shape || strcmp(event->shape->f.watch, job->watch) != 0 ||
           !txid_snapshot_sees(&job->seen, event->xid);
}

static void rule_finish(struct hub *hub, struct session *session, void *arg, uint64_t offset)
{
    const struct job *job = arg;
    struct buf epoch = {0};
    version_put(&epoch, hub, job->version, job->as_of);
    struct protocol_snapshot last = {
        .channel = channel_name(job->channel),
        .view = view_name(job->view),
        .rows = STR(""),
        .is_last = true,
        .is_complete = !job->frames.is_over && !job->frames.is_blind,
        .epoch = buf_span(&epoch),
        .offset = offset,
    };
    say_count(hub, METRIC_SNAPSHOTS);
    struct subscription *in = session_in_view(session, job->channel, job->view);
    in->version = job->version;
    in->as_of = job->as_of;
    say_frame(hub, session, hub->protocol->snapshot(&last));
    buf_release(&epoch);
}

static void rule_release(void *arg)
{
    job_unref(arg);
}

static void sending_finish(struct hub *hub, struct session *session)
{
    struct job *job = session->sending->job;
    struct replay_rule rule = {job, rule_passes, rule_finish, rule_release};
    uint64_t until = job->head > job->channel->fanned ? job->head : job->channel->fanned;
    job->refs++;
    sending_end(session);
    place_hold(hub, session, session_in_view(session, job->channel, job->view));
    replay_begin_by(hub, session, job->channel, job->view, job->head, until, &rule);
}

static void sending_step(struct hub *hub, struct session *session)
{
    struct sending *sending = session->sending;
    struct job *job = sending->job;
    size_t bytes = 0;
    if (!session_in_view(session, job->channel, job->view)) {
        sending_end(session); /* removed meanwhile */
        session_end_wait(&hub->sessions, session);
        return;
    }
    while (sending->next < job->frames.n && bytes < hub->options.page_bytes) {
        struct frame *frame = job->frames.items[sending->next++];
        hub->transport->send(hub->transport->ctx, session->id, frame);
        bytes += frame->len;
    }
    if (sending->next < job->frames.n) {
        hub->transport->await_drain(hub->transport->ctx, session->id);
    } else {
        sending_finish(hub, session);
    }
}

void snapshot_drained(struct hub *hub, struct session *session)
{
    if (session->sending && !session->is_closing) {
        sending_step(hub, session);
    }
}

static void sending_begin(struct job *job, struct session *session, bool is_gap)
{
    struct hub *hub = job->hub;
    struct buf client = {0}, epoch = {0};
    version_put(&epoch, hub, job->version, job->as_of);
    struct protocol_joined joined = {
        .channel = channel_name(job->channel),
        .view = view_name(job->view),
        .client = say_client_json(hub, session, &client),
        .epoch = buf_span(&epoch),
        .offset = job->head,
        .is_gap = is_gap,
        .ref = say_ref(hub, session),
        .message_bytes = hub->options.message_bytes,
    };
    session_in_view(session, job->channel, job->view)->is_joined = true;
    say_count(hub, METRIC_JOINS);
    say_frame(hub, session, hub->protocol->joined(&joined));
    buf_release(&client);
    buf_release(&epoch);
    session->wait = SESSION_WAIT_REPLAY;
    session->sending = mem_zalloc(sizeof(*session->sending));
    session->sending->job = job;
    job->refs++;
    sending_step(hub, session);
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
            session_end_wait(&hub->sessions, session);
        } else if (is_good && job_is_for(job, in)) {
            sending_begin(job, session, job->askers[i].is_gap);
        } else {
            snapshot_begin(hub, session, job->channel, job->view, job->askers[i].is_gap);
        }
    }
    job_unref(job);
}

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

static struct job *job_find(const struct hub *hub, const struct subscription *in)
{
    for (struct job *job = hub->snapshots->jobs; job; job = job->next) {
        bool is_old = job->frames.n > 0 && job->n_regrouped != job->channel->n_regrouped;
        bool is_open = job->stage != JOB_DONE && job->stage != JOB_FAILED && !is_old;
        if (is_open && job_is_for(job, in)) {
            return job;
        }
    }
    return NULL;
}

static struct job *job_new(struct hub *hub, const struct subscription *in)
{
    uint32_t n, limit = wish_limit(in->view->wish);
    const struct watch *watch = view_table(hub, in->channel, &n);
    struct job *job = mem_zalloc(sizeof(*job));
    job->refs = 1;
    job->hub = hub;
    job->channel = in->channel;
    job->view = in->view;
    job->claims = str_dup(in->group->claims);
    job->claims_len = in->group->claims.len;
    job->watch = mem_strdup(watch ? watch->key : "");
    job->is_limited = limit > 0;
    job->max = limit > 0 ? limit : watch ? watch->max_snapshot : 1;
    struct snapshots *all = hub->snapshots;
    *(all->jobs ? all->end : &all->jobs) = job;
    all->end = &job->next;
    channel_pin(job->channel);
    channel_pin_view(job->view);
    return job;
}

static void job_add(struct job *job, const struct session *session, bool is_gap)
{
    if (job->n_askers == job->cap) {
        job->cap = job->cap ? job->cap * 2 : 1;
        job->askers = mem_array(job->askers, job->cap, sizeof(*job->askers));
    }
    job->askers[job->n_askers++] = (struct asking){session->id, is_gap};
}

void snapshot_begin(struct hub *hub, struct session *session, struct channel *channel,
                    struct view *view, bool is_gap)
{
    struct subscription *in = session_in_view(session, channel, view);
    struct job *job = job_find(hub, in);
    bool is_new = !job;
    in->version = 0;
    session->wait = SESSION_WAIT_SNAPSHOT;
    job = job ? job : job_new(hub, in);
    job_add(job, session, is_gap);
    if (is_new) {
        job_begin(job);
    } else {
        say_count(hub, METRIC_SNAPSHOTS_SHARED);
    }
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
    struct job *job, *next;
    snapshots_read_queued(hub);
    for (job = hub->snapshots->jobs; job; job = next) {
        next = job->next;
        if (job->stage == JOB_SETTLING && hub->now_ms - job->settle_ms >= SETTLE_MS) {
            job_fail(job, ERROR_CODE_UNAVAILABLE, NULL);
        }
    }
}
