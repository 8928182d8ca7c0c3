/* SPDX-License-Identifier: PostgreSQL */
/* An event as somebody is told it: to whom only one of its two rows is visible, an update is an
 * insert or a delete. Hub thread only. */
#ifndef HERALD_CORE_HUB_LIVE_TELL_H
#define HERALD_CORE_HUB_LIVE_TELL_H

#include "core/hub/ground/hub_state.h"

enum tell {
    TELL_NOTHING,
    TELL_EVENT,
    TELL_GAP, /* it cannot be told whether it is visible: what is missing can only be read anew */
};

struct hearing; /* hearing.h */

struct teller *teller_new(void); /* memory that is used again and again */
void teller_free(struct teller *teller);

/* ---- what the database is asked first ---- */

/* Of these events' rows, for the group that the session is in. NULL: nothing. To be begun. */
struct hearing *tell_hearing(struct hub *hub, struct channel *channel,
                             const struct session *session, const struct view *view,
                             struct event *const *events, size_t n);
/* The same for these groups; perhaps empty. The rows' shapes were learned. */
struct hearing *tell_hearing_of(struct hub *hub, struct group *const *groups, size_t n_groups,
                                struct event *const *events, size_t n);
/* The members are grouped as the row needs it; then groups may be gone. Whoever is told of an event
 * has learned it. */
void tell_learn(struct hub *hub, struct channel *channel, const struct event_fields *event);
bool tell_is_asked(struct hub *hub, const struct event_fields *event);
/* What it has said counts for what is told from here on; NULL: nothing was said, and rows that it
 * would be asked about are a gap. */
void tell_by(struct hub *hub, const struct hearing *hearing);

/* ---- telling ---- */

/* To all whom it concerns; for groups that the database has to be asked for, and those that wait
 * already, it is put on their dockets. */
void tell_live(struct hub *hub, struct channel *channel, struct event *event);
/* To these groups, who have waited for it; NULL among them: one that is gone. */
void tell_heard(struct hub *hub, struct channel *channel, struct event *event,
                struct group *const *groups, size_t n);
/* As the session is told it that missed it, or asks for what was. *told points into the event, or
 * to text that is valid until the next call. */
enum tell tell_past(struct hub *hub, const struct session *session, struct channel *channel,
                    const struct view *view, const struct event_fields *event,
                    struct protocol_event *told);
/* A row that there is, as payload and kept of an insert, by the number that it has in the hearing. GAP: nobody can say whether it is visible;
 * *is_unknown: whether the filter lets it pass hangs on what the row lacks. */
enum tell tell_row(struct hub *hub, struct group *group, struct shape *shape, struct str payload,
                   struct str kept, uint64_t number, bool *is_unknown);
/* Whether everybody is told what was on the channel in the same words. */
bool tell_is_public(struct hub *hub, struct channel *channel, const struct event_fields *event);

#endif
