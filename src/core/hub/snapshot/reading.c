/* SPDX-License-Identifier: PostgreSQL */
/* Steps 1 and 2 of snapshot.c. Whatever is asked holds a ref of the job: it may fail meanwhile, and
 * then the answer is nobody's. */
#include "core/hub/snapshot/reading.h"

#include <stdio.h>

#include "core/hub/ground/say.h"
#include "core/hub/live/hearing.h"
#include "core/hub/live/tell.h"
#include "core/hub/live/version.h"
#include "core/hub/live/view.h"
#include "core/hub/snapshot/wish.h"

enum {
    MAX_TRIES = 3,
    SETTLE_MS = 10000, /* for the look */
    SLACK_ROWS = 5000, /* read beyond what is wanted, where the database cannot judge all */
};

static void on_settled(void *arg, bool is_settled, struct str snapshot)
{
    struct job *job = arg;
    (void)snapshot;
    if (job->stage == JOB_SETTLING && !is_settled) {
        job_fail(job, ERROR_CODE_UNAVAILABLE, NULL);
    } else if (job->stage == JOB_SETTLING) {
        job->stage = JOB_DONE;
        job->deliver(job);
    }
    job_unref(job);
}

static void job_begin_anew(struct job *job)
{
    job->stage = JOB_DONE;
    job->deliver(job); /* without frames: who is left asks again */
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
        reading_begin(job);
    } else if (found->is_moved) {
        job_fail(job, ERROR_CODE_UNAVAILABLE, "The table is being altered; try again.");
    } else {
        job_take(job, found);
    }
    job_unref(job);
}

/* The database is told what it can help with: an order, and what narrows. */
void reading_begin(struct job *job)
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

void reading_tick(struct hub *hub)
{
    struct job *job, *next;
    for (job = hub->snapshots->jobs; job; job = next) {
        next = job->next;
        if (job->stage == JOB_SETTLING && hub->now_ms - job->settle_ms >= SETTLE_MS) {
            job_fail(job, ERROR_CODE_UNAVAILABLE, NULL);
        }
    }
}
