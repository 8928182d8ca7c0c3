/* SPDX-License-Identifier: PostgreSQL */
/* Changes that were not announced whole, counted by watch and reason until they are told: in
 * herald.watches, which is asked for on a connection that somebody else keeps, and in a line of the
 * log at most once a minute for each. */
#ifndef HERALD_PG_TALLY_H
#define HERALD_PG_TALLY_H

#include "core/metrics.h"
#include "core/row/change.h"
#include "pg/connection.h"

/* One change of which something, or all, was left out. */
struct blemish {
    const struct shape *shape; /* NULL: not known */
    enum change_fault fault;
    bool is_skipped; /* nothing of it was announced */
};

struct tally;

struct tally *tally_new(struct metrics_block *counts);
void tally_add(struct tally *tally, const struct blemish *blemish);
/* The connection is open. now_ms: as clock_ms() has it. */
void tally_tell(struct tally *tally, struct connection *connection, uint64_t now_ms);
void tally_free(struct tally *tally); /* the connection must be stopped. NULL is fine */

#endif
