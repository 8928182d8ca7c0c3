/* SPDX-License-Identifier: PostgreSQL */
/* The store of a trial's hub. Functions, judges and rows are the database's, in sessions of the roles
 * that a server has for them; on_… functions pass, and the log is an empty one. */
#ifndef HERALD_CLI_WHY_ANSWERS_H
#define HERALD_CLI_WHY_ANSWERS_H

#include "cli/why/trial.h"
#include "core/store.h"
#include "loop/loop.h"

#define ANSWERS_EPOCH "trial" /* of the log that there is */

struct answers;

/* on_allowed: something was written to the log, so it was allowed. */
struct answers *answers_new(struct loop *loop, const struct trial_options *options,
                            void (*on_allowed)(void *arg), void *arg);
const struct store *answers_store(const struct answers *answers);
/* Where it is noted who was asked and what failed; NULL: nowhere. */
void answers_note(struct answers *answers, struct trial_answer *where);
/* Calls it in the next turn of the loop, or at the stop; never from inside. */
void answers_later(struct answers *answers, void (*call)(void *arg), void *arg);
void answers_stop(struct answers *answers); /* all that was asked is answered */
void answers_free(struct answers *answers);

#endif
