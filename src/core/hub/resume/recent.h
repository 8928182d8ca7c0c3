/* SPDX-License-Identifier: PostgreSQL */
/* The log's newest rows, kept in memory so that a crowd that comes back at once is not a crowd at
 * the database. Hub thread only. */
#ifndef HERALD_CORE_HUB_RESUME_RECENT_H
#define HERALD_CORE_HUB_RESUME_RECENT_H

#include "base/hash.h"
#include "core/event.h"
#include "core/hub/resume/history.h"

#include <uthash.h>

struct recent_row {
    struct recent_run *run;
    struct recent_row *older, *newer; /* over all channels, as they came in */
    struct event *event;
    struct frame *replay; /* NULL: nobody has missed it yet */
};

/* Rows of one channel without a hole; the last one is at least the newest that the hub was told of.
 * Never empty. */
struct recent_run {
    UT_hash_handle hh;
    struct recent_row **rows; /* n of them from `first` on, offsets ascending by one */
    size_t first, n, cap;
    struct frame *history; /* the answer made last that anybody may see; NULL: none */
    uint64_t history_first, history_last;
    size_t name_len;
    char name[];
};

struct recent {
    struct recent_run *runs;
    struct recent_row *oldest, *newest;
    uint64_t bytes, max_bytes; /* about */
    uint32_t n_rows, max_rows; /* max 0: nothing is kept */
};

struct recent *recent_new(uint64_t max_bytes, uint32_t max_rows);
void recent_free(struct recent *recent);
void recent_clear(struct recent *recent); /* usable again */

/* A row that the store tells. */
void recent_add(struct recent *recent, struct event *event);
/* Rows that were read, oldest first: kept if they have no hole and join what is there. They reach
 * up to the head of a snapshot that has all that the hub was told before the read was asked;
 * `fanned` is the newest offset that it has been told of since. */
void recent_adopt(struct recent *recent, struct event *const *events, size_t n, uint64_t fanned);
/* Lets go of the oldest rows over the limits. Rows and frames are valid until then. */
void recent_trim(struct recent *recent);

struct recent_run *recent_find(const struct recent *recent, struct str channel); /* NULL: none */
uint64_t recent_run_last(const struct recent_run *run); /* the newest offset */
/* The rows after an offset: *n of them, up to the newest. False: some are not here. */
bool recent_run_after(const struct recent_run *run, uint64_t offset,
                      struct recent_row *const **rows, size_t *n);
/* The frame of a missed row, made once. Borrowed. */
struct frame *recent_replay(struct recent *recent, struct recent_row *row,
                            const struct protocol *protocol);
/* Fills the history and encodes it. A reference for the caller; NULL: it needs rows that are not
 * here. */
struct frame *recent_history(struct recent *recent, struct recent_run *run,
                             struct history *history);

#endif
