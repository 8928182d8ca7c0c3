/* SPDX-License-Identifier: PostgreSQL */
/* The server's hub, in this process and for one session: what it decides is what a server would. Its
 * functions and judges are real, in sessions of their own roles, and read only; on_… functions are not
 * called, and let pass; the log is an empty one, and what would be written to it is not. */
#ifndef HERALD_CLI_WHY_TRIAL_H
#define HERALD_CLI_WHY_TRIAL_H

#include "base/buf.h"
#include "config/config.h"
#include "core/site.h"
#include "pg/shapes/shapes.h"

struct trial;

struct trial_options {
    const struct config *config; /* urls as the server has them */
    struct shapes *shapes;       /* outlives the trial */
    struct str key;              /* of signatures */
    struct identity *who;        /* NULL: anonymous */
};

struct trial_answer {
    bool is_late; /* none came in time, and the rest is unset */
    bool is_allowed;
    size_t n_rows;            /* that it was shown */
    struct buf code, message; /* of the error that refuses */
    bool was_asked;           /* an authorize function; */
    bool is_refused;          /* it said no */
    struct buf problem;       /* or failed: for the operator; "": it could not be called */
    const char *locked_out;   /* the role that could not log in, and problem says why; or NULL */
    bool is_unjudged;         /* Postgres could not be asked about the row, or failed at it */
};

/* Takes the site. */
struct trial *trial_new(const struct trial_options *options, struct site *site);
/* Says a frame of a client to the hub, and waits for what comes of it: of a join that asks for a
 * snapshot, for its rows. Release *out whatever comes. */
void trial_ask(struct trial *trial, struct str frame, bool wants_rows, struct trial_answer *out);
void trial_answer_release(struct trial_answer *answer);
/* How many rows of a watch fulfil conditions (core/store_snapshot.h), whoever may see them; there may
 * be more. False: it cannot be told. */
bool trial_count_rows(struct trial *trial, const char *watch, struct str channel,
                      struct str conditions, size_t *n);
void trial_free(struct trial *trial); /* NULL is fine */

#endif
