/* SPDX-License-Identifier: PostgreSQL */
/* What libwebsockets calls. */
#ifndef HERALD_NET_WORKER_CALLBACKS_H
#define HERALD_NET_WORKER_CALLBACKS_H

struct lws_protocols;
const struct lws_protocols *callbacks_protocols(void);

#endif
