/* SPDX-License-Identifier: PostgreSQL */
/* Live, an event's values are taken once, for the columns that any judge looks at, and only the
 * groups that the index names are asked. What was missed goes the same way for one group: there is
 * one judge for what is live, in memory and read from the log.
 *
 *   old  new   is told as
 *   no   yes   it is, if there was no old row; else as an insert, moved: enter
 *   yes  yes   it is; nothing if no announced column differs, which would tell of hidden changes
 *   yes  no    it is, if there is no new row; else as a delete, moved: leave
 *
 * Where the filter needs a column that the row lacks (it came by key), whoever may see it is told, and
 * that it is unknown whether it moved: perhaps it is a yes. A row that is surely a no is not shown
 * then either: it may be one that the group may not see. Where `visible` needs a column that is
 * lacking, nobody can say, and the group has a gap. */
#include "core/hub/live/tell.h"

#include <stdlib.h>

#include "base/mem.h"
#include "core/hub/ground/docket.h"
#include "core/hub/ground/say.h"
#include "core/hub/live/gap.h"
#include "core/hub/live/hearing.h"
#include "core/hub/live/moved.h"
#include "core/hub/live/place.h"
#include "core/hub/live/sight.h"
#include "core/row/change.h"

struct teller {
    struct live_rows rows;
    uint64_t number;                  /* that the hearing knows them by */
    const struct hearing *hearing;    /* NULL: none */
    struct buf payloads[MOVED_COUNT]; /* of the event at hand; empty: not made */
};

struct teller *teller_new(void)
{
    return mem_zalloc(sizeof(struct teller));
}

void teller_free(struct teller *teller)
{
    live_rows_release(&teller->rows);
    for (int i = 0; i < MOVED_COUNT; i++) {
        buf_release(&teller->payloads[i]);
    }
    free(teller);
}

/* ---- judging ---- */

enum look {
    LOOK_NO,
    LOOK_YES,
    LOOK_LACKING,
    LOOK_BLIND
}; /* BLIND: nobody can say who may see it */

/* By what the database has said. */
static enum look sight_look_up(const struct sight *sight, const struct teller *teller,
                               enum live_side side)
{
    enum look look = LOOK_YES;
    for (uint32_t i = 0; i < sight->n_asks && look != LOOK_NO; i++) {
        char letter = teller->hearing ? hearing_letter(teller->hearing, sight->shape,
                                                       &sight->asks[i], teller->number, side)
                                      : 'u';
        look = letter == 't' ? look : letter == 'f' ? LOOK_NO : LOOK_BLIND;
    }
    return look;
}

static enum look sight_look(const struct sight *sight, const struct teller *teller,
                            enum live_side side)
{
    const struct live_rows *rows = &teller->rows;
    enum look look = LOOK_YES;
    if (!rows->has[side] || sight->is_nobody) {
        return LOOK_NO;
    }
    if (sight->is_unfit) {
        look = LOOK_LACKING;
    } else if (sight->filter) {
        enum verdict wanted = judge_row(sight->filter, rows, side);
        look = wanted == VERDICT_YES       ? LOOK_YES
               : wanted == VERDICT_LACKING ? LOOK_LACKING
                                           : LOOK_NO;
    }
    for (uint32_t i = 0; i < sight->n_visible && look != LOOK_NO; i++) {
        enum verdict may = judge_row(sight->visible[i], rows, side);
        look = may == VERDICT_YES ? look : may == VERDICT_LACKING ? LOOK_BLIND : LOOK_NO;
    }
    if (look == LOOK_NO) {
        return look;
    }
    enum look said = sight_look_up(sight, teller, side);
    return said == LOOK_YES ? look : said;
}

static enum tell sight_judge(const struct sight *sight, const struct teller *teller, bool is_same,
                             enum moved *moved)
{
    const struct live_rows *rows = &teller->rows;
    enum look old = sight_look(sight, teller, LIVE_OLD), new = sight_look(sight, teller, LIVE_NEW);
    *moved = MOVED_NOT;
    if (old == LOOK_BLIND || new == LOOK_BLIND) {
        return TELL_GAP;
    }
    bool is_there = new != LOOK_NO, was_there = old != LOOK_NO;
    bool is_lacking = old == LOOK_LACKING || new == LOOK_LACKING;
    if (is_there && was_there) {
        *moved = is_lacking ? MOVED_UNKNOWN : MOVED_NOT;
        return is_same ? TELL_NOTHING : TELL_EVENT;
    }
    if (is_there && rows->has[LIVE_OLD]) {
        *moved = is_lacking ? MOVED_PERHAPS : MOVED_ENTER;
    } else if (was_there && rows->has[LIVE_NEW]) {
        *moved = MOVED_LEAVE;
    } else if (is_lacking) {
        *moved = MOVED_UNKNOWN;
    }
    return is_there || was_there ? TELL_EVENT : TELL_NOTHING;
}

/* The members are grouped as the row needs it. False: it needs no judges. */
static bool tell_needs_judges(struct hub *hub, struct channel *channel, struct shape *shape)
{
    enum sights_need need = sights_need(hub, channel, shape);
    if (need == SIGHTS_NEED_GROUPS) {
        place_all(hub, channel);
        need = sights_need(hub, channel, shape);
    }
    return need != SIGHTS_NEED_NOTHING;
}

static void teller_take(struct teller *teller, struct shape *shape, const struct column_set *needed,
                        const struct event_fields *event)
{
    live_rows_read(&teller->rows, shape, needed, event->payload, event->kept);
    teller->number = event->offset;
    for (int i = 0; i < MOVED_COUNT; i++) {
        buf_clear(&teller->payloads[i]);
    }
}

static struct protocol_event teller_put(struct teller *teller, const struct event_fields *event,
                                        enum moved moved)
{
    struct protocol_event told = protocol_event_of(event);
    told.moved = moved_name(moved);
    if (moved == MOVED_ENTER || moved == MOVED_PERHAPS || moved == MOVED_LEAVE) {
        struct buf *payload = &teller->payloads[moved];
        if (payload->len == 0) {
            moved_put(payload, event->payload, moved);
        }
        told.payload = buf_span(payload);
    }
    return told;
}

/* ---- what the database is asked first ---- */

bool tell_is_asked(struct hub *hub, const struct event_fields *event)
{
    struct str visible[VISIBLE_MAX];
    return event->shape && !change_is_truncate(event->payload) &&
           sights_asked(hub, event->shape, visible) > 0;
}

static void hearing_add_event(struct hearing *hearing, struct hub *hub,
                              const struct event_fields *event)
{
    if (tell_is_asked(hub, event)) {
        hearing_add_rows(hearing, event->shape, event->payload, event->kept, event->offset);
    }
}

void tell_learn(struct hub *hub, struct channel *channel, const struct event_fields *event)
{
    if (tell_is_asked(hub, event)) {
        (void)tell_needs_judges(hub, channel, event->shape);
    }
}

struct hearing *tell_hearing_of(struct hub *hub, struct group *const *groups, size_t n_groups,
                                struct event *const *events, size_t n)
{
    struct hearing *hearing = hearing_new(hub);
    for (size_t i = 0; i < n; i++) {
        hearing_add_event(hearing, hub, &events[i]->f);
    }
    for (size_t i = 0; i < n_groups; i++) {
        hearing_add_group(hearing, groups[i]);
    }
    return hearing;
}

/* The members are grouped as all of these rows need it, before the group is asked for. */
struct hearing *tell_hearing(struct hub *hub, struct channel *channel,
                             const struct session *session, const struct view *view,
                             struct event *const *events, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tell_learn(hub, channel, &events[i]->f);
    }
    struct group *group = session_in_view(session, channel, view)->group;
    struct hearing *hearing = tell_hearing_of(hub, &group, 1, events, n);
    if (hearing_is_empty(hearing)) {
        hearing_free(hearing);
        return NULL;
    }
    return hearing;
}

void tell_by(struct hub *hub, const struct hearing *hearing)
{
    hub->teller->hearing = hearing;
}

/* ---- live ---- */

struct telling { /* one event */
    struct hub *hub;
    struct channel *channel;
    struct event *event;
    bool is_silent;
    bool is_heard;                     /* who has waited for it is told now */
    struct frame *frames[MOVED_COUNT]; /* for plain members, who all get the same */
};

static struct telling telling_of(struct hub *hub, struct channel *channel, struct event *event)
{
    return (struct telling){.hub = hub,
                            .channel = channel,
                            .event = event,
                            .is_silent = change_is_silent(event->f.kept)};
}

static void telling_end(const struct telling *telling)
{
    for (int i = 0; i < MOVED_COUNT; i++) {
        frame_unref(telling->frames[i]);
    }
}

static struct frame *telling_frame(struct telling *telling, const struct view *view,
                                   enum moved moved)
{
    struct hub *hub = telling->hub;
    struct frame **kept = &telling->frames[moved];
    if (!view && *kept) {
        return frame_ref(*kept);
    }
    struct protocol_event told = teller_put(hub->teller, &telling->event->f, moved);
    struct frame *frame = hub->protocol->event(&told, view_name(view), false);
    if (!view) {
        *kept = frame_ref(frame);
    }
    return frame;
}

/* Behind what it waits for already, if it does. */
static void telling_give(struct telling *telling, struct group *group, enum moved moved)
{
    if (group->docket && !telling->is_heard) {
        docket_push(&telling->channel->groups, group, telling->event);
        return;
    }
    struct frame *frame = telling_frame(telling, group->view, moved);
    roster_publish(group->roster, telling->hub->transport, frame);
    frame_unref(frame);
}

/* Nothing is known yet of what the database would say: what it cannot change need not wait for it. */
static void telling_judge(struct telling *telling, const struct sight *sight)
{
    struct hub *hub = telling->hub;
    struct group *group = sight->group;
    enum moved moved;
    enum tell tell = sight_judge(sight, hub->teller, telling->is_silent, &moved);
    bool waits = sight->n_asks > 0 || group->docket;
    if (tell == TELL_EVENT) {
        telling_give(telling, group, moved);
    } else if (tell == TELL_GAP && waits && !telling->is_heard) {
        docket_push(&telling->channel->groups, group, telling->event);
    } else if (tell == TELL_GAP) {
        gap_tell_group(hub, telling->channel, group, telling->event->f.offset);
    }
}

static void telling_take(const struct telling *telling, const struct sight_index *index)
{
    const struct event_fields *event = &telling->event->f;
    teller_take(telling->hub->teller, event->shape, &index->needed, event);
}

static void telling_row(struct telling *telling)
{
    struct hub *hub = telling->hub;
    struct sight_index *index = sights_index(hub, telling->channel, telling->event->f.shape);
    void *const *found;
    telling_take(telling, index);
    size_t n = live_index_find(index->index, &hub->teller->rows, &found);
    for (size_t i = 0; i < n; i++) {
        telling_judge(telling, found[i]);
    }
    for (uint32_t i = 0; i < index->n_open; i++) {
        telling_judge(telling, index->open[i]);
    }
}

static void telling_all(struct telling *telling, uint32_t n)
{
    const struct group_list *groups = &telling->channel->groups;
    for (uint32_t i = 0; i < n; i++) {
        telling_give(telling, groups->items[i], MOVED_NOT);
    }
}

/* The plain members. */
static void telling_open(struct telling *telling)
{
    if (telling->channel->groups.n_waiting > 0) {
        telling_all(telling, telling->channel->groups.n_plain);
    } else {
        say_event(telling->hub, telling->channel, &telling->event->f);
    }
}

void tell_live(struct hub *hub, struct channel *channel, struct event *event)
{
    struct telling telling = telling_of(hub, channel, event);
    if (!event->f.shape) {
        telling_open(&telling);
    } else if (change_is_truncate(event->f.payload)) { /* it has no rows: everybody is told */
        telling_all(&telling, channel->groups.n);
    } else if (tell_needs_judges(hub, channel, event->f.shape)) {
        telling_row(&telling);
    } else if (!telling.is_silent) {
        telling_open(&telling);
    }
    telling_end(&telling);
}

void tell_heard(struct hub *hub, struct channel *channel, struct event *event,
                struct group *const *groups, size_t n)
{
    struct telling telling = telling_of(hub, channel, event);
    bool has_rows = event->f.shape && !change_is_truncate(event->f.payload);
    telling.is_heard = true;
    if (has_rows) {
        telling_take(&telling, sights_index(hub, channel, event->f.shape));
    }
    for (size_t i = 0; i < n; i++) {
        if (groups[i] && has_rows) {
            telling_judge(&telling, sights_of(hub, groups[i], event->f.shape));
        } else if (groups[i]) {
            telling_give(&telling, groups[i], MOVED_NOT);
        }
    }
    telling_end(&telling);
}

/* ---- what was ---- */

enum tell tell_past(struct hub *hub, const struct session *session, struct channel *channel,
                    const struct view *view, const struct event_fields *event,
                    struct protocol_event *told)
{
    *told = protocol_event_of(event);
    if (!audience_admits(&event->audience, session->identity)) {
        return TELL_NOTHING;
    }
    if (!event->shape) {
        return view ? TELL_NOTHING : TELL_EVENT;
    }
    if (change_is_truncate(event->payload)) {
        return TELL_EVENT;
    }
    if (!tell_needs_judges(hub, channel, event->shape)) {
        return change_is_silent(event->kept) ? TELL_NOTHING : TELL_EVENT;
    }
    const struct subscription *in = session_in_view(session, channel, view);
    const struct sight *sight = sights_of(hub, in->group, event->shape);
    struct column_set needed = {0};
    enum moved moved;
    sight_columns(sight, &needed);
    teller_take(hub->teller, event->shape, &needed, event);
    enum tell tell = sight_judge(sight, hub->teller, change_is_silent(event->kept), &moved);
    *told = teller_put(hub->teller, event, moved);
    return tell;
}

enum tell tell_row(struct hub *hub, struct group *group, struct shape *shape, struct str payload,
                   struct str kept, uint64_t number, bool *is_unknown)
{
    const struct sight *sight = sights_of(hub, group, shape);
    struct column_set needed = {0};
    enum moved moved;
    sight_columns(sight, &needed);
    live_rows_read(&hub->teller->rows, shape, &needed, payload, kept);
    hub->teller->number = number;
    enum tell tell = sight_judge(sight, hub->teller, false, &moved);
    *is_unknown = moved == MOVED_UNKNOWN;
    return tell;
}

bool tell_is_public(struct hub *hub, struct channel *channel, const struct event_fields *event)
{
    return event->audience.kind == AUDIENCE_ALL && !change_is_silent(event->kept) &&
           (!event->shape || !tell_needs_judges(hub, channel, event->shape));
}
