/* SPDX-License-Identifier: PostgreSQL */
/* A sitting hears the oldest events that wait, up to a bound, for all groups that wait for exactly
 * these. A group sits once at a time, and what comes meanwhile is its next sitting's: so judges that
 * take long make sittings larger, not more, and each group is told in order.
 *
 * One statement of the database's judges one group after the other. So a group whose judges take long
 * (the database says how long each took), or for which a call came to no end, sits alone, in a lane
 * of its own, until it is quick again: it delays itself.
 *
 * Members may be grouped anew meanwhile. Then the answers are for groups that there are not any more:
 * they are thrown away, and the sitting is held again.
 *
 * Whom the database cannot judge for has a gap, and after a few in a row is told that this does not
 * work: a page that asks again and again for what fails each time would only make it worse. */
#include "core/hub/sitting.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "core/hub/ground/docket.h"
#include "core/hub/ground/say.h"
#include "core/hub/live/gap.h"
#include "core/hub/live/hearing.h"
#include "core/hub/live/tell.h"
#include "core/hub/revoke.h"

#include <uthash.h>

enum {
    HEARD_EVENTS = 100,
    HEARD_BYTES = 1024 * 1024,
    HEARD_CELLS = 20000, /* groups times rows: about 0.7 s of Postgres' time for simple policies */
    MAX_FAILURES = 3,
};

struct sitting {
    struct sitting *next; /* of those that are about to begin */
    UT_hash_handle hh;    /* by the events, while groups may still join it */
    struct hub *hub;
    struct channel *channel;
    struct group **groups; /* NULL: it is gone */
    size_t n_groups, cap;
    uint32_t n_regrouped; /* the channel's when it began */
    size_t n;
    struct event *events[];
};

struct calendar { /* sittings that are about to begin */
    struct sitting *open;
    struct sitting *first;
};

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

/* ---- seats ---- */

static struct sitting *sitting_new(struct hub *hub, struct channel *channel,
                                   const struct docket *docket, size_t n)
{
    struct sitting *sitting = mem_zalloc(sizeof(*sitting) + n * sizeof(struct event *));
    sitting->hub = hub;
    sitting->channel = channel;
    sitting->n = n;
    for (size_t i = 0; i < n; i++) {
        sitting->events[i] = event_ref(docket_events(docket)[i]);
    }
    channel_pin(channel);
    return sitting;
}

static void sitting_leave(const struct sitting *sitting, size_t seat)
{
    if (sitting->groups[seat]) {
        sitting->groups[seat]->docket->seat = NULL;
        sitting->groups[seat] = NULL;
    }
}

/* The channel may be gone then. */
static void sitting_free(struct sitting *sitting)
{
    for (size_t i = 0; i < sitting->n_groups; i++) {
        sitting_leave(sitting, i);
    }
    for (size_t i = 0; i < sitting->n; i++) {
        event_unref(sitting->events[i]);
    }
    channel_unpin(&sitting->hub->channels, sitting->channel);
    free(sitting->groups);
    free(sitting);
}

static void sitting_point_seats(const struct sitting *sitting)
{
    for (size_t i = 0; i < sitting->n_groups; i++) {
        sitting->groups[i]->docket->seat = &sitting->groups[i];
    }
}

static void sitting_seat(struct sitting *sitting, struct group *group)
{
    bool is_moved = sitting->n_groups == sitting->cap;
    if (is_moved) {
        sitting->cap = sitting->cap ? sitting->cap * 2 : 1;
        sitting->groups = mem_array(sitting->groups, sitting->cap, sizeof(struct group *));
    }
    sitting->groups[sitting->n_groups++] = group;
    if (is_moved) {
        sitting_point_seats(sitting);
    } else {
        group->docket->seat = &sitting->groups[sitting->n_groups - 1];
    }
}

/* ---- who sits with whom ---- */

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

static void calendar_add(struct calendar *calendar, struct sitting *sitting)
{
    sitting->next = calendar->first;
    calendar->first = sitting;
}

static struct sitting *calendar_find(struct hub *hub, struct channel *channel,
                                     struct calendar *calendar, const struct docket *docket)
{
    struct sitting *sitting;
    size_t n = docket_room(docket), bytes = n * sizeof(struct event *);
    HASH_FIND(hh, calendar->open, docket_events(docket), bytes, sitting);
    if (!sitting) {
        sitting = sitting_new(hub, channel, docket, n);
        HASH_ADD_KEYPTR(hh, calendar->open, sitting->events, bytes, sitting);
    }
    return sitting;
}

static void calendar_take(struct hub *hub, struct channel *channel, struct calendar *calendar,
                          struct group *group)
{
    if (group->is_slow) {
        struct sitting *alone =
            sitting_new(hub, channel, group->docket, docket_room(group->docket));
        sitting_seat(alone, group);
        calendar_add(calendar, alone);
        return;
    }
    struct sitting *sitting = calendar_find(hub, channel, calendar, group->docket);
    sitting_seat(sitting, group);
    if (sitting->n_groups * sitting->n * 2 >= HEARD_CELLS) {
        HASH_DEL(calendar->open, sitting);
        calendar_add(calendar, sitting);
    }
}

static void calendar_fill(struct hub *hub, struct channel *channel, struct calendar *calendar)
{
    struct sitting *sitting, *next;
    for (uint32_t i = 0; i < channel->groups.n_waiting; i++) {
        struct group *group = channel->groups.waiting[i];
        if (!group->docket->seat) {
            calendar_take(hub, channel, calendar, group);
        }
    }
    HASH_ITER(hh, calendar->open, sitting, next)
    {
        HASH_DEL(calendar->open, sitting);
        calendar_add(calendar, sitting);
    }
}

/* ---- hearings ---- */

/* Whoever was late stays as he was, and is heard alone. */
static void sitting_part(const struct sitting *sitting, const struct hearing *hearing)
{
    for (size_t i = 0; i < sitting->n_groups; i++) {
        struct group *group = sitting->groups[i];
        enum hearing_outcome outcome = group ? hearing_outcome(hearing, group) : HEARING_NOTHING;
        if (outcome == HEARING_LATE) {
            group->is_slow = true;
            sitting_leave(sitting, i);
        } else if (outcome == HEARING_ANSWERED) {
            group->is_slow = hearing_is_slow(hearing, group);
        }
    }
}

static void sitting_tell(const struct sitting *sitting, const struct hearing *hearing)
{
    tell_by(sitting->hub, hearing);
    for (size_t i = 0; i < sitting->n; i++) {
        tell_heard(sitting->hub, sitting->channel, sitting->events[i], sitting->groups,
                   sitting->n_groups);
    }
    tell_by(sitting->hub, NULL);
}

/* Who is given up takes his groups from their seats. */
static void sitting_count_failures(const struct sitting *sitting, const struct hearing *hearing)
{
    for (size_t i = 0; i < sitting->n_groups; i++) {
        struct group *group = sitting->groups[i];
        enum hearing_outcome outcome = group ? hearing_outcome(hearing, group) : HEARING_NOTHING;
        if (outcome == HEARING_ANSWERED) {
            group->n_failures = 0;
        } else if (outcome == HEARING_FAILED && ++group->n_failures >= MAX_FAILURES) {
            group->n_failures = 0;
            group_give_up(sitting->hub, sitting->channel, group);
        }
    }
}

static void sitting_shift(const struct sitting *sitting)
{
    for (size_t i = 0; i < sitting->n_groups; i++) {
        struct group *group = sitting->groups[i];
        sitting_leave(sitting, i);
        if (group) {
            docket_shift(&sitting->channel->groups, group, sitting->n);
        }
    }
}

static void sitting_end(struct sitting *sitting, struct hearing *hearing)
{
    sitting_part(sitting, hearing);
    sitting_tell(sitting, hearing);
    sitting_count_failures(sitting, hearing);
    sitting_shift(sitting);
    hearing_free(hearing);
}

static void channel_sit(struct hub *hub, struct channel *channel);

static void on_heard(void *arg, struct hearing *hearing)
{
    struct sitting *sitting = arg;
    struct hub *hub = sitting->hub;
    struct channel *channel = sitting->channel;
    if (sitting->n_regrouped == channel->n_regrouped) {
        sitting_end(sitting, hearing);
    } else {
        hearing_free(hearing);
    }
    channel_pin(channel);
    sitting_free(sitting);
    channel_sit(hub, channel);
    channel_unpin(&hub->channels, channel);
}

/* False: nothing had to be asked, and it is over. */
static bool sitting_begin(struct sitting *sitting)
{
    struct hearing *hearing = tell_hearing_of(sitting->hub, sitting->groups, sitting->n_groups,
                                              sitting->events, sitting->n);
    bool is_asked = !hearing_is_empty(hearing);
    sitting->n_regrouped = sitting->channel->n_regrouped;
    if (is_asked) {
        bool is_alone = sitting->n_groups == 1 && sitting->groups[0]->is_slow;
        hearing_begin(hearing, is_alone ? STORE_JUDGE_SLOW : STORE_JUDGE_LIVE, on_heard, sitting);
    } else {
        sitting_end(sitting, hearing);
        sitting_free(sitting);
    }
    return is_asked;
}

/* Until everybody who waits sits. */
static void channel_sit(struct hub *hub, struct channel *channel)
{
    bool is_over = false;
    while (!is_over) {
        struct calendar calendar = {0};
        calendar_fill(hub, channel, &calendar);
        is_over = true;
        while (calendar.first) {
            struct sitting *sitting = calendar.first;
            calendar.first = sitting->next;
            is_over = sitting_begin(sitting) && is_over;
        }
    }
}

/* ---- what makes them ---- */

static bool docket_is_full(const struct hub *hub, const struct docket *docket)
{
    return docket->n > hub->options.max_waiting || docket->bytes > hub->options.max_waiting_bytes;
}

static void channel_drop_full(struct hub *hub, struct channel *channel)
{
    struct group_list *groups = &channel->groups;
    for (uint32_t i = groups->n_waiting; i > 0; i--) {
        struct group *group = groups->waiting[i - 1];
        if (docket_is_full(hub, group->docket)) {
            docket_drop(groups, group);
            gap_tell_group(hub, channel, group, channel->fanned);
            log_warn("channel %.*s: %u sessions have a gap, more changes wait for the judgement of "
                     "the database than may",
                     (int)channel->name_len, channel->name, group->roster->n);
        }
    }
}

void sitting_run(struct hub *hub, struct channel *channel)
{
    channel_pin(channel);
    channel_drop_full(hub, channel);
    channel_sit(hub, channel);
    channel_unpin(&hub->channels, channel);
}

/* False: somebody was grouped anew, and the dockets are others. */
static bool channel_learn_next(struct hub *hub, struct channel *channel)
{
    const struct group_list *groups = &channel->groups;
    uint32_t n_regrouped = channel->n_regrouped;
    for (uint32_t i = 0; i < groups->n_waiting; i++) {
        const struct docket *docket = groups->waiting[i]->docket;
        for (size_t k = 0; k < docket->n; k++) {
            tell_learn(hub, channel, &docket_events(docket)[k]->f);
            if (n_regrouped != channel->n_regrouped) {
                return false;
            }
        }
    }
    return true;
}

/* Each time it knows one more of the words of those who own the tables. */
static void channel_learn(struct hub *hub, struct channel *channel)
{
    while (!channel_learn_next(hub, channel)) {
    }
}

void sitting_take_site(struct hub *hub)
{
    struct channel *channel, *next;
    HASH_ITER(hh, hub->channels.by_name, channel, next)
    {
        channel_learn(hub, channel);
    }
}
