/* SPDX-License-Identifier: PostgreSQL */
/* Ports of the loopback for what `dev` starts. */
#ifndef HERALD_CLI_DEV_PORT_H
#define HERALD_CLI_DEV_PORT_H

/* The wanted one if it is free, else any free one; 0: there is none, and errno says why. */
int port_free(int wanted);

#endif
