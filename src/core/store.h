/* SPDX-License-Identifier: PostgreSQL */
/* What stands between the hub and the database: a few seams by which the hub asks, each in a header
 * of its own, and the sink by which it is told. All on the hub thread. */
#ifndef HERALD_CORE_STORE_H
#define HERALD_CORE_STORE_H

#include "core/directive.h"
#include "core/site.h"
#include "core/store_functions.h"
#include "core/store_judges.h"
#include "core/store_log.h"
#include "core/store_presence.h"
#include "core/store_snapshot.h"

struct store {
    struct store_log log;
    struct store_functions functions;
    struct store_presence presence;
    struct store_snapshots snapshots;
    struct store_judges judges;
};

/* ---- what the store tells ---- */

struct store_receipt { /* of a message that has a ref */
    struct session_id sender;
    struct str channel, ref;
    struct str epoch; /* absent: where it is in the log is not known, or void by now */
    uint64_t offset;  /* with an epoch */
    bool is_duplicate;
};

struct store_sink {
    void *ctx;
    /* A committed event, in log order: ids strictly ascending by one over all channels, offsets by
     * one in a channel. */
    void (*on_event)(void *ctx, struct event *event);
    /* The sender's oldest pending message is stored (right after its on_event), or was refused. */
    void (*on_append_done)(void *ctx, struct session_id sender);
    /* ref: of the message; absent: it has none */
    void (*on_append_failed)(void *ctx, struct session_id sender, struct str channel,
                             struct str ref);
    /* A message is stored: right before its on_event. A duplicate has none, only its receipt and
     * on_append_done, which may come before those of messages that the sender sent earlier. */
    void (*on_receipt)(void *ctx, const struct store_receipt *receipt);
    void (*on_site)(void *ctx, struct site *site); /* takes the site */
    /* After the on_site of the same version; each once, in the order given. Directives from before
     * this process served are not told. */
    void (*on_directive)(void *ctx, const struct directive *directive);
    /* The road to the database is up, or down with one sentence why. Up comes after the first
     * on_site. */
    void (*on_up)(void *ctx,
                  struct str epoch); /* a changed epoch: offsets are no longer comparable */
    void (*on_down)(void *ctx, const char *reason);
    /* What an operator should change in the database, a line each; comes when it changes. */
    void (*on_warnings)(void *ctx, const char *lines);
    /* After on_down: another server has the database instead of this one; reason: why, for clients.
     * Messages that were handed over and not answered are not answered any more; whether they were
     * stored is not known. */
    void (*on_superseded)(void *ctx, const char *reason);
};

#endif
