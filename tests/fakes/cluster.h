/* SPDX-License-Identifier: PostgreSQL */
/* A Postgres cluster of the test's own, in a temporary directory, on a unix socket only. A failure
 * to make one ends the test program. One per process. */
#ifndef HERALD_TESTS_FAKES_CLUSTER_H
#define HERALD_TESTS_FAKES_CLUSTER_H

#include <stdbool.h>

void cluster_start(void);         /* with the schema installed in a template database */
void cluster_stop(void);          /* and everything is removed */
void cluster_down(bool is_crash); /* fast, or as a crash */
void cluster_up(void);
void cluster_create(const char *database);       /* a fresh copy of the template */
void cluster_create_empty(const char *database); /* without the schema */
const char *cluster_socket_path(void);
/* Keyword/value strings, in one of a few static buffers. */
const char *cluster_url(const char *database, const char *user);

#endif
