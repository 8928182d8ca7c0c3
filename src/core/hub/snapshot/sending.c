/* SPDX-License-Identifier: PostgreSQL */
/* Step 3 of snapshot.c. Frames are sent as many at a time as the session takes; what came since is
 * replayed by a rule that leaves out what the snapshot saw. */
#include "core/hub/snapshot/sending.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "core/hub/ground/say.h"
#include "core/hub/live/place.h"
#include "core/hub/live/version.h"
#include "core/hub/resume/replay.h"

struct sending {
    struct job *job;
    size_t next; /* frame */
};

void sending_end(struct session *session)
{
    struct sending *sending = session->sending;
    session->sending = NULL;
    if (sending) {
        job_unref(sending->job);
        free(sending);
    }
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
    version_put(&epoch, hub, job->version, job->as_of, job_claims(job));
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

void sending_step(struct hub *hub, struct session *session)
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

void sending_begin(struct job *job, struct session *session, bool is_gap)
{
    struct hub *hub = job->hub;
    struct buf client = {0}, epoch = {0};
    version_put(&epoch, hub, job->version, job->as_of, job_claims(job));
    struct protocol_joined joined = {
        .channel = channel_name(job->channel),
        .view = view_name(job->view),
        .client = say_client_json(hub, session, &client),
        .epoch = buf_span(&epoch),
        .offset = job->head,
        .is_gap = is_gap,
        .ref = say_ref(hub, session),
        .message_bytes = hub->options.message_bytes,
        .is_durable = job->channel->rule && job->channel->rule->message_history > 0,
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
