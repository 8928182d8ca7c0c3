/* SPDX-License-Identifier: PostgreSQL */
/* Of which tables somebody has the rows: a number that differs when a channel's table is another, or
 * was altered, or who may see its rows. What happens to rows is told one by one; this is not, so they
 * have to be read anew.
 *
 * Positions of views with rows have it behind their epoch, "EPOCH.VERSION.ID.GROUP", with the log's newest
 * id when the rows were read, and for whom: who comes back with rows from before a change cannot resume,
 * nor can who comes back as somebody else, who may see others. Hub thread only. */
#ifndef HERALD_CORE_HUB_LIVE_VERSION_H
#define HERALD_CORE_HUB_LIVE_VERSION_H

#include "core/hub/ground/hub_state.h"

/* Of rows that were read when the one table of a channel was `changed` so. */
uint64_t version_of(uint64_t changed);
/* Appends the epoch of a position; version 0: of one without rows. claims: of the group whose rows they
 * are. */
void version_put(struct buf *out, const struct hub *hub, uint64_t version, uint64_t as_of,
                 struct str claims);
/* The version of such an epoch, which is ours. 0: it is another one, or of other tables than today's, or
 * of another group than his, or rows of it were to be read anew since (reread.h). */
uint64_t version_parse(struct hub *hub, struct channel *channel, const struct identity *who,
                       struct str epoch, uint64_t *as_of);

/* A subscriber who is live and has rows of another version, or such that were to be read anew since,
 * is told that he has a gap. */
void version_check(struct hub *hub, struct session *session, struct subscription *in);
void version_check_all(struct hub *hub); /* the site has changed */
/* The same of what came since rereads were told: of a table at once, of somebody at the end of the turn,
 * so that often is once. */
void version_tell_rereads(struct hub *hub);

#endif
