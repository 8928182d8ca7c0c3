/* SPDX-License-Identifier: PostgreSQL */
/* The worker's inbox: what the hub ordered (order.h) is done to this worker's sessions. */
#ifndef HERALD_NET_ORDERS_H
#define HERALD_NET_ORDERS_H

#include <stdbool.h>

struct worker;

/* As much as belongs into one turn. False: there is more, and nobody will wake us for it (a sender
 * wakes only for the first order in an empty box). */
bool orders_carry_out(struct worker *worker);
void orders_drop(struct worker *worker); /* lets go of what was not carried out */

#endif
