/* SPDX-License-Identifier: PostgreSQL */
/* What the hub is given: its seams, and how much of everything. */
#ifndef HERALD_CORE_HUB_OPTIONS_H
#define HERALD_CORE_HUB_OPTIONS_H

#include "base/bucket.h"
#include "core/metrics.h"
#include "core/nodes/bus.h"
#include "core/protocol.h"
#include "core/store.h"
#include "core/transport.h"

/* What is sensible: tests have smaller crowds and pages. A page is what a session that resumes may
 * have in memory; reads are pipelined, so more of them at a time would only make others wait. */
#define HUB_PRESENCE_AT_ONCE 100
#define HUB_PAGE_ROWS 1000
#define HUB_PAGE_BYTES (256 * 1024)
#define HUB_MAX_READS 4
#define HUB_MAX_WAITING 5000
#define HUB_SNAPSHOT_READS 100
#define HUB_SNAPSHOT_QUEUE 1000
#define HUB_MAX_WAITING_BYTES (8 * 1024 * 1024)

struct hub_options {
    uint32_t n_workers;
    const struct protocol *protocol;
    const struct transport *transport;
    const struct store *store;
    const struct bus *bus;
    const char *node_id;          /* of this one, as the others know it; borrowed */
    struct metrics_block *counts; /* of the hub's thread; NULL: nothing is counted */
    uint32_t max_channels;        /* per session */
    uint32_t max_held;            /* commands held back per session while one waits */
    uint32_t max_held_bytes;
    uint32_t max_held_total_bytes; /* over all sessions; here and below: 0 is no limit */
    uint32_t max_user_sessions;    /* of one identity that has a name */
    uint32_t max_channel_members;
    uint32_t max_open_channels;
    struct bucket_rate channel_messages;
    uint32_t message_bytes;      /* of a client's frame, at most; only told */
    uint32_t max_invalid;        /* invalid frames of a session before close 1008 */
    bool rejects_invalid_tokens; /* a token that the database refuses ends the session */
    uint32_t authorize_cache_ms; /* how long the answer of an authorize function holds */
    uint32_t presence_grace_ms;  /* how long a dropped member stays listed, 0: not */
    uint32_t presence_at_once;   /* members up to which every change is announced at once */
    uint32_t recent_bytes;       /* of log rows kept in memory for those who come back */
    uint32_t recent_rows;        /* the same in rows; 0: none are kept */
    uint32_t resume_max_rows;    /* more missed events are a gap */
    uint32_t page_rows;          /* of a replay at a time, before it waits for the session */
    uint32_t page_bytes;
    /* As whom the database is asked about an identity (live/party.c); NULL: nobody. */
    const char *role_claim, *judge_roles, *anonymous_role;
    uint32_t max_reads;   /* under way at the store, of joins and of replays each */
    uint32_t max_waiting; /* events of a group that wait for its judges: more are a gap */
    uint32_t max_waiting_bytes;
    uint32_t snapshot_reads; /* in a second, and so many at once */
    uint32_t snapshot_queue; /* that wait for that; one more is refused */
};

#endif
