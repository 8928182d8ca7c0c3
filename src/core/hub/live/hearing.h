/* SPDX-License-Identifier: PostgreSQL */
/* What the database is asked of the rows of some events, for some groups, and what it says. The calls
 * are cut so that none of them is long. Hub thread only. */
#ifndef HERALD_CORE_HUB_LIVE_HEARING_H
#define HERALD_CORE_HUB_LIVE_HEARING_H

#include "core/hub/live/sight.h"
#include "core/live/rows.h"
#include "core/store_judges.h"

struct hearing;

/* Not from inside hearing_begin. The hearing is the callee's: hearing_free. */
typedef void hearing_fn(void *arg, struct hearing *hearing);

struct hearing *hearing_new(struct hub *hub);
/* The rows of an event, under a number that rises from call to call. Nothing, if the database is not
 * asked about such rows. First all rows, then the groups. */
void hearing_add_rows(struct hearing *hearing, struct shape *shape, struct str payload,
                      struct str kept, uint64_t number);
void hearing_add_group(struct hearing *hearing, struct group *group);
bool hearing_is_empty(const struct hearing *hearing); /* there is nothing to ask */
void hearing_begin(struct hearing *hearing, enum store_judge_rank rank, hearing_fn *done,
                   void *arg);
void hearing_free(struct hearing *hearing); /* at any time; NULL is fine */

/* t, f or u; 0: that was not asked. */
char hearing_letter(const struct hearing *hearing, int64_t shape, const struct sight_ask *ask,
                    uint64_t number, enum live_side side);

enum hearing_outcome {
    HEARING_NOTHING,  /* nothing was asked for the group, or nothing came of it */
    HEARING_ANSWERED, /* it has a verdict */
    HEARING_FAILED,   /* its calls fail: it cannot be judged */
    HEARING_LATE,     /* a call for it and others was stopped: to be asked for alone */
};
enum hearing_outcome hearing_outcome(const struct hearing *hearing, const struct group *group);
bool hearing_is_slow(const struct hearing *hearing,
                     const struct group *group); /* its policies are */

#endif
