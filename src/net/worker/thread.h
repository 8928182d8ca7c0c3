/* SPDX-License-Identifier: PostgreSQL */
/* The worker's thread: its life, and its turn. */
#ifndef HERALD_NET_WORKER_THREAD_H
#define HERALD_NET_WORKER_THREAD_H

#include <stdint.h>

#include "base/err.h"

struct net_settings;
struct net_shared;
struct tls;
struct worker;

/* Takes `tls` in any case; NULL: no TLS. */
enum status thread_new(struct net_shared *shared, struct net_settings *settings, uint32_t index,
                       struct tls *tls, struct worker **out, struct err *err) MUST_CHECK;
void thread_listen(struct worker *worker, int fd, int tls_fd); /* owns them; tls_fd -1: none */
void thread_start(struct worker *worker);
void thread_join(struct worker *worker);       /* returns when the thread has ended */
void thread_close_down(struct worker *worker); /* no worker's thread may run any more */
void thread_free(struct worker *worker);       /* it does not run; NULL is fine */

#endif
