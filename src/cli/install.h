/* SPDX-License-Identifier: PostgreSQL */
/* Bringing the schema of a database to this program's. */
#ifndef HERALD_CLI_INSTALL_H
#define HERALD_CLI_INSTALL_H

#include <stdio.h>

#include "base/err.h"
#include "cli/admin.h"

/* Runs the built-in steps that are missing, each in its own transaction, under a lock against a
 * second installer. Says each step on `say`. Refuses a schema that is newer than this program.
 * *from and *to are its numbers before and after; equal: nothing was to be done. */
enum status install_schema(struct admin *admin, FILE *say, int *from, int *to,
                           struct err *err) MUST_CHECK;

#endif
