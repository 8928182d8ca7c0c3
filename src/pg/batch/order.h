/* SPDX-License-Identifier: PostgreSQL */
/* In which order a batch's rows are told: their own, but for those that other triggers have put in front
 * of what they follow. */
#ifndef HERALD_PG_BATCH_ORDER_H
#define HERALD_PG_BATCH_ORDER_H

#include <libpq-fe.h>

/* rows: what herald.take returned, of which the first one is the batch itself; the next n are ordered.
 * Returns n + 1 numbers of rows, for the caller to free: that of place 0 is 0, and a TRUNCATE stays
 * where it is, with what is before it and what is behind it. */
int *batch_order(const PGresult *rows, int n);

#endif
