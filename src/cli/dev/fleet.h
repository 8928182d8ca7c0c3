/* SPDX-License-Identifier: PostgreSQL */
/* The nodes of `dev --nodes N`, each a process of its own, with a private NATS server between them
 * and a balancer in front. */
#ifndef HERALD_CLI_DEV_FLEET_H
#define HERALD_CLI_DEV_FLEET_H

#include "cli/dev/cluster.h"
#include "config/config.h"

struct fleet;

struct fleet_options {
    const struct config *config; /* for all nodes: database and keys included */
    const struct cluster *cluster;
    const char *psql; /* what the landing page shows (server.h) */
};

/* What the machine must have and the options may not say; exit code 78. */
enum status fleet_check(const struct config *config, struct err *err) MUST_CHECK;
/* Prints the ready line on stdout as soon as all nodes serve; gives up when a stop is asked for.
 * Stop what comes back in *out, whatever comes back. */
enum status fleet_start(const struct fleet_options *options, struct fleet **out,
                        struct err *err) MUST_CHECK;
const char *fleet_url(const struct fleet *fleet); /* of the balancer */
void fleet_look(struct fleet *fleet);             /* a few times a second; see child_look */
void fleet_stop(struct fleet *fleet);             /* NULL is fine */

#endif
