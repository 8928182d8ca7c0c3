/* SPDX-License-Identifier: PostgreSQL */
/* Ports and addresses of this machine, for `dev` and what it starts. */
#ifndef HERALD_CLI_DEV_PORT_H
#define HERALD_CLI_DEV_PORT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

/* The wanted one of the loopback if it is free, else any free one; 0: there is none, and errno says
 * why. */
int port_free(int wanted);
/* Whether one could listen at ADDR:PORT; may_move: or at one of the next few ports. *out is the one
 * that is free, a heap text, also after a failure. */
enum status port_check(const char *listen, bool may_move, char **out, struct err *err) MUST_CHECK;

/* url: http://HOST:PORT of who listens there. */
bool port_is_for_all(const char *url); /* 0.0.0.0 or [::], which no browser opens */
char *port_local_url(const char *url); /* a heap text: what a browser of this machine opens */
void port_print_others(const char *url, FILE *out); /* a line for each address of this machine */

#endif
