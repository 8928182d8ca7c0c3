/* SPDX-License-Identifier: PostgreSQL */
/* Where a command that is a client connects: --url, or what the configuration and the database say. */
#ifndef HERALD_CLI_WIRE_WHERE_H
#define HERALD_CLI_WIRE_WHERE_H

#include "config/config.h"
#include "net/client/target.h"

/* url NULL: the configuration's listen, of this machine. A URL without a path gets the newest canonical
 * of the database; the sentence of a failure says how to do without one. */
enum status where_find(const struct config *config, const char *url, struct target *out,
                       struct err *err) MUST_CHECK;

#endif
