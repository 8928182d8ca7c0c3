/* SPDX-License-Identifier: PostgreSQL */
/* A crowd that wants different rows would make as many reads as there are wishes, one behind the
 * other, until they are too old. Whoever shares a read costs nothing here. */
#include "core/hub/snapshot/budget.h"

#include "core/hub/ground/say.h"
#include "core/hub/snapshot/reading.h"

static bool may_read(struct hub *hub)
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
                        .retry_after_ms = JOB_RETRY_MS + *n * 1000 / hub->options.snapshot_reads});
}

void budget_read_queued(struct hub *hub)
{
    struct job *job = hub->snapshots->jobs, *next;
    for (; job && hub->snapshots->n_queued > 0; job = next) {
        next = job->next;
        if (job->stage == JOB_QUEUED && !may_read(hub)) {
            break;
        }
        if (job->stage == JOB_QUEUED) {
            hub->snapshots->n_queued--;
            reading_begin(job);
        }
    }
    metrics_set(hub->options.counts, METRIC_SNAPSHOTS_QUEUED, hub->snapshots->n_queued);
}

void budget_read(struct job *job)
{
    if (job->hub->snapshots->n_queued == 0 && may_read(job->hub)) {
        reading_begin(job);
    } else {
        job_enqueue(job);
    }
}
