/* SPDX-License-Identifier: PostgreSQL */
/* Bringing the schema of a database to this program's. */
#ifndef HERALD_CLI_SCHEMA_INSTALL_H
#define HERALD_CLI_SCHEMA_INSTALL_H

#include <stdio.h>

#include "base/err.h"
#include "cli/admin.h"

/* The number of the newest step that the database has had; 0: the schema is not there. */
enum status installed_version(struct admin *admin, int *out, struct err *err) MUST_CHECK;

/* Runs the built-in steps that are missing, each in its own transaction, under a lock against a
 * second installer. Says each step on `say`, unless that is NULL. Refuses a schema that is newer than this program.
 * *from and *to are its numbers before and after; equal: nothing was to be done. */
enum status install_schema(struct admin *admin, FILE *say, int *from, int *to,
                           struct err *err) MUST_CHECK;
/* Only the roles of the cluster. */
enum status install_roles(struct admin *admin, struct err *err) MUST_CHECK;
/* All of it, and the roles that nothing else uses: a warning of Postgres tells which are kept. */
enum status uninstall_schema(struct admin *admin, struct err *err) MUST_CHECK;

#endif
