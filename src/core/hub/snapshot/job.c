/* SPDX-License-Identifier: PostgreSQL */
/* Whoever asks may be gone, or somebody else, when there is an answer: so a job knows its askers by
 * their numbers and looks each time who of them is still there. */
#include "core/hub/snapshot/job.h"

#include <stdlib.h>

#include "base/mem.h"
#include "core/hub/ground/say.h"
#include "core/hub/live/place.h"
#include "core/hub/live/view.h"
#include "core/hub/snapshot/wish.h"

/* ---- life ---- */

struct job *job_new(struct hub *hub, const struct subscription *in, job_deliver_fn *deliver)
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
    job->deliver = deliver;
    job->is_limited = limit > 0;
    job->max = limit > 0 ? limit : watch ? watch->max_snapshot : 1;
    struct snapshots *all = hub->snapshots;
    *(all->jobs ? all->end : &all->jobs) = job;
    all->end = &job->next;
    channel_pin(job->channel);
    channel_pin_view(job->view);
    return job;
}

void job_unref(struct job *job)
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

void job_unlist(struct job *job)
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

/* ---- what was read ---- */

void job_drop_found(struct job *job)
{
    free(job->found.rows);
    shape_unref(job->found.shape);
    buf_release(&job->texts);
    job->found = (struct store_snapshot){0};
}

void job_keep_found(struct job *job, const struct store_snapshot *found)
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

/* ---- who asks ---- */

struct str job_claims(const struct job *job)
{
    return (struct str){job->claims, job->claims_len};
}

bool job_is_for(const struct job *job, const struct subscription *in)
{
    return job->channel == in->channel && job->view == in->view &&
           str_equals(in->group->claims, job_claims(job));
}

struct job *job_find(const struct hub *hub, const struct subscription *in)
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

void job_add(struct job *job, const struct session *session, bool is_gap)
{
    if (job->n_askers == job->cap) {
        job->cap = job->cap ? job->cap * 2 : 1;
        job->askers = mem_array(job->askers, job->cap, sizeof(*job->askers));
    }
    job->askers[job->n_askers++] = (struct asking){session->id, is_gap};
}

/* The asker, if it is still there and may still be told; NULL: not any more. */
static struct session *job_asker(const struct job *job, struct session_id id)
{
    struct session *session = session_table_find(&job->hub->sessions, id);
    bool is_there =
        session && !session->is_closing && session_in_view(session, job->channel, job->view);
    return is_there ? session : NULL;
}

struct group *job_group(const struct job *job)
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

/* ---- who asked in vain ---- */

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

void job_let_go(const struct job *job, struct session *session)
{
    if (!session->is_closing) {
        say_removed(job->hub, session, job->channel);
    }
    session_end_wait(&job->hub->sessions, session);
}

void job_refuse(struct job *job, const struct protocol_error *error)
{
    struct hub *hub = job->hub;
    job->stage = JOB_FAILED;
    for (size_t i = 0; i < job->n_askers; i++) {
        struct session *session = session_table_find(&hub->sessions, job->askers[i].session);
        if (!session || session->wait != SESSION_WAIT_SNAPSHOT) {
            continue;
        }
        if (!job_asker(job, session->id)) {
            job_let_go(job, session);
            continue;
        }
        say_count(hub, METRIC_SNAPSHOTS_FAILED);
        struct protocol_error own = *error;
        own.channel = channel_name(job->channel);
        own.ref = say_ref(hub, session);
        say_late_refusal(hub, session, &own);
        asker_leave(hub, session, job->channel, job->view);
        session_end_wait(&hub->sessions, session);
    }
    job_unlist(job);
}

void job_fail(struct job *job, enum error_code code, const char *why)
{
    job_refuse(job, &(struct protocol_error){
                        .code = code,
                        .text = why,
                        .retry_after_ms = code == ERROR_CODE_UNAVAILABLE ? JOB_RETRY_MS : 0});
}
