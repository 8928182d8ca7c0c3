/* SPDX-License-Identifier: PostgreSQL */
/* SIGINT, SIGTERM and SIGHUP while `dev` starts and stops; in between, the server's loop has them.
 */
#ifndef HERALD_CLI_DEV_STOP_H
#define HERALD_CLI_DEV_STOP_H

#include <stdbool.h>

void stop_catch(void); /* from now on the signals only ask; may be repeated */
bool stop_is_asked(void);
int stop_fd(void);      /* readable once a stop was asked for; for poll() */
void stop_forget(void); /* before waiting for a second one */

#endif
