/* SPDX-License-Identifier: PostgreSQL */
/* One read of the rows that there are, for all who asked the same. Inside this folder only.
 *
 *   QUEUED → READING → (HEARING →) SETTLING → DONE, or FAILED from any of them
 *
 * budget.h says when it begins, reading.h takes it to its end, sending.h sends to one session what it
 * has found. It is listed from job_new until it is delivered or has failed. */
#ifndef HERALD_CORE_HUB_SNAPSHOT_JOB_H
#define HERALD_CORE_HUB_SNAPSHOT_JOB_H

#include "core/hub/ground/hub_state.h"
#include "core/hub/snapshot/rows.h"
#include "core/live/txid.h"

enum { JOB_RETRY_MS = 2000 };

enum job_stage { JOB_QUEUED, JOB_READING, JOB_HEARING, JOB_SETTLING, JOB_DONE, JOB_FAILED };

struct job;
/* When it is DONE; without frames those who asked ask anew. */
typedef void job_deliver_fn(struct job *job);

struct job {
    struct job *next;
    unsigned refs;
    struct hub *hub;
    enum job_stage stage;
    struct channel *channel;
    struct view *view;
    char *claims; /* of the group */
    size_t claims_len;
    char *watch;
    uint32_t max; /* rows */
    bool is_limited;
    job_deliver_fn *deliver;
    unsigned n_tries;
    uint32_t n_epoch;
    uint64_t settle_ms; /* since when */
    struct asking {
        struct session_id session;
        bool is_gap;
    } * askers;
    size_t n_askers, cap;
    /* What was read, while the database is asked who may see it. */
    struct store_snapshot found;
    struct buf texts;     /* of its rows */
    uint32_t n_regrouped; /* the channel's when they were judged, or are: then it is done anew */
    /* What is to be sent. */
    struct row_frames frames;
    struct txid_snapshot seen;
    uint64_t head;
    uint64_t version; /* of the table, by what was read */
    uint64_t as_of;   /* the log's newest id before that */
};

struct snapshots {
    struct job *jobs, **end; /* that are not done, oldest first; end: valid if there are any */
    uint32_t n_queued;       /* budget.h */
    struct bucket budget;
};

/* For the subscription's channel, view and group; nobody has asked yet. The list has the one ref. */
struct job *job_new(struct hub *hub, const struct subscription *in, job_deliver_fn *deliver);
void job_unref(struct job *job);
void job_unlist(struct job *job); /* nothing, if it is not listed */
/* One that the subscription's session may join; NULL: none. */
struct job *job_find(const struct hub *hub, const struct subscription *in);
void job_add(struct job *job, const struct session *session, bool is_gap);

struct str job_claims(const struct job *job); /* of the group that it is read for */
bool job_is_for(const struct job *job, const struct subscription *in); /* by its group, too */
/* One of those who asked, as whom the rows are judged; NULL: nobody is left, or all are of another
 * group now. */
struct group *job_group(const struct job *job);

/* The answer is gone when the database has judged its rows. */
void job_keep_found(struct job *job, const struct store_snapshot *found);
void job_drop_found(struct job *job);

/* One who closes, or was removed while it waited. */
void job_let_go(const struct job *job, struct session *session);
/* All who asked and still wait are told, and leave the view; it is unlisted, and may be gone. */
void job_refuse(struct job *job, const struct protocol_error *error);
/* The same; unavailable is worth another try after JOB_RETRY_MS. why NULL: the code's own sentence. */
void job_fail(struct job *job, enum error_code code, const char *why);

#endif
