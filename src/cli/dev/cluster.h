/* SPDX-License-Identifier: PostgreSQL */
/* The private Postgres of `dev`: made, started, watched and stopped. */
#ifndef HERALD_CLI_DEV_CLUSTER_H
#define HERALD_CLI_DEV_CLUSTER_H

#include <stdbool.h>

#include "base/err.h"
#include "cli/dev/home.h"

struct cluster;

/* Checks everything that can be checked, then takes the directory; no process is started. Exit
 * code 78. */
enum status cluster_open(const char *data_dir, const char *bindir, struct cluster **out,
                         struct err *err) MUST_CHECK;
/* Makes the cluster if it is not there and starts it; returns when it accepts connections. Gives up
 * when a stop is asked for (stop.h), and leaves nothing half-made behind. */
enum status cluster_start(struct cluster *cluster, struct err *err) MUST_CHECK;
bool cluster_is_alive(struct cluster *cluster);
void cluster_stop(struct cluster *cluster);  /* waits until it has; a second Ctrl-C hurries it */
void cluster_close(struct cluster *cluster); /* stopped before; NULL is fine */

/* Whose it is, and where files lie: for what else runs beside it. */
const struct home *cluster_home(const struct cluster *cluster);
char *cluster_url(const struct cluster *cluster, const char *role,
                  const char *database); /* a heap string */
char *cluster_psql(const struct cluster *cluster,
                   const char *database);               /* the line to type in a shell */
const char *cluster_log(const struct cluster *cluster); /* the path of Postgres's log */

#endif
