/* SPDX-License-Identifier: PostgreSQL */
/* A real nats-server of the test's own, on a free port of the loopback address, with what the test
 * adds to its configuration. A failure to start it ends the test program. One per process. */
#ifndef HERALD_TESTS_FAKES_NATS_SERVER_H
#define HERALD_TESTS_FAKES_NATS_SERVER_H

#include "base/str.h"

/* `settings` are lines of its configuration; NULL: none. Again after nats_down: on the same port. */
void nats_up(const char *settings);
void nats_down(void);   /* kill -9 */
void nats_pause(void);  /* it accepts connections and answers nothing */
void nats_resume(void); /* what it was sent meanwhile is delivered */
void nats_stop(void);   /* the end, and everything is removed */
const char *nats_url(void);
const char *nats_directory(void); /* for files of the test */
/* Another client of it, with nothing but the protocol. */
int nats_connect(void);                                              /* a socket */
void nats_publish(int socket, const char *subject, struct str data); /* and waits for its PONG */
/* The next message of what it has subscribed to; its data is a heap text. False: none in a second. */
void nats_subscribe(int socket, const char *subject);
bool nats_next(int socket, char subject[256], struct str *data);

#endif
