/* SPDX-License-Identifier: PostgreSQL */
/* One hearing of a channel is under way at a time. It has all events that wait, up to a bound, and all
 * groups: what comes meanwhile is the next one's. So a slow judge makes hearings larger, not more.
 *
 * Members may be grouped anew while it is under way. Then its answers are for groups that there are
 * not any more: it is thrown away, and held again.
 *
 * Whom the database cannot judge for has a gap, and after a few in a row is told that this does not
 * work: a page that asks again and again for what fails each time would only make it worse. */
#include "core/hub/docket.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "core/hub/ground/say.h"
#include "core/hub/live/hearing.h"
#include "core/hub/live/tell.h"
#include "core/hub/revoke.h"

enum {
    HEARD_EVENTS = 100,
    HEARD_BYTES = 1024 * 1024,
    MAX_EVENTS = 10000,
    MAX_BYTES = 8 * 1024 * 1024,
    MAX_FAILURES = 3,
};

struct docket {
    struct hub *hub;
    struct channel *channel;
    struct event **events;
    size_t first, n, cap;    /* n from `first` on */
    size_t bytes;            /* of them */
    struct hearing *hearing; /* of the first n_heard; NULL: none is under way */
    size_t n_heard;
    uint32_t n_regrouped; /* the channel's when it began */
};

/* ---- the list ---- */

static size_t event_bytes(const struct event *event)
{
    return sizeof(*event) + event->f.payload.len + event->f.kept.len;
}

static struct event **docket_events(const struct docket *docket)
{
    return docket->events + docket->first;
}

static void docket_note_oldest(const struct docket *docket)
{
    docket->channel->waits_from = docket->n > 0 ? docket_events(docket)[0]->f.offset : 0;
}

static void docket_push(struct docket *docket, struct event *event)
{
    if (docket->first + docket->n == docket->cap && docket->first > docket->cap / 2) {
        memmove(docket->events, docket_events(docket), docket->n * sizeof(struct event *));
        docket->first = 0;
    } else if (docket->first + docket->n == docket->cap) {
        docket->cap = docket->cap ? docket->cap * 2 : 16;
        docket->events = mem_array(docket->events, docket->cap, sizeof(struct event *));
    }
    docket_events(docket)[docket->n++] = event_ref(event);
    docket->bytes += event_bytes(event);
    docket_note_oldest(docket);
}

static void docket_shift(struct docket *docket, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct event *event = docket_events(docket)[0];
        docket->bytes -= event_bytes(event);
        docket->first++;
        docket->n--;
        event_unref(event);
    }
    docket_note_oldest(docket);
}

void docket_drop_channel(struct channel *channel)
{
    struct docket *docket = channel->docket;
    channel->docket = NULL;
    if (docket) {
        docket_shift(docket, docket->n);
        hearing_free(docket->hearing);
        free(docket->events);
        free(docket);
    }
}

/* It pins its channel. */
static struct docket *docket_open(struct hub *hub, struct channel *channel)
{
    if (!channel->docket) {
        channel->docket = mem_zalloc(sizeof(*channel->docket));
        channel->docket->hub = hub;
        channel->docket->channel = channel;
        channel_pin(channel);
    }
    return channel->docket;
}

void docket_clear(struct hub *hub, struct channel *channel)
{
    if (channel->docket) {
        docket_drop_channel(channel);
        channel_unpin(&hub->channels, channel);
    }
}

/* ---- who cannot be judged for ---- */

struct failing {
    struct hub *hub;
    struct channel *channel;
    const struct group *group;
};

static bool session_is_of(const struct session *session, const struct failing *failing)
{
    for (uint32_t i = 0; i < session->n_subscriptions; i++) {
        const struct subscription *in = &session->subscriptions[i];
        if (in->channel == failing->channel && in->group == failing->group && in->is_joined) {
            return true;
        }
    }
    return false;
}

/* With all its views: they are judged for the same role and claims. */
static void session_give_up(void *arg, struct session *session)
{
    const struct failing *failing = arg;
    if (!session->is_closing && session_is_of(session, failing)) {
        say_error(failing->hub, session, channel_name(failing->channel), ERROR_CODE_HOOK_FAILED,
                  NULL);
        revoke_membership(failing->hub, session, failing->channel,
                          "Who may see the rows of this channel could not be judged.");
    }
}

static void group_give_up(struct hub *hub, struct channel *channel, const struct group *group)
{
    struct failing failing = {hub, channel, group};
    log_warn("channel %.*s: %u sessions are out of it, their rows could not be judged",
             (int)channel->name_len, channel->name, group->roster->n);
    session_table_each(&hub->sessions, session_give_up, &failing);
}

/* From the last one down: who is given up takes his group out of the list. */
static void docket_count_failures(const struct docket *docket, const struct hearing *hearing)
{
    const struct group_list *groups = &docket->channel->groups;
    for (uint32_t i = groups->n; i > 0; i = i - 1 < groups->n ? i - 1 : groups->n) {
        struct group *group = groups->items[i - 1];
        switch (hearing_outcome(hearing, group)) {
        case HEARING_NOTHING:
            break;
        case HEARING_ANSWERED:
            group->n_failures = 0;
            break;
        case HEARING_FAILED:
            if (++group->n_failures >= MAX_FAILURES) {
                group->n_failures = 0;
                group_give_up(docket->hub, docket->channel, group);
            }
            break;
        }
    }
}

/* ---- hearings ---- */

static void on_heard(void *arg, struct hearing *hearing);

static size_t docket_room(const struct docket *docket)
{
    size_t n = 0, bytes = 0;
    while (n < docket->n && n < HEARD_EVENTS) {
        bytes += event_bytes(docket_events(docket)[n]);
        if (n > 0 && bytes > HEARD_BYTES) {
            break;
        }
        n++;
    }
    return n;
}

static void docket_tell(struct docket *docket, const struct hearing *hearing, size_t n)
{
    tell_by(docket->hub, hearing);
    for (size_t i = 0; i < n; i++) {
        tell_live(docket->hub, docket->channel, &docket_events(docket)[i]->f);
    }
    tell_by(docket->hub, NULL);
    docket_shift(docket, n);
}

/* Until something has to be asked, or nothing waits any more. */
static void docket_run(struct docket *docket)
{
    struct hub *hub = docket->hub;
    while (docket->n > 0 && !docket->hearing) {
        size_t n = docket_room(docket);
        struct hearing *hearing =
            tell_hearing_of_all(hub, docket->channel, docket_events(docket), n);
        if (hearing_is_empty(hearing)) {
            docket_tell(docket, hearing, n);
            hearing_free(hearing);
            continue;
        }
        docket->hearing = hearing;
        docket->n_heard = n;
        docket->n_regrouped = docket->channel->n_regrouped;
        hearing_begin(hearing, on_heard, docket);
    }
    if (docket->n == 0) {
        docket_clear(hub, docket->channel);
    }
}

static void on_heard(void *arg, struct hearing *hearing)
{
    struct docket *docket = arg;
    docket->hearing = NULL;
    if (docket->n_regrouped == docket->channel->n_regrouped) {
        docket_tell(docket, hearing, docket->n_heard);
        docket_count_failures(docket, hearing);
    }
    hearing_free(hearing);
    docket_run(docket);
}

static void docket_overflow(struct docket *docket)
{
    struct hub *hub = docket->hub;
    struct channel *channel = docket->channel;
    log_warn("channel %.*s: more changes wait for the judgement of the database than may; its "
             "members have a gap",
             (int)channel->name_len, channel->name);
    for (uint32_t i = 0; i < channel->groups.n; i++) {
        const struct group *group = channel->groups.items[i];
        struct frame *frame = tell_gap(hub, channel, group->view, channel->fanned);
        say_count(hub, METRIC_GAPS);
        roster_publish(group->roster, hub->transport, frame);
        frame_unref(frame);
    }
    docket_clear(hub, channel);
}

bool docket_take(struct hub *hub, struct channel *channel, struct event *event)
{
    if (!channel->docket && (channel->groups.n == 0 || !tell_is_asked(hub, &event->f))) {
        return false;
    }
    struct docket *docket = docket_open(hub, channel);
    docket_push(docket, event);
    if (docket->n > MAX_EVENTS || docket->bytes > MAX_BYTES) {
        docket_overflow(docket);
    } else {
        docket_run(docket);
    }
    return true;
}
