/* SPDX-License-Identifier: PostgreSQL */
/* What is on its way between the hub and the workers: commands there, orders back. */
#ifndef HERALD_NET_TRANSIT_H
#define HERALD_NET_TRANSIT_H

#include <stdbool.h>

#include "core/command.h"

struct net_settings;
struct net_shared;
struct socket;
struct worker;

void transit_submit(struct worker *worker, struct command *command); /* hands it to the hub */
/* At the end of a turn, if something in it could wait until then. */
void transit_wake_hub(struct worker *worker);
/* As submit, of a command that says nothing but its type. */
void transit_tell(struct socket *socket, enum command_type type);
/* Too much is on its way: sockets that bring something are not read until that is less. */
bool transit_is_behind(const struct net_shared *shared, const struct net_settings *settings);
void transit_pause(struct socket *socket);
void transit_free(struct worker *worker);

#endif
