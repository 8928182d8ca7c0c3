/* SPDX-License-Identifier: PostgreSQL */
/* The hub owns sessions, channels and rules, and decides what every command does. It knows no
 * socket, no Postgres and no clock: they are the seams it is given. One thread. */
#ifndef HERALD_CORE_HUB_HUB_H
#define HERALD_CORE_HUB_HUB_H

#include "core/command.h"
#include "core/hub/options.h"

struct hub;

struct hub *hub_new(const struct hub_options *options);
/* How much of everything, for what is done from now on: what is more already stays. As whom the database
 * is asked, and the seams, must be as hub_new had them. */
void hub_set_options(struct hub *hub, const struct hub_options *options);
void hub_free(struct hub *hub);
struct store_sink hub_sink(struct hub *hub);
struct bus_sink hub_bus_sink(struct hub *hub); /* of parcels: the kinds that are the hub's */
void hub_command(struct hub *hub, struct command *command); /* takes the command */
/* Stops taking sessions (the gate says why) and closes those there are with 1012, spread over
 * spread_ms. Events still reach a session until its close. */
void hub_drain(struct hub *hub, uint32_t spread_ms);
/* Time passes: to be called about every HUB_TICK_MS. The hub has no clock of its own. now_ms is
 * monotonic, wall_ms since 1970. */
#define HUB_TICK_MS 50
void hub_tick(struct hub *hub, uint64_t now_ms, uint64_t wall_ms);
uint32_t hub_n_sessions(const struct hub *hub);
/* The first connection hash of the site; "": it has none. NULL: the store is not up. */
const char *hub_canonical(const struct hub *hub);
/* End of a turn: to be called after all that the turn brought, and before a wait. */
void hub_flush(struct hub *hub);

#endif
