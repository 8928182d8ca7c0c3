/* SPDX-License-Identifier: PostgreSQL */
/* Removing directories. */
#ifndef HERALD_CLI_DEV_TREE_H
#define HERALD_CLI_DEV_TREE_H

#include <stdbool.h>

/* Everything below path, links as such and never followed; path itself stays. True if nothing is
 * left. */
bool tree_remove_contents(const char *path);
/* A directory that holds Postgres's sockets and their lock files only; stays if anything else is in
 * it. */
void tree_remove_sockets(const char *path);

#endif
