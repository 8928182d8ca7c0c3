/* SPDX-License-Identifier: PostgreSQL */
/* Joining must neither lose nor repeat an event, though history is read while events go on. So a
 * join attaches the session at once, held: the worker keeps live frames aside. The answer of the
 * read carries rows and head of one snapshot; acknowledgement and history are sent, and then the
 * hold ends with `skip_to` = that head. What is older was in the history, what is newer waited, and
 * what the hub has yet to be told of will be dropped or passed by the same comparison. A join that
 * needs no rows, on a channel whose head is known, or only rows that are in memory, takes the same
 * road without the read: the head may be ahead of what was fanned out. */
#include "core/hub/answer.h"

#include <stdlib.h>

#include "base/mem.h"
#include "core/hub/ground/say.h"
#include "core/hub/live/hearing.h"
#include "core/hub/live/place.h"
#include "core/hub/live/tell.h"
#include "core/hub/live/version.h"
#include "core/hub/membership.h"
#include "core/hub/presence/presence.h"
#include "core/hub/resume/recent.h"
#include "core/hub/resume/replay.h"
#include "core/hub/snapshot/snapshot.h"

enum { HISTORY_BYTES = 1024 * 1024 }; /* most payload in a history */

static enum presence_wish wish_of(const struct command *command)
{
    return command->wants_state      ? PRESENCE_WISH_STATES
           : command->wants_presence ? PRESENCE_WISH_LIST
                                     : PRESENCE_WISH_NONE;
}

/* A member that joins again goes on with what it has wished for. */
static void subscription_wish(struct subscription *in, enum presence_wish wish)
{
    in->wish = wish > in->wish ? wish : in->wish;
}

/* Since beats history, and a channel that keeps nothing has no history to send. */
struct question question_of_join(struct hub *hub, const struct session *session,
                                 const struct command *command, struct channel *channel,
                                 struct view *view)
{
    struct question question = {.type = COMMAND_JOIN,
                                .wish = view ? PRESENCE_WISH_NONE : wish_of(command)};
    struct read *read = &question.read;
    read->channel = channel;
    read->view = view;
    question.wants_snapshot = command->snapshot.ptr;
    read->kind = STORE_READ_HEAD;
    question.owes_presence =
        command->ref.ptr && question.wish != PRESENCE_WISH_NONE && !channel->rule->presence;
    question.owes_history = command->ref.ptr && command->wants_history && !command->has_since &&
                            !question.wants_snapshot && channel->rule->message_history == 0;
    if (command->has_since) {
        question.version = question.wants_snapshot
                               ? version_parse(hub, channel, session->identity,
                                               command->since_epoch, &question.as_of)
                               : 0;
        question.is_void =
            question.version == 0 && (question.wants_snapshot || !hub->epoch ||
                                      !str_equals(command->since_epoch, str_of(hub->epoch)));
        read->kind = question.is_void ? STORE_READ_HEAD : STORE_READ_SINCE;
        read->since = command->since_offset;
        read->limit = hub->options.page_rows;
        read->max_bytes = hub->options.page_bytes;
        read->max_missed = hub->options.resume_max_rows;
    } else if (command->wants_history && !question.wants_snapshot &&
               channel->rule->message_history > 0) {
        read->kind = STORE_READ_LAST;
        read->limit = channel->rule->message_history;
        read->max_bytes = HISTORY_BYTES;
    }
    return question;
}

/* ---- pieces ---- */

/* The subscription that it is about; NULL: there is none any more. */
static struct subscription *question_of(const struct session *session,
                                        const struct question *question)
{
    return session_in_view(session, question->read.channel, question->read.view);
}

static void answer_live(struct hub *hub, struct session *session, const struct question *question,
                        uint64_t skip_to)
{
    resume_live(hub, session, question->read.channel, question->read.view, skip_to);
}

static void answer_send_history(struct hub *hub, const struct session *session, struct frame *frame)
{
    say_count(hub, METRIC_HISTORIES);
    say_frame(hub, session, frame);
}

static void answer_acknowledge(struct hub *hub, struct session *session, const struct read *about,
                               uint64_t head, bool is_resumed, bool is_gap)
{
    struct subscription *in = session_in_view(session, about->channel, about->view);
    struct buf client = {0}, epoch = {0};
    version_put(&epoch, hub, in->version, in->as_of, in->group->claims);
    struct protocol_joined joined = {
        .channel = channel_name(about->channel),
        .view = view_name(about->view),
        .client = say_client_json(hub, session, &client),
        .epoch = buf_span(&epoch),
        .offset = head,
        .is_resumed = is_resumed,
        .is_gap = is_gap,
        .ref = say_ref(hub, session),
        .message_bytes = hub->options.message_bytes,
        .is_durable = about->channel->rule && about->channel->rule->message_history > 0,
    };
    say_count(hub, METRIC_JOINS);
    if (is_resumed || is_gap) {
        say_count(hub, is_resumed ? METRIC_RESUMES : METRIC_GAPS);
    }
    in->is_joined = true;
    say_frame(hub, session, hub->protocol->joined(&joined));
    buf_release(&client);
    buf_release(&epoch);
}

void answer_empty_history(struct hub *hub, const struct session *session, struct str channel,
                          struct str view)
{
    answer_send_history(hub, session, hub->protocol->history(channel, view, NULL, 0));
}

/* Who has a ref awaits what he asked for. Without one there are clients that never had this. */
static void answer_owed(struct hub *hub, const struct session *session,
                        const struct question *question)
{
    struct str channel = channel_name(question->read.channel);
    if (question->owes_presence) {
        say_frame(hub, session, hub->protocol->presence_full(channel, NULL, 0));
    }
    if (question->owes_history) {
        answer_empty_history(hub, session, channel, view_name(question->read.view));
    }
}

/* Up to the end of its answer: what was missed and live frames come after it. */
static void answer_begin(struct hub *hub, struct session *session, const struct question *question,
                         uint64_t head, bool is_gap)
{
    struct subscription *in = question_of(session, question);
    subscription_wish(in, question->wish);
    in->version = question->version;
    in->as_of = question->as_of;
    answer_acknowledge(hub, session, &question->read, head,
                       question->read.kind == STORE_READ_SINCE && !is_gap, is_gap);
    if (!in->view) {
        presence_send(hub, session, in->channel);
    }
    answer_owed(hub, session, question);
}

/* While there are recent rows of a channel, their newest is a head that is safe to name. */
static void channel_look_for_head(const struct hub *hub, struct channel *channel)
{
    const struct recent_run *run =
        channel->has_head ? NULL : recent_find(hub->recent, channel_name(channel));
    if (run) {
        channel->head = recent_run_last(run);
        channel->has_head = true;
    }
}

/* The rows instead of what cannot be resumed from. */
static void answer_snapshot(struct hub *hub, struct session *session,
                            const struct question *question, bool is_gap)
{
    struct subscription *in = question_of(session, question);
    place_release(hub, session, in);
    snapshot_begin(hub, session, in->channel, in->view, is_gap);
}

/* ---- from memory ---- */

/* A position that is the head misses nothing, rows or not. Else all rows after it must be here. */
static bool resume_from_memory(struct hub *hub, struct session *session,
                               const struct question *question)
{
    struct channel *channel = question->read.channel;
    uint64_t since = question->read.since, head = channel->head;
    const struct recent_run *run = recent_find(hub->recent, channel_name(channel));
    struct recent_row *const *rows;
    size_t n = 0;
    if (!channel->has_head || since != channel->head) {
        if (!run || !recent_run_after(run, since, &rows, &n) || n > question->read.max_missed) {
            return false;
        }
        head = since + n;
    }
    if (question_of(session, question)) {
        answer_begin(hub, session, question, head, false);
        replay_begin(hub, session, channel, question->read.view, since, head, NULL);
    } else {
        say_removed(hub, session, question->read.channel);
    }
    return true;
}

static struct history history_for(struct hub *hub, const struct session *session,
                                  const struct question *question)
{
    return (struct history){.hub = hub,
                            .session = session,
                            .channel = question->read.channel,
                            .view = question->read.view,
                            .limit = question->read.limit,
                            .max_bytes = question->read.max_bytes};
}

/* Whether the database has to judge some of it: that is done with what is read. */
static bool history_is_asked(struct hub *hub, const struct recent_run *run)
{
    bool is_asked = false;
    for (size_t i = 0; i < run->n && !is_asked; i++) {
        is_asked = tell_is_asked(hub, &run->rows[run->first + i]->event->f);
    }
    return is_asked;
}

static bool history_from_memory(struct hub *hub, struct session *session,
                                const struct question *question)
{
    struct channel *channel = question->read.channel;
    struct recent_run *run = recent_find(hub->recent, channel_name(channel));
    const struct subscription *in = question_of(session, question);
    if (!in) {
        say_removed(hub, session, question->read.channel);
        return true;
    }
    if (!run || in->offset > recent_run_last(run) || history_is_asked(hub, run)) {
        return false; /* an earlier answer may have told it of rows that are not here yet */
    }
    struct history history = history_for(hub, session, question);
    struct frame *frame = recent_history(hub->recent, run, &history);
    history_release(&history);
    if (!frame) {
        return false;
    }
    uint64_t head = recent_run_last(run);
    if (question->type == COMMAND_HISTORY) {
        answer_send_history(hub, session, frame);
        return true;
    }
    answer_begin(hub, session, question, head, false);
    answer_send_history(hub, session, frame);
    answer_live(hub, session, question, head);
    return true;
}

static bool head_from_memory(struct hub *hub, struct session *session,
                             const struct question *question)
{
    struct channel *channel = question->read.channel;
    if (channel->has_head && question_of(session, question)) {
        answer_begin(hub, session, question, channel->head, question->is_void);
        answer_live(hub, session, question, channel->head);
    } else if (channel->has_head) {
        say_removed(hub, session, question->read.channel);
    }
    return channel->has_head;
}

static bool answer_try(struct hub *hub, struct session *session, const struct read *read)
{
    const struct question *question = (const struct question *)read;
    bool is_answered = false;
    channel_look_for_head(hub, read->channel);
    switch (read->kind) {
    case STORE_READ_HEAD:
        return head_from_memory(hub, session, question);
    case STORE_READ_LAST:
        is_answered = history_from_memory(hub, session, question);
        break;
    case STORE_READ_SINCE:
        is_answered = resume_from_memory(hub, session, question);
        break;
    }
    if (is_answered) {
        say_count(hub, METRIC_MEMORY_ANSWERS);
    }
    return is_answered;
}

/* ---- of a read ---- */

static void answer_take_history(struct hub *hub, const struct session *session,
                                const struct question *question, const struct store_answer *found)
{
    struct history history = history_for(hub, session, question);
    for (size_t i = found->n_events; i > 0; i--) {
        history_offer(&history, found->events[i - 1]);
    }
    answer_send_history(hub, session, history_encode(&history));
    history_release(&history);
}

static void answer_take_join(struct hub *hub, struct session *session,
                             const struct question *question, const struct store_answer *found)
{
    struct channel *channel = question->read.channel;
    /* The read may be older than what has been fanned out since it was asked. */
    uint64_t newest = found->head > channel->fanned ? found->head : channel->fanned;
    if (!channel->has_head || newest > channel->head) {
        channel->head = newest;
        channel->has_head = true;
    }
    if (!question_of(session, question)) {
        say_removed(hub, session, question->read.channel);
        return;
    }
    bool is_since = question->read.kind == STORE_READ_SINCE;
    bool is_gap = question->is_void || (is_since && found->is_gap);
    if (question->wants_snapshot && (is_gap || !is_since)) {
        answer_snapshot(hub, session, question, is_gap);
        return;
    }
    /* The head of the read, not the newer one that live events may have reached meanwhile: those
     * still wait. */
    answer_begin(hub, session, question, found->head, is_gap);
    if (is_since && !is_gap) {
        replay_begin(hub, session, channel, question->read.view, question->read.since, found->head,
                     found);
        return;
    }
    if (question->read.kind == STORE_READ_LAST) {
        answer_take_history(hub, session, question, found);
    }
    answer_live(hub, session, question, found->head);
}

/* A first join that could not be answered has not happened; a member stays one. */
static void answer_undo_join(struct hub *hub, struct session *session,
                             const struct question *question)
{
    struct channel *channel = question->read.channel;
    const struct subscription *in = question_of(session, question);
    if (!in || !question->was_member) {
        membership_detach(hub, session, channel, question->read.view);
        return;
    }
    if (!in->view) {
        presence_send(hub, session, channel);
    }
    answer_live(hub, session, question, in->offset);
}

static void answer_take_judged(struct hub *hub, struct session *session,
                               const struct question *question, const struct store_answer *found)
{
    if (found->is_failed) {
        say_refusal(hub, session, channel_name(question->read.channel), ERROR_CODE_UNAVAILABLE);
        if (question->type == COMMAND_JOIN) {
            answer_undo_join(hub, session, question);
        }
    } else if (question->type == COMMAND_JOIN) {
        answer_take_join(hub, session, question, found);
    } else if (question_of(session, question)) {
        answer_take_history(hub, session, question, found);
    } else {
        say_removed(hub, session, question->read.channel);
    }
}

/* ---- history that the database has to judge first ---- */

struct pending { /* the read is over by then */
    struct asker asker;
    struct question question;
    struct store_answer found;
    uint32_t n_epoch;
    uint32_t n_regrouped; /* the channel's when the database was asked */
};

static struct pending *pending_new(struct hub *hub, const struct session *session,
                                   const struct question *question,
                                   const struct store_answer *found)
{
    struct pending *pending = mem_alloc(sizeof(*pending));
    *pending = (struct pending){.asker = {hub, session->id},
                                .question = *question,
                                .found = *found,
                                .n_epoch = hub->n_epoch};
    pending->found.epoch = str_of(hub->epoch);
    pending->found.events = mem_array(NULL, found->n_events, sizeof(struct event *));
    for (size_t i = 0; i < found->n_events; i++) {
        pending->found.events[i] = event_ref(found->events[i]);
    }
    channel_pin(question->read.channel);
    channel_pin_view(question->read.view);
    return pending;
}

static void pending_free(struct hub *hub, struct pending *pending)
{
    for (size_t i = 0; i < pending->found.n_events; i++) {
        event_unref(pending->found.events[i]);
    }
    channel_unpin_view(pending->question.read.channel, pending->question.read.view);
    channel_unpin(&hub->channels, pending->question.read.channel);
    free(pending->found.events);
    free(pending);
}

static void on_heard(void *arg, struct hearing *hearing);

static struct hearing *pending_hearing(struct hub *hub, const struct session *session,
                                       const struct question *question,
                                       const struct store_answer *found)
{
    return tell_hearing(hub, question->read.channel, session, question->read.view, found->events,
                        found->n_events);
}

static void pending_begin(struct pending *pending, struct hearing *hearing)
{
    pending->n_regrouped = pending->question.read.channel->n_regrouped;
    hearing_begin(hearing, STORE_JUDGE_PAST, on_heard, pending);
}

/* Its members were grouped anew meanwhile: it is asked again, for the group that it is in now. */
static bool pending_asks_again(struct pending *pending, struct session *session)
{
    const struct question *question = &pending->question;
    bool is_old = session && !session->is_closing && question_of(session, question) &&
                  pending->n_epoch == pending->asker.hub->n_epoch &&
                  pending->n_regrouped != question->read.channel->n_regrouped;
    struct hearing *hearing =
        is_old ? pending_hearing(pending->asker.hub, session, question, &pending->found) : NULL;
    if (hearing) {
        pending_begin(pending, hearing);
    }
    return hearing;
}

static void on_heard(void *arg, struct hearing *hearing)
{
    struct pending *pending = arg;
    struct hub *hub = pending->asker.hub;
    struct session *session = session_table_find(&hub->sessions, pending->asker.session);
    if (pending_asks_again(pending, session)) {
        hearing_free(hearing);
        return;
    }
    if (session && !session->is_closing) {
        pending->found.is_failed = pending->n_epoch != hub->n_epoch;
        tell_by(hub, hearing);
        answer_take_judged(hub, session, &pending->question, &pending->found);
        tell_by(hub, NULL);
    }
    if (session && session->wait == SESSION_WAIT_JUDGES) {
        session_end_wait(&hub->sessions, session);
    }
    hearing_free(hearing);
    pending_free(hub, pending);
}

/* True: it waits. */
static bool answer_hears(struct hub *hub, struct session *session, const struct question *question,
                         const struct store_answer *found)
{
    const struct read *read = &question->read;
    if (read->kind != STORE_READ_LAST || found->is_failed || !question_of(session, question)) {
        return false;
    }
    struct hearing *hearing = pending_hearing(hub, session, question, found);
    if (hearing) {
        session->wait = SESSION_WAIT_JUDGES;
        pending_begin(pending_new(hub, session, question, found), hearing);
    }
    return hearing;
}

static void answer_take(struct hub *hub, struct session *session, const struct read *read,
                        const struct store_answer *found)
{
    const struct question *question = (const struct question *)read;
    if (!answer_hears(hub, session, question, found)) {
        answer_take_judged(hub, session, question, found);
    }
}

/* ---- asking ---- */

static void answer_question(struct hub *hub, struct session *session, struct question question)
{
    question.read.try = answer_try;
    question.read.take = answer_take;
    if (answer_try(hub, session, &question.read)) {
        return;
    }
    struct question *asked = mem_alloc(sizeof(*asked));
    *asked = question;
    session->wait = SESSION_WAIT_READ;
    reads_ask(hub, session, &asked->read);
}

/* A member that joins again goes on where it is: naming the head, which may be ahead of what it was
 * sent, would make it believe that it has the events between. */
static void answer_without_reading(struct hub *hub, struct session *session,
                                   const struct question *question)
{
    struct channel *channel = question->read.channel;
    const struct subscription *in = question_of(session, question);
    uint64_t offset = in ? membership_position(in, channel) : channel->head;
    if (!in) {
        membership_attach(hub, session, channel, question->read.view);
    }
    answer_acknowledge(hub, session, &question->read, offset, false, question->is_void);
    if (question->wish != PRESENCE_WISH_NONE) {
        subscription_wish(question_of(session, question), question->wish);
        presence_send(hub, session, channel);
    }
    answer_owed(hub, session, question);
    answer_live(hub, session, question, offset);
}

void answer_join(struct hub *hub, struct session *session, struct question question)
{
    channel_look_for_head(hub, question.read.channel);
    if (question.wants_snapshot && question.read.kind == STORE_READ_HEAD) {
        membership_attach(hub, session, question.read.channel, question.read.view);
        answer_snapshot(hub, session, &question, question.is_void);
        return;
    }
    if (question.read.kind == STORE_READ_HEAD && question.read.channel->has_head) {
        answer_without_reading(hub, session, &question);
        return;
    }
    question.was_member = question_of(session, &question) != NULL;
    membership_attach(hub, session, question.read.channel, question.read.view);
    answer_question(hub, session, question);
}

void answer_history(struct hub *hub, struct session *session, struct channel *channel,
                    struct view *view)
{
    answer_question(hub, session,
                    (struct question){.type = COMMAND_HISTORY,
                                      .read = {.kind = STORE_READ_LAST,
                                               .channel = channel,
                                               .view = view,
                                               .limit = channel->rule->message_history,
                                               .max_bytes = HISTORY_BYTES}});
}
