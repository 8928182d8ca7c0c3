/* SPDX-License-Identifier: PostgreSQL */
/* What a worker does by the clock. */
#ifndef HERALD_NET_WORKER_HOUSEKEEPING_H
#define HERALD_NET_WORKER_HOUSEKEEPING_H

#include <stdint.h>

struct net_settings;
struct worker;

void housekeeping_start(struct worker *worker); /* begins to look after time limits */
/* For what is done from now on. Borrows the reference. */
void housekeeping_take_settings(struct worker *worker, struct net_settings *settings);
void housekeeping_free(struct worker *worker);
void housekeeping_close_all(struct worker *worker, uint16_t code, const char *reason,
                            uint32_t spread_ms);
void housekeeping_stop(struct worker *worker, uint32_t spread_ms);
void housekeeping_end_if_done(struct worker *worker); /* while it stops, after each turn */

#endif
