/* SPDX-License-Identifier: PostgreSQL */
/* Questions to the store, each with its turn. Knows neither joins nor replays: who asks brings what
 * may answer without the store, and what takes the answer. Hub thread only. */
#ifndef HERALD_CORE_HUB_RESUME_READS_H
#define HERALD_CORE_HUB_RESUME_READS_H

#include "core/hub/ground/hub_state.h"

struct read;

/* True: it is answered, the store need not be asked any more. */
typedef bool read_try_fn(struct hub *hub, struct session *session, const struct read *read);
typedef void read_take_fn(struct hub *hub, struct session *session, const struct read *read,
                          const struct store_answer *found);

/* Allocated with mem_alloc by who asks, perhaps as the first member of something larger; freed by
 * reads.c. Its session may be gone when the answer comes, its channel not. */
struct read {
    read_try_fn *try;   /* its turn has come, or somebody else's answer may have told it */
    read_take_fn *take; /* not verdict if its session is gone */
    struct channel *channel;
    struct view *view; /* NULL: none */
    enum store_read_kind kind;
    uint32_t limit;      /* LAST, SINCE: most rows */
    uint32_t max_bytes;  /* LAST, SINCE */
    uint32_t max_missed; /* SINCE */
    uint64_t since;      /* SINCE */
    /* Set by reads_ask. */
    struct read *next;
    struct hub *hub;
    struct session_id session;
    uint32_t n_epoch; /* the hub's when it was asked */
    uint64_t queued_ms;
};

struct reads *reads_new(void);
void reads_free(struct reads *reads);
/* Takes the read. A session that waits for it (SESSION_WAIT_READ) goes on when it has been taken. */
void reads_ask(struct hub *hub, struct session *session, struct read *read);
uint32_t reads_n_queued(const struct reads *reads);

#endif
