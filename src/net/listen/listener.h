/* SPDX-License-Identifier: PostgreSQL */
/* Listening sockets: made in the main thread, all at once, served by one worker each. */
#ifndef HERALD_NET_LISTEN_LISTENER_H
#define HERALD_NET_LISTEN_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct listener;
struct worker;

/* Opens n sockets that share one port and writes them into fds: after a failure too, those that it
 * had opened. *url is a heap text with the port really bound. */
enum status listener_bind(const char *listen, bool is_tls, uint32_t n, int *fds, char **url,
                          struct err *err) MUST_CHECK;

struct listener *listener_new(struct worker *worker, int fd, bool is_tls); /* owns the fd */
void listener_start(struct listener *listener); /* NULL is fine, as below */
/* Goes on after it ran out of descriptors; cuts connections whose PROXY header does not come. */
void listener_sweep(struct listener *listener, uint64_t now_ms);
void listener_free(struct listener *listener);

#endif
